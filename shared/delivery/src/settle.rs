//! What follows an attempt that did not simply go well: its successor is stored before it is acknowledged.

use domain::channel::{CHALLENGE, Channel, is_about_delivery};
use domain::command::Delivery;
use domain::delivery::{DeliveryOutcome, RetryDecision, decide_retry};
use domain::notification::{NewNotification, Stream};
use entry::queue::MAX_DELAY;
use entry::{Failure, clock};
use serde_json::json;
use table::{DeliveryAttempt, DueEntry, DueWork, TableError};
use time::OffsetDateTime;

use crate::{Context, in_order};

/// The end of an attempt that is on record already; `None` if it is not.
pub(crate) async fn recorded_outcome(
    parts: &Context,
    order: &Delivery,
) -> Result<Option<Result<(), Failure>>, Failure> {
    let record = parts.table.failed_delivery(order.app, order.channel, &order.notification.id).await?;
    let Some(record) = record else { return Ok(None) };
    if order.round.is_none() && record.state == "delivered" {
        return Ok(Some(Ok(()))); // somebody had it made once more meanwhile
    }
    let Some(attempt) = record.attempts.get(&order.attempt_key()) else { return Ok(None) };
    // it may have died before its letter was written
    let last =
        record.state == "dead" && has_dead_letter(order) && record.attempts.values().all(|it| it.at <= attempt.at);
    Ok(Some(if last { Err(dead_letter(order, &attempt.outcome)?) } else { Ok(()) }))
}

/// Stores what comes next, then the attempt.
pub(crate) async fn settle(
    parts: &Context,
    channel: &Channel,
    order: Delivery,
    attempt: DeliveryAttempt,
    now: OffsetDateTime,
) -> Result<(), Failure> {
    let mut next_at = None;
    let state = match decide_retry(channel.target.schedule(), order.attempt, &attempt.outcome, clock::random_fraction())
    {
        RetryDecision::Done if attempt.outcome.is_success() => "delivered",
        RetryDecision::Done => "dropped",
        RetryDecision::DisableChannel => {
            // first the record: once the channel is off, nobody comes back to this order
            parts.table.put_attempt(order.app, &order.attempt_key(), &attempt, Some("disabled"), None).await?;
            return Ok(disable_channel(parts, channel, &attempt.outcome.to_string(), now).await?);
        }
        // the attempts that follow by themselves go on
        RetryDecision::Retry { .. } | RetryDecision::GiveUp if order.single_attempt => {
            return Ok(parts.table.put_attempt(order.app, &order.attempt_key(), &attempt, None, None).await?);
        }
        RetryDecision::Retry { after } => {
            let delivery = Delivery { attempt: order.attempt + 1, ..order.clone() };
            next_at = Some(domain::millis(now + after));
            if after <= MAX_DELAY {
                parts.queue.send_deliveries(&[(&delivery, after)]).await?;
            } else {
                let what = DueWork::Delivery(Box::new(delivery));
                parts.table.put_due(&DueEntry { at: domain::millis(now + after), work: what }).await?;
            }
            "retrying"
        }
        RetryDecision::GiveUp => {
            publish_exhausted(parts, channel, &order, &attempt, now).await?;
            "dead"
        }
    };
    if state != "retrying" {
        in_order::enqueue_follower(parts, &order).await?;
    }
    parts.table.put_attempt(order.app, &order.attempt_key(), &attempt, Some(state), next_at).await?;
    if state == "dead" && has_dead_letter(&order) { Err(dead_letter(&order, &attempt.outcome)?) } else { Ok(()) }
}

/// Whether somebody would bring it back: not a challenge, which is put anew, nor an attempt that somebody looked at.
fn has_dead_letter(order: &Delivery) -> bool {
    !order.single_attempt && order.notification.kind != CHALLENGE
}

/// The dead letter of a delivery. Whoever redrives it gets one attempt more, not the one that is on record.
fn dead_letter(order: &Delivery, last: &DeliveryOutcome) -> Result<Failure, Failure> {
    let reason = format!("{} attempts to reach channel {} failed; the last: {last}", order.attempt, order.channel);
    let body = serde_json::to_string(&Delivery { attempt: order.attempt + 1, follow_up: None, ..order.clone() })?;
    Ok(Failure::DeadLetterAs { body, reason: reason.into() })
}

/// Tells the other channels that this one did not get something. What tells of deliveries itself is not told of again.
async fn publish_exhausted(
    parts: &Context,
    channel: &Channel,
    order: &Delivery,
    attempt: &DeliveryAttempt,
    now: OffsetDateTime,
) -> Result<(), TableError> {
    let it = &order.notification;
    if is_about_delivery(&it.kind) {
        return Ok(());
    }
    let data = json!({
        "channel": { "id": channel.id }, "attempts": order.attempt, "reason": attempt.outcome.to_string(),
        "notification": { "id": it.id, "type": it.kind },
    });
    let write_id = format!("{}.{}.{}.exhausted", channel.id, it.id, order.attempt_key());
    publish(parts, channel, "delivery.exhausted", data, &write_id, now).await
}

/// Switches a channel off, and tells the others.
pub(crate) async fn disable_channel(
    parts: &Context,
    channel: &Channel,
    why: &str,
    now: OffsetDateTime,
) -> Result<(), TableError> {
    let data = json!({ "channel": { "id": channel.id }, "reason": why });
    let news = NewNotification::new("channel.disabled", data);
    if parts.table.disable_channel(channel.app, channel.id, why, &news, now).await? {
        tracing::warn!(channel.id = %channel.id, "channel {} is disabled: {why}", channel.id);
    }
    Ok(())
}

/// Tells the application something about one of its channels.
pub(crate) async fn publish(
    parts: &Context,
    channel: &Channel,
    kind: &str,
    data: serde_json::Value,
    write_id: &str,
    now: OffsetDateTime,
) -> Result<(), TableError> {
    parts.table.append(channel.app, &Stream::App, &[NewNotification::new(kind, data)], write_id, now).await.map(drop)
}
