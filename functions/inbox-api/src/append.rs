//! Storing notifications in a stream, and pushing them to the sockets that are open.

use domain::expiry::Expiry;
use domain::notification::{NewNotification, Notification, Position, Stream, WriteKey, published_from};
use domain::{AppId, from_millis, millis};
use entry::clock;
use entry::http::Problem;
use entry::http::idempotency::IdempotentRequest;
use futures_util::future::try_join;
use inbox::expiry;
use serde_json::json;
use table::WriterWork;

use crate::context::Context;
use crate::problems::inbox_busy;

/// Notification type: what was sent to an inbox, a group or everyone, for the channels.
const CREATED: &str = "notification.created";

/// Appends to a stream, and returns the position of the first notification. A retry finds what an earlier attempt wrote.
pub(crate) async fn append_idempotent(
    context: &Context,
    app: AppId,
    stream: &Stream,
    new: &[NewNotification],
    request: &IdempotentRequest,
) -> Result<Position, Problem> {
    let published = match request.is_retry {
        true => context.table.published_since(app, stream, request.started_at).await?.get(&request.write_id).copied(),
        false => None,
    };
    match published {
        Some(position) => {
            record_expiries(context, app, stream, &published_from(stream, position, new.to_vec(), clock::now()))
                .await?;
            Ok(position)
        }
        None => append(context, app, stream, new, &request.write_id).await,
    }
}

/// Appends to a stream, pushes to its open sockets, and returns the position of the first notification.
pub(crate) async fn append(
    context: &Context,
    app: AppId,
    stream: &Stream,
    new: &[NewNotification],
    write_id: &str,
) -> Result<Position, Problem> {
    let now = clock::now();
    let (first, push_until) =
        try_join(context.table.next_position(app, stream, now), context.pusher.plan(app, stream, new.len(), now))
            .await?;
    let handled = WriterWork { push_until, queued: false };
    let position = context.table.append_at(app, stream, first, new, write_id, handled, now).await?;
    let stored = published_from(stream, position, new.to_vec(), from_millis(millis(now))); // as precise as it is read again
    record_expiries(context, app, stream, &stored).await?;
    if push_until.is_some() {
        context.pusher.push(app, &WriteKey::new(millis(now), write_id, stream), &stored, now).await;
    }
    Ok(position)
}

/// Records when notifications of a user expire, before the response, so that counts are right as soon as the client has it.
async fn record_expiries(
    context: &Context,
    app: AppId,
    stream: &Stream,
    stored: &[Notification],
) -> Result<(), Problem> {
    let Stream::User(user) = stream else { return Ok(()) };
    let expiring: Vec<Expiry> = stored.iter().filter_map(expiry::from_notification).collect();
    if !expiring.is_empty() && !expiry::record(&context.table, app, user, &expiring).await? {
        return Err(inbox_busy());
    }
    Ok(())
}

/// Tells the application's channels of notifications that were sent to inboxes, groups or everyone.
pub(crate) async fn publish_created(
    context: &Context,
    app: AppId,
    sent: &[Notification],
    request: &IdempotentRequest,
) -> Result<(), Problem> {
    if sent.is_empty() {
        return Ok(());
    }
    let created = |notification: &Notification| {
        let mut content = notification.data.clone();
        content["id"] = json!(notification.id);
        content["type"] = json!(notification.kind);
        let mut data = json!({ "stream": notification.id.stream.to_string(), "notification": content });
        if let Stream::User(user) = &notification.id.stream {
            data["user"] = json!(user);
        }
        NewNotification { trace: notification.trace.clone(), ..NewNotification::new(CREATED, data) }
    };
    let new: Vec<NewNotification> = sent.iter().map(created).collect();
    let retry_since = request.is_retry.then_some(request.started_at);
    context.publisher.publish(app, &new, &request.write_id, retry_since, clock::now()).await?;
    Ok(())
}
