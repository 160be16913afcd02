//! Marking: seen, read, unread, archived, deleted; single ones, or everything up to a cursor.

use axum::Json;
use axum::extract::{Path, State as Shared};
use domain::inbox::Change;
use entry::clock;
use entry::http::{Body, Problem, ProblemType};
use inbox::marking::NotMarked;
use inbox::{CountsOut, marking};
use serde::Deserialize;
use table::TableError;
use utoipa::ToSchema;

use crate::reader::Reader;
use crate::{State, busy, stream};

/// What is marked, and how.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Mark {
    /// `seen`, `read`, `unread`, `archive`, `unarchive`, `delete`
    #[schema(value_type = String, example = "read")]
    change: Change,
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
    Shared(state): Shared<State>,
    Reader(app): Reader,
    Path(user): Path<String>,
    Body(it): Body<Mark>,
) -> Result<Json<CountsOut>, Problem> {
    let stream = stream(&user)?;
    let wrong = |why: NotMarked| {
        let field = if matches!(why, NotMarked::Cursor(_)) { "upTo" } else { "ids" };
        Problem::invalid(field, why.to_string())
    };
    let spans = marking::spans(app, &stream, &it.ids, it.up_to.as_deref()).map_err(wrong)?;
    match marking::apply(&state.table, app, &user, it.change, &spans, clock::now()).await {
        Err(TableError::Full { .. }) => {
            let title = "too many separate marks; mark everything up to a cursor";
            Err(Problem::new(ProblemType::Full, title))
        }
        counts => Ok(Json(counts?.ok_or_else(busy)?.into())),
    }
}
