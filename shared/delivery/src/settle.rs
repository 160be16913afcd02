//! What follows an attempt that is not a success at once: a retry or the end. It is stored before the message is acknowledged.
//!
//! A delivery whose attempts are used up is no dead letter: the receiver is its application's, and so is the record, which a
//! redrive takes up again.

use domain::channel::{CHALLENGE, Channel, is_about_delivery};
use domain::command::Delivery;
use domain::delivery::{RetryDecision, decide_retry};
use domain::notification::{NewNotification, Stream};
use entry::queue::MAX_DELAY;
use entry::{MessageError, clock};
use serde_json::json;
use table::{DeliveryAttempt, DueEntry, DueWork, TableError};
use time::OffsetDateTime;

use crate::context::Context;
use crate::in_order;

/// Whether an attempt needs not be made: it is recorded already, which happens when SQS delivers a message twice, or a user
/// has had it retried successfully.
pub(crate) async fn is_recorded(context: &Context, delivery: &Delivery) -> Result<bool, TableError> {
    let record = context.table.failed_delivery(delivery.app, delivery.channel, &delivery.notification.id).await?;
    let Some(record) = record else { return Ok(false) };
    let is_delivered = delivery.round.is_none() && record.state == "delivered";
    Ok(is_delivered || record.attempts.contains_key(&delivery.attempt_key()))
}

/// Stores what follows, then the attempt. Returns whether this was the last attempt of a delivery that has not arrived.
pub(crate) async fn settle(
    context: &Context,
    channel: &Channel,
    delivery: Delivery,
    attempt: DeliveryAttempt,
    now: OffsetDateTime,
) -> Result<bool, MessageError> {
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
                disable_channel(context, channel, &attempt.outcome.to_string(), now).await?;
                return Ok(false);
            }
            // an attempt that a user asked for: the scheduled attempts are independent of it
            RetryDecision::Retry { .. } | RetryDecision::GiveUp if delivery.single_attempt => {
                context.table.put_attempt(delivery.app, &delivery.attempt_key(), &attempt, None, None).await?;
                return Ok(false);
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
    // a challenge is none: saving the channel sends a new one
    Ok(state == "dead" && delivery.notification.kind != CHALLENGE)
}

/// Ends a delivery whose channel is deleted or inactive, or does not accept the notification any more. If it was waiting
/// for a retry, its record says so.
pub(crate) async fn end_unwanted(context: &Context, delivery: &Delivery) -> Result<(), MessageError> {
    if delivery.attempt > 1 {
        context.table.end_retries(delivery.app, delivery.channel, &delivery.notification.id).await?;
    }
    in_order::enqueue_follower(context, delivery).await
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
