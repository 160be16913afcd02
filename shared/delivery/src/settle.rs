//! What follows an attempt that did not simply go well: its successor is stored before it is acknowledged.

use domain::channel::{CHALLENGE, Channel, is_about_delivery};
use domain::delivery::{Next, Outcome, next};
use domain::notification::{News, Stream};
use domain::order::Delivery;
use entry::queue::LONGEST_DELAY;
use entry::{Failure, clock};
use serde_json::json;
use table::{Attempt, Due, DueWork, TableError};
use time::OffsetDateTime;

use crate::{Parts, in_order};

/// The end of an attempt that is on record already; `None` if it is not.
pub(crate) async fn made(parts: &Parts, order: &Delivery) -> Result<Option<Result<(), Failure>>, Failure> {
    let record = parts.table.failed_delivery(order.app, order.channel, &order.notification.id).await?;
    let Some(record) = record else { return Ok(None) };
    if order.round.is_none() && record.state == "delivered" {
        return Ok(Some(Ok(()))); // somebody had it made once more meanwhile
    }
    let Some(attempt) = record.attempts.get(&order.number()) else { return Ok(None) };
    // it may have died before its letter was written
    let last = record.state == "dead" && has_letter(order) && record.attempts.values().all(|it| it.at <= attempt.at);
    Ok(Some(if last { Err(letter(order, &attempt.outcome)?) } else { Ok(()) }))
}

/// Stores what comes next, then the attempt.
pub(crate) async fn settle(
    parts: &Parts,
    channel: &Channel,
    order: Delivery,
    attempt: Attempt,
    now: OffsetDateTime,
) -> Result<(), Failure> {
    let mut next_at = None;
    let state = match next(channel.target.schedule(), order.attempt, &attempt.outcome, clock::fraction()) {
        Next::Done if attempt.outcome.is_good() => "delivered",
        Next::Done => "dropped",
        Next::DisableChannel => {
            // first the record: once the channel is off, nobody comes back to this order
            parts.table.put_attempt(order.app, &order.number(), &attempt, Some("disabled"), None).await?;
            return Ok(disable(parts, channel, &attempt.outcome.to_string(), now).await?);
        }
        // the attempts that follow by themselves go on
        Next::Retry { .. } | Next::GiveUp if order.once => {
            return Ok(parts.table.put_attempt(order.app, &order.number(), &attempt, None, None).await?);
        }
        Next::Retry { after } => {
            let delivery = Delivery { attempt: order.attempt + 1, ..order.clone() };
            next_at = Some(domain::millis(now + after));
            if after <= LONGEST_DELAY {
                parts.queue.send_deliveries(&[(&delivery, after)]).await?;
            } else {
                let what = DueWork::Delivery(Box::new(delivery));
                parts.table.put_due(&Due { at: domain::millis(now + after), what }).await?;
            }
            "retrying"
        }
        Next::GiveUp => {
            exhausted(parts, channel, &order, &attempt, now).await?;
            "dead"
        }
    };
    if state != "retrying" {
        in_order::follow(parts, &order).await?;
    }
    parts.table.put_attempt(order.app, &order.number(), &attempt, Some(state), next_at).await?;
    if state == "dead" && has_letter(&order) { Err(letter(&order, &attempt.outcome)?) } else { Ok(()) }
}

/// Whether somebody would bring it back: not a challenge, which is put anew, nor an attempt that somebody looked at.
fn has_letter(order: &Delivery) -> bool {
    !order.once && order.notification.kind != CHALLENGE
}

/// The dead letter of a delivery. Whoever redrives it gets one attempt more, not the one that is on record.
fn letter(order: &Delivery, last: &Outcome) -> Result<Failure, Failure> {
    let reason = format!("{} attempts to reach channel {} failed; the last: {last}", order.attempt, order.channel);
    let body = serde_json::to_string(&Delivery { attempt: order.attempt + 1, then: None, ..order.clone() })?;
    Ok(Failure::ParkAs { body, reason: reason.into() })
}

/// Tells the other channels that this one did not get something. What tells of deliveries itself is not told of again.
async fn exhausted(
    parts: &Parts,
    channel: &Channel,
    order: &Delivery,
    attempt: &Attempt,
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
    let write_id = format!("{}.{}.{}.exhausted", channel.id, it.id, order.number());
    tell(parts, channel, "delivery.exhausted", data, &write_id, now).await
}

/// Switches a channel off, and tells the others.
pub(crate) async fn disable(
    parts: &Parts,
    channel: &Channel,
    why: &str,
    now: OffsetDateTime,
) -> Result<(), TableError> {
    let data = json!({ "channel": { "id": channel.id }, "reason": why });
    let news = News::new("channel.disabled", data);
    if parts.table.disable_channel(channel.app, channel.id, why, &news, now).await? {
        tracing::warn!(channel.id = %channel.id, "channel {} is disabled: {why}", channel.id);
    }
    Ok(())
}

/// Tells the application something about one of its channels.
pub(crate) async fn tell(
    parts: &Parts,
    channel: &Channel,
    kind: &str,
    data: serde_json::Value,
    write_id: &str,
    now: OffsetDateTime,
) -> Result<(), TableError> {
    parts.table.append(channel.app, &Stream::App, &[News::new(kind, data)], write_id, now).await.map(drop)
}
