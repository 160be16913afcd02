//! Marking: seen, read, unread, archived, deleted; single ones, or everything up to a cursor.

use axum::Json;
use axum::extract::{Path, State as Shared};
use domain::AppId;
use domain::inbox::{Change, Counts, Marks};
use domain::notification::{NotificationId, Stream};
use entry::http::caller::Caller;
use entry::http::{Body, Problem};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::dto::{CountsOut, Cursor};
use crate::list::bounds;
use crate::{State, busy, stream};

/// Tries against others who mark the same inbox.
const TRIES: usize = 20;

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
#[utoipa::path(post, path = "/api/v1/Inbox/{user}/Marks", tag = "Inbox", security(("keys" = [])), params(("user" = String, Path)),
    request_body = Mark, responses((status = 200, body = CountsOut), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn mark(
    Shared(state): Shared<State>,
    Caller(app): Caller,
    Path(user): Path<String>,
    Body(it): Body<Mark>,
) -> Result<Json<CountsOut>, Problem> {
    let stream = stream(&user)?;
    let ranges: Vec<(u64, u64)> = match (&it.up_to, it.ids.len()) {
        (Some(cursor), 0) => vec![(1, Cursor::read("upTo", cursor, app, &stream)?.sequence)],
        (None, 1..=100) => {
            let number = |it: &String| {
                let id: Option<NotificationId> = it.parse().ok().filter(|it: &NotificationId| it.stream == stream);
                id.map(|it| (it.sequence, it.sequence))
                    .ok_or_else(|| Problem::invalid("ids", "an id is none of this inbox"))
            };
            it.ids.iter().map(number).collect::<Result<_, Problem>>()?
        }
        _ => return Err(Problem::invalid("ids", "1 to 100 ids, or `upTo`")),
    };
    Ok(Json(apply(&state, app, &stream, &user, it.change, &ranges).await?.into()))
}

/// Changes ranges of an inbox in one write; answers the counts after it.
pub(crate) async fn apply(
    state: &State,
    app: AppId,
    stream: &Stream,
    user: &str,
    change: Change,
    ranges: &[(u64, u64)],
) -> Result<Counts, Problem> {
    for _ in 0..TRIES {
        let before = state.table.marks(app, user).await?;
        let (floor, head) = bounds(state, app, stream).await?;
        let mut next: Marks = before.clone();
        for (from, to) in ranges {
            next = next.after(change, *from, *to, floor, head).unwrap_or(next);
        }
        if next == before {
            return Ok(before.counts(floor, head));
        }
        next.revision = before.revision + 1;
        if state.table.put_marks(app, user, &next).await? {
            return Ok(next.counts(floor, head));
        }
    }
    Err(busy())
}
