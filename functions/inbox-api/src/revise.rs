//! Changing a notification after it was sent, and taking it back.

use axum::Json;
use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use domain::AppId;
use domain::notification::{Notification, NotificationId};
use entry::clock;
use entry::http::auth::Caller;
use entry::http::{JsonBody, Problem, ProblemType};
use inbox::NotificationOut;
use serde_json::Value;
use table::{ReviseOutcome, TableError};

use crate::dto::NotificationIn;
use crate::{Context, user_stream};

/// Replaces what a notification says. Open sockets, and whoever catches up, are told by a `notification.updated` that names
/// it in `updates`; its id, number and marks stay.
#[utoipa::path(put, path = "/api/v1/Inbox/{user}/Notifications/{id}", tag = "Inbox", security(("keys" = [])),
    params(("user" = String, Path), ("id" = String, Path)), request_body = NotificationIn,
    responses((status = 200, body = NotificationOut), (status = 404, body = Problem), (status = 422, body = Problem),
        (status = 429, body = Problem)))]
pub(crate) async fn update(
    Shared(state): Shared<Context>,
    Caller(app): Caller,
    Path((user, id)): Path<(String, String)>,
    JsonBody(it): JsonBody<NotificationIn>,
) -> Result<Json<NotificationOut>, Problem> {
    let news = it.to_new_notification(clock::now())?;
    let id = parse_own_id(&user, &id)?;
    let there = state.table.notification(app, &id).await?.ok_or_else(no_such_notification)?;
    if it.has_type() && it.kind() != there.kind {
        return Err(Problem::invalid("type", format!("the notification is a {}, and stays one", there.kind)));
    }
    state.type_schemas.check(&state.table, app, &there.kind, &it.data()).await?;
    let mut data = news.data;
    // when it ends, what it replaces and whether it is escalated stay as they are, unless the change says otherwise
    for member in ["escalation", "expiresAt", "collapseKey"] {
        if let (None, Some(kept)) = (data.get(member), there.data.get(member)) {
            data[member] = kept.clone();
        }
    }
    let revised = revise(&state, app, &user, &id, Some(&data)).await?;
    let marks = state.table.read_state(app, &user).await?;
    Ok(Json(NotificationOut::new(app, &revised, &marks)))
}

/// Takes a notification back: it is in no list and no count any more, and what it said is erased. Open sockets, and whoever
/// catches up, are told by a `notification.retracted` that names it in `retracts`.
#[utoipa::path(delete, path = "/api/v1/Inbox/{user}/Notifications/{id}", tag = "Inbox", security(("keys" = [])),
    params(("user" = String, Path), ("id" = String, Path)),
    responses((status = 204), (status = 404, body = Problem)))]
pub(crate) async fn retract(
    Shared(state): Shared<Context>,
    Caller(app): Caller,
    Path((user, id)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    revise(&state, app, &user, &parse_own_id(&user, &id)?, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The id that a path names, of a notification in the user's own stream.
fn parse_own_id(user: &str, id: &str) -> Result<NotificationId, Problem> {
    let id: NotificationId = id.parse().map_err(|()| no_such_notification())?;
    if id.stream == user_stream(user)? { Ok(id) } else { Err(no_such_notification()) }
}

fn no_such_notification() -> Problem {
    Problem::new(ProblemType::NoSuchNotification, "there is no notification of that id")
}

async fn revise(
    state: &Context,
    app: AppId,
    user: &str,
    id: &NotificationId,
    data: Option<&Value>,
) -> Result<Notification, Problem> {
    match state.table.revise(app, user, id, data, clock::now()).await {
        Ok(ReviseOutcome::Revised(it)) => Ok(*it),
        Ok(ReviseOutcome::NotFound) => Err(no_such_notification()),
        Err(TableError::Full { .. }) => {
            Err(Problem::invalid("data", "too much, together with those that were sent in the same request"))
        }
        Err(other) => Err(other.into()),
    }
}
