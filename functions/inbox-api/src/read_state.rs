//! Changes of the read state: seen, read, unread, archived, deleted; by ids, or everything up to a cursor.

use axum::Json;
use axum::extract::{Path, State};
use domain::inbox::InboxAction;
use entry::clock;
use entry::http::{JsonBody, Problem, ProblemType};
use inbox::path::user_stream;
use inbox::read_state::SelectionError;
use inbox::{CountsOut, read_state};
use serde::Deserialize;
use table::TableError;
use utoipa::ToSchema;

use crate::context::Context;
use crate::inbox_caller::InboxCaller;
use crate::problems::inbox_busy;

/// A change of the read state.
#[derive(Deserialize, ToSchema)]
#[schema(as = Mark)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ReadStateChange {
    /// `seen`, `read`, `unread`, `archive`, `unarchive`, `delete`
    #[schema(value_type = String, example = "read")]
    change: InboxAction,
    /// Ids of notifications, at most 100
    #[serde(default)]
    ids: Vec<String>,
    /// Or everything up to this cursor, itself included
    #[serde(default)]
    up_to: Option<String>,
}

/// Changes the read state of notifications and returns the counts after it. It is idempotent.
#[utoipa::path(post, path = "/api/v1/Inbox/{user}/Marks", tag = "Inbox", security(("keys" = []), ("user" = [])), params(("user" = String, Path)),
    request_body = ReadStateChange, responses((status = 200, body = CountsOut), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn change_read_state(
    State(context): State<Context>,
    InboxCaller(app): InboxCaller,
    Path(user): Path<String>,
    JsonBody(change): JsonBody<ReadStateChange>,
) -> Result<Json<CountsOut>, Problem> {
    let stream = user_stream(&user)?;
    let invalid = |error: SelectionError| {
        let field = if matches!(error, SelectionError::Cursor(_)) { "upTo" } else { "ids" };
        Problem::invalid(field, error.to_string())
    };
    let ranges = read_state::select(app, &stream, &change.ids, change.up_to.as_deref()).map_err(invalid)?;
    match read_state::apply(&context.table, app, &user, change.change, &ranges, clock::now()).await {
        Err(TableError::Full { .. }) => Err(Problem::new(ProblemType::Full, read_state::FULL)),
        counts => Ok(Json(counts?.ok_or_else(inbox_busy)?.into())),
    }
}
