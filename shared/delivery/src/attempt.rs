//! One attempt.

use std::time::{Duration, Instant};

use channels::{Message, Sent};
use domain::channel::CHALLENGE;
use domain::delivery::Outcome;
use domain::health::{PATIENCE_MS, SLOW_MS};
use domain::order::Delivery;
use domain::{AppId, adcreative, image};
use entry::{Failure, clock};
use serde_json::Value;
use table::{Attempt, TableError};
use time::OffsetDateTime;

use crate::receivers::{Known, Receivers};
use crate::{Parts, Sender, in_order, settle};

/// Makes an attempt. What went well at once is answered, to be recorded with the others of the batch.
pub(crate) async fn make<S: Sender>(
    parts: &Parts,
    sender: &S,
    receivers: &Receivers<S::Receiver>,
    now: OffsetDateTime,
    order: Delivery,
) -> Result<Option<(AppId, Attempt)>, Failure> {
    let Some(Ok(Some(known))) = receivers.get(&(order.app, order.channel)) else { return Ok(None) };
    let first = order.attempt == 1 && order.round.is_none();
    if !first && let Some(end) = settle::made(parts, &order).await? {
        return end.map(|()| None); // the queue gave us this attempt twice
    }
    if first && let Some(wait) = in_order::wait(parts, &order, now).await? {
        parts.queue.send_deliveries(&[(&order, wait)]).await?;
        return Ok(None);
    }
    let (sent, took_ms) = if !first && superseded(parts, &order).await? {
        (Outcome::Superseded.into(), 0)
    } else {
        let _place = known.places.acquire().await?;
        // while this one waited for its place, another one may have found out that the receiver is slow
        if let Some(slow) = parts.slow.as_ref().filter(|_| known.is_slow()) {
            slow.send_deliveries(&[(&order, time::Duration::ZERO)]).await?;
            return Ok(None);
        }
        let message = message(parts, known, &order).await?;
        let began = Instant::now();
        // a receiver that is too slow for this lane gets into one that has the patience
        let patience = parts.slow.as_ref().map(|_| Duration::from_millis(PATIENCE_MS));
        let Some(sent) = sender.send(&known.receiver, &message, clock::now(), patience).await else {
            known.note(|it| it.slow = true);
            if let Some(slow) = &parts.slow {
                slow.send_deliveries(&[(&order, time::Duration::ZERO)]).await?;
            }
            return Ok(None);
        };
        (sent, u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX))
    };
    let sent = if order.notification.kind == CHALLENGE { challenged(parts, known, &order, sent).await? } else { sent };
    let (id, kind, at) = (&order.notification.id, &order.notification.kind, domain::millis(now));
    tracing::info!(notification.id = %id, channel.id = %order.channel, attempt = order.attempt, took_ms, "{kind} {id}: {}", sent.outcome);
    let (good, bad) = (sent.outcome.is_good(), sent.outcome.is_bad());
    known.note(|it| {
        it.good += u32::from(good);
        it.bad += u32::from(bad);
        it.slow |= took_ms > SLOW_MS;
    });
    let attempt = Attempt {
        channel: order.channel,
        notification: id.clone(),
        attempt: order.attempt,
        round: order.round,
        at,
        took_ms,
        outcome: sent.outcome,
        answer: sent.answer,
    };
    if good && first {
        in_order::follow(parts, &order).await?;
        return Ok(Some((order.app, attempt)));
    }
    let gave_up = settle::settle(parts, &known.channel, order, attempt, now).await;
    if matches!(gave_up, Err(Failure::ParkAs { .. })) {
        known.note(|it| it.exhausted += 1);
    }
    gave_up.map(|()| None)
}

/// The message of a notification, with the picture that it tells of if the channel wants it.
async fn message<R>(parts: &Parts, known: &Known<R>, order: &Delivery) -> Result<Message, Failure> {
    let (channel, it) = (&known.channel, &order.notification);
    let text = |pointer: &str| it.data.pointer(pointer).and_then(Value::as_str);
    let wanted =
        channel.include_image_data && it.kind == adcreative::TASK_COMPLETED && text("/image/mediaType").is_some();
    let picture = match (text("/process/id"), text("/task/id")) {
        (Some(process), Some(task)) if wanted => {
            let key = image::key(order.app, process, task);
            // a picture stands in memory several times while it is sent
            let _few = parts.results.few.acquire().await?;
            match parts.results.s3.get_object().bucket(&parts.results.bucket).key(key).send().await {
                Ok(it) => Some(it.body.collect().await?.into_bytes()),
                // its time is over; that the task was completed is still worth telling
                Err(it) if it.as_service_error().is_some_and(|it| it.is_no_such_key()) => None,
                Err(it) => return Err(it.into()),
            }
        }
        _ => None,
    };
    Ok(Message::new(channel, it, picture.as_deref()))
}

/// Whether a newer notification of the same collapse key was told meanwhile (realtime, D-17).
async fn superseded(parts: &Parts, order: &Delivery) -> Result<bool, TableError> {
    let Some(key) = order.notification.data.get("collapseKey").and_then(Value::as_str) else { return Ok(false) };
    let newest = parts.table.collapsed(order.app, "", key).await?;
    let id = &order.notification.id;
    Ok(newest.is_some_and(|it| it > id.place()))
}

/// A receiver that repeats the challenge wants to be called (realtime, H-9).
async fn challenged<R>(parts: &Parts, known: &Known<R>, order: &Delivery, sent: Sent) -> Result<Sent, TableError> {
    let challenge = order.notification.data.get("challenge").and_then(Value::as_str).unwrap_or_default();
    if !sent.outcome.is_good() {
        return Ok(sent);
    }
    if !challenge.is_empty() && sent.answer.contains(challenge) {
        // only where it was asked: the channel may lead elsewhere by now
        parts.table.confirm_channel(&known.channel).await?;
        return Ok(sent);
    }
    let why = "the answer does not repeat the challenge".to_owned();
    Ok(Sent { outcome: Outcome::Rejected { why }, ..sent })
}
