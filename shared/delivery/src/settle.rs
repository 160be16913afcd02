//! What follows an attempt that is not a success at once: a retry, a dead letter or the end. It is stored before the
//! message is acknowledged.

use domain::channel::{CHALLENGE, Channel, is_about_delivery};
use domain::command::Delivery;
use domain::delivery::{DeliveryOutcome, RetryDecision, decide_retry};
use domain::notification::{NewNotification, Stream};
use entry::queue::MAX_DELAY;
use entry::{MessageError, clock};
use serde_json::json;
use table::{DeliveryAttempt, DueEntry, DueWork, TableError};
use time::OffsetDateTime;

use crate::context::Context;
use crate::in_order;

/// The result of an attempt that is recorded already, which happens when SQS delivers a message twice; `None` if it is
/// not recorded.
pub(crate) async fn recorded_outcome(
    context: &Context,
    delivery: &Delivery,
) -> Result<Option<Result<(), MessageError>>, MessageError> {
    let record = context.table.failed_delivery(delivery.app, delivery.channel, &delivery.notification.id).await?;
    let Some(record) = record else { return Ok(None) };
    if delivery.round.is_none() && record.state == "delivered" {
        return Ok(Some(Ok(()))); // a user has had it retried successfully
    }
    let Some(attempt) = record.attempts.get(&delivery.attempt_key()) else { return Ok(None) };
    // the process may have ended before the dead letter was written
    let last =
        record.state == "dead" && has_dead_letter(delivery) && record.attempts.values().all(|it| it.at <= attempt.at);
    Ok(Some(if last { Err(dead_letter(delivery, &attempt.outcome)?) } else { Ok(()) }))
}

/// Stores what follows, then the attempt.
///
/// # Errors
/// A dead letter if this was the last attempt.
pub(crate) async fn settle(
    context: &Context,
    channel: &Channel,
    delivery: Delivery,
    attempt: DeliveryAttempt,
    now: OffsetDateTime,
) -> Result<(), MessageError> {
    let mut next_at = None;
    let state =
        match decide_retry(channel.target.schedule(), delivery.attempt, &attempt.outcome, clock::random_fraction()) {
            RetryDecision::Done if attempt.outcome.is_success() => "delivered",
            RetryDecision::Done => "dropped",
            RetryDecision::DisableChannel => {
                // the record comes first: deliveries of a disabled channel are not read again
                context
                    .table
                    .put_attempt(delivery.app, &delivery.attempt_key(), &attempt, Some("disabled"), None)
                    .await?;
                return Ok(disable_channel(context, channel, &attempt.outcome.to_string(), now).await?);
            }
            // an attempt that a user asked for: the scheduled attempts are independent of it
            RetryDecision::Retry { .. } | RetryDecision::GiveUp if delivery.single_attempt => {
                return Ok(context
                    .table
                    .put_attempt(delivery.app, &delivery.attempt_key(), &attempt, None, None)
                    .await?);
            }
            RetryDecision::Retry { after } => {
                let delivery = Delivery { attempt: delivery.attempt + 1, ..delivery.clone() };
                next_at = Some(domain::millis(now + after));
                if after <= MAX_DELAY {
                    context.queue.send_deliveries(&[(&delivery, after)]).await?;
                } else {
                    let work = DueWork::Delivery(Box::new(delivery));
                    context.table.put_due(&DueEntry { at: domain::millis(now + after), work }).await?;
                }
                "retrying"
            }
            RetryDecision::GiveUp => {
                publish_exhausted(context, channel, &delivery, &attempt, now).await?;
                "dead"
            }
        };
    if state != "retrying" {
        in_order::enqueue_follower(context, &delivery).await?;
    }
    context.table.put_attempt(delivery.app, &delivery.attempt_key(), &attempt, Some(state), next_at).await?;
    if state == "dead" && has_dead_letter(&delivery) { Err(dead_letter(&delivery, &attempt.outcome)?) } else { Ok(()) }
}

/// Ends a delivery whose channel is deleted or inactive, or does not accept the notification any more. If it was waiting
/// for a retry, its record says so.
pub(crate) async fn end_unwanted(context: &Context, delivery: &Delivery) -> Result<(), MessageError> {
    if delivery.attempt > 1 {
        context.table.end_retries(delivery.app, delivery.channel, &delivery.notification.id).await?;
    }
    in_order::enqueue_follower(context, delivery).await
}

/// Whether a failed delivery becomes a dead letter, which can be redriven. A challenge does not, because saving the
/// channel sends a new one; nor does an attempt that a user asked for.
fn has_dead_letter(delivery: &Delivery) -> bool {
    !delivery.single_attempt && delivery.notification.kind != CHALLENGE
}

/// The dead letter of a delivery. A redrive makes one more attempt, with the next number.
fn dead_letter(delivery: &Delivery, last: &DeliveryOutcome) -> Result<MessageError, MessageError> {
    let reason =
        format!("{} attempts to reach channel {} failed; the last: {last}", delivery.attempt, delivery.channel);
    let body = serde_json::to_string(&Delivery {
        attempt: delivery.attempt + 1,
        follow_up: None,
        ordered: false, // the next of its key has followed
        ..delivery.clone()
    })?;
    Ok(MessageError::DeadLetterAs { body, reason: reason.into() })
}

/// Publishes that a channel did not get a notification. Notifications about deliveries are exempt, or they would cause
/// each other.
async fn publish_exhausted(
    context: &Context,
    channel: &Channel,
    delivery: &Delivery,
    attempt: &DeliveryAttempt,
    now: OffsetDateTime,
) -> Result<(), TableError> {
    let notification = &delivery.notification;
    if is_about_delivery(&notification.kind) {
        return Ok(());
    }
    let data = json!({
        "channel": { "id": channel.id }, "attempts": delivery.attempt, "reason": attempt.outcome.to_string(),
        "notification": { "id": notification.id, "type": notification.kind },
    });
    let write_id = format!("{}.{}.{}.exhausted", channel.id, notification.id, delivery.attempt_key());
    publish(context, channel, "delivery.exhausted", data, &write_id, now).await
}

/// Disables a channel, and publishes that.
pub(crate) async fn disable_channel(
    context: &Context,
    channel: &Channel,
    reason: &str,
    now: OffsetDateTime,
) -> Result<(), TableError> {
    let data = json!({ "channel": { "id": channel.id }, "reason": reason });
    let notification = NewNotification::new("channel.disabled", data);
    if context.table.disable_channel(channel.app, channel.id, reason, &notification, now).await? {
        tracing::warn!(channel.id = %channel.id, "channel {} is disabled: {reason}", channel.id);
    }
    Ok(())
}

/// Publishes a notification about one of the application's channels.
pub(crate) async fn publish(
    context: &Context,
    channel: &Channel,
    kind: &str,
    data: serde_json::Value,
    write_id: &str,
    now: OffsetDateTime,
) -> Result<(), TableError> {
    context.table.append(channel.app, &Stream::App, &[NewNotification::new(kind, data)], write_id, now).await.map(drop)
}
