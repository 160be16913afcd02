//! What follows an attempt that did not simply go well: its successor is stored before it is acknowledged.

use domain::channel::{Channel, Target};
use domain::delivery::{Next, Policy, next};
use domain::notification::{News, Stream};
use domain::order::Delivery;
use entry::queue::LONGEST_DELAY;
use entry::{Failure, clock};
use serde_json::json;
use table::{Attempt, Due, DueWork, TableError};
use time::OffsetDateTime;

use crate::handler::Parts;

/// Whether this attempt is on record already.
pub(crate) async fn made(parts: &Parts, order: &Delivery) -> Result<bool, TableError> {
    let record = parts.table.failed_delivery(order.app, order.channel, &order.notification.id).await?;
    Ok(record.is_some_and(|it| it.attempts.contains_key(&order.attempt.to_string())))
}

/// Stores what comes next, then the attempt.
pub(crate) async fn settle(
    parts: &Parts,
    channel: &Channel,
    order: Delivery,
    attempt: Attempt,
    now: OffsetDateTime,
) -> Result<(), Failure> {
    let Target::Webhook(target) = &channel.target;
    let policy = Policy { retries: target.retries, factor: target.factor };
    let state = match next(policy, order.attempt, &attempt.outcome, clock::fraction()) {
        Next::Done => "delivered",
        Next::Retry { after } => {
            let delivery = Delivery { attempt: order.attempt + 1, ..order.clone() };
            if after <= LONGEST_DELAY {
                parts.queue.send(&delivery, after).await?;
            } else {
                let what = DueWork::Delivery(Box::new(delivery));
                parts.table.put_due(&Due { at: domain::millis(now + after), what }).await?;
            }
            "retrying"
        }
        Next::DisableChannel => {
            disable(parts, channel, &attempt, now).await?;
            "disabled"
        }
        Next::GiveUp => "dead",
    };
    parts.table.put_attempt(order.app, &attempt, state).await?;
    if state == "dead" {
        let reason =
            format!("{} attempts to reach channel {} failed; the last: {}", order.attempt, channel.id, attempt.outcome);
        // whoever redrives it gets one attempt more, not the one that is on record
        let body = serde_json::to_string(&Delivery { attempt: order.attempt + 1, ..order })?;
        return Err(Failure::ParkAs { body, reason: reason.into() });
    }
    Ok(())
}

async fn disable(parts: &Parts, channel: &Channel, attempt: &Attempt, now: OffsetDateTime) -> Result<(), TableError> {
    let why = attempt.outcome.to_string();
    if parts.table.disable_channel(channel.app, channel.id, &why, now).await? {
        tracing::warn!(channel.id = %channel.id, "channel {} is disabled: {why}", channel.id);
        let data = json!({ "channel": { "id": channel.id }, "reason": why, "notification": attempt.notification });
        let write_id = format!("{}.disabled.{}", channel.id, attempt.notification);
        parts.table.append(channel.app, &Stream::App, &[News::new("channel.disabled", data)], &write_id, now).await?;
    }
    Ok(())
}
