//! Updating a notification after it was sent, and retracting it.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use domain::AppId;
use domain::notification::{Notification, NotificationId};
use entry::clock;
use entry::http::auth::Caller;
use entry::http::{JsonBody, Problem};
use inbox::NotificationOut;
use inbox::path::user_stream;
use serde_json::Value;
use table::{ReviseOutcome, TableError};

use crate::context::Context;
use crate::dto::NotificationIn;
use crate::problems::no_such_notification;

/// Replaces the content of a notification. Its id, sequence number and read state stay. Open sockets and clients that catch
/// up get a `notification.updated` with its id in `updates`.
#[utoipa::path(put, path = "/api/v1/Inbox/{user}/Notifications/{id}", tag = "Inbox", security(("keys" = [])),
    params(("user" = String, Path), ("id" = String, Path)), request_body = NotificationIn,
    responses((status = 200, body = NotificationOut), (status = 404, body = Problem), (status = 422, body = Problem),
        (status = 429, body = Problem)))]
pub(crate) async fn update(
    State(context): State<Context>,
    Caller(app): Caller,
    Path((user, id)): Path<(String, String)>,
    JsonBody(sent): JsonBody<NotificationIn>,
) -> Result<Json<NotificationOut>, Problem> {
    let new = sent.to_new_notification(clock::now())?;
    let id = parse_own_id(&user, &id)?;
    let stored = context.table.notification(app, &id).await?.ok_or_else(no_such_notification)?;
    if sent.has_type() && sent.kind() != stored.kind {
        return Err(Problem::invalid("type", format!("the notification is a {}, and stays one", stored.kind)));
    }
    context.type_schemas.check(&context.table, app, &stored.kind, &sent.data()).await?;
    let mut data = new.data;
    // expiry, collapse key and escalation stay, unless the update has its own
    for member in ["escalation", "expiresAt", "collapseKey"] {
        if let (None, Some(kept)) = (data.get(member), stored.data.get(member)) {
            data[member] = kept.clone();
        }
    }
    let revised = revise(&context, app, &user, &id, Some(&data)).await?;
    let read_state = context.table.read_state(app, &user).await?;
    Ok(Json(NotificationOut::new(app, &revised, &read_state)))
}

/// Retracts a notification: it is in no list and no count any more, and its content is erased. Open sockets and clients that
/// catch up get a `notification.retracted` with its id in `retracts`.
#[utoipa::path(delete, path = "/api/v1/Inbox/{user}/Notifications/{id}", tag = "Inbox", security(("keys" = [])),
    params(("user" = String, Path), ("id" = String, Path)),
    responses((status = 204), (status = 404, body = Problem)))]
pub(crate) async fn retract(
    State(context): State<Context>,
    Caller(app): Caller,
    Path((user, id)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    revise(&context, app, &user, &parse_own_id(&user, &id)?, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The id in a path, of a notification in the user's own stream.
fn parse_own_id(user: &str, id: &str) -> Result<NotificationId, Problem> {
    let id: NotificationId = id.parse().map_err(|()| no_such_notification())?;
    if id.stream == user_stream(user)? { Ok(id) } else { Err(no_such_notification()) }
}

/// Replaces the content of a stored notification, or erases it.
async fn revise(
    context: &Context,
    app: AppId,
    user: &str,
    id: &NotificationId,
    data: Option<&Value>,
) -> Result<Notification, Problem> {
    match context.table.revise(app, user, id, data, clock::now()).await {
        Ok(ReviseOutcome::Revised(notification)) => Ok(*notification),
        Ok(ReviseOutcome::NotFound) => Err(no_such_notification()),
        Err(TableError::Full { .. }) => {
            Err(Problem::invalid("data", "too much, together with those that were sent in the same request"))
        }
        Err(other) => Err(other.into()),
    }
}
