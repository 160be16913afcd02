//! Marking: seen, read, unread, archived, deleted; single ones, or everything up to a cursor.

use axum::Json;
use axum::extract::{Path, State as Shared};
use domain::inbox::InboxAction;
use entry::clock;
use entry::http::{JsonBody, Problem, ProblemType};
use inbox::read_state::SelectionError;
use inbox::{CountsOut, read_state};
use serde::Deserialize;
use table::TableError;
use utoipa::ToSchema;

use crate::inbox_caller::InboxCaller;
use crate::{Context, inbox_busy, user_stream};

/// What is marked, and how.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Mark {
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

/// Marks notifications of a user; answers the counts after it. Marking twice is marking once.
#[utoipa::path(post, path = "/api/v1/Inbox/{user}/Marks", tag = "Inbox", security(("keys" = []), ("user" = [])), params(("user" = String, Path)),
    request_body = Mark, responses((status = 200, body = CountsOut), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn mark(
    Shared(state): Shared<Context>,
    InboxCaller(app): InboxCaller,
    Path(user): Path<String>,
    JsonBody(it): JsonBody<Mark>,
) -> Result<Json<CountsOut>, Problem> {
    let stream = user_stream(&user)?;
    let wrong = |why: SelectionError| {
        let field = if matches!(why, SelectionError::Cursor(_)) { "upTo" } else { "ids" };
        Problem::invalid(field, why.to_string())
    };
    let spans = read_state::select(app, &stream, &it.ids, it.up_to.as_deref()).map_err(wrong)?;
    match read_state::apply(&state.table, app, &user, it.change, &spans, clock::now()).await {
        Err(TableError::Full { .. }) => {
            let title = "too many separate marks; mark everything up to a cursor";
            Err(Problem::new(ProblemType::Full, title))
        }
        counts => Ok(Json(counts?.ok_or_else(inbox_busy)?.into())),
    }
}
