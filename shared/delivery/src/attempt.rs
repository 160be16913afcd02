//! One attempt.

use std::time::{Duration, Instant};

use channels::{AttemptOutcome, Message};
use domain::channel::CHALLENGE;
use domain::circuit_breaker::{FAST_LANE_TIMEOUT_MS, SLOW_MS};
use domain::command::Delivery;
use domain::delivery::DeliveryOutcome;
use domain::{AppId, adcreative, image};
use entry::{Failure, clock};
use serde_json::Value;
use table::{DeliveryAttempt, TableError};
use time::OffsetDateTime;

use crate::receivers::{ReceiverState, Receivers};
use crate::{Context, Sender, in_order, settle};

/// Makes an attempt. What went well at once is answered, to be recorded with the others of the batch.
pub(crate) async fn make<S: Sender>(
    parts: &Context,
    sender: &S,
    receivers: &Receivers<S::Receiver>,
    now: OffsetDateTime,
    order: Delivery,
) -> Result<Option<(AppId, DeliveryAttempt)>, Failure> {
    let Some(Ok(Some(known))) = receivers.get(&(order.app, order.channel)) else { return Ok(None) };
    let first = order.attempt == 1 && order.round.is_none();
    if !first && let Some(end) = settle::recorded_outcome(parts, &order).await? {
        return end.map(|()| None); // the queue gave us this attempt twice
    }
    if first && let Some(wait) = in_order::delay_for_retries(parts, &order, now).await? {
        parts.queue.send_deliveries(&[(&order, wait)]).await?;
        return Ok(None);
    }
    let (sent, took_ms) = if !first && is_superseded(parts, &order).await? {
        (DeliveryOutcome::Superseded.into(), 0)
    } else {
        let _place = known.permits.acquire().await?;
        // while this one waited for its place, another one may have found out that the receiver is slow
        if let Some(slow) = parts.slow_queue.as_ref().filter(|_| known.is_slow()) {
            slow.send_deliveries(&[(&order, time::Duration::ZERO)]).await?;
            return Ok(None);
        }
        let message = build_message(parts, known, &order).await?;
        let began = Instant::now();
        // a receiver that is too slow for this lane gets into one that has the patience
        let patience = parts.slow_queue.as_ref().map(|_| Duration::from_millis(FAST_LANE_TIMEOUT_MS));
        let Some(sent) = sender.send(&known.receiver, &message, clock::now(), patience).await else {
            known.observe(|it| it.slow = true);
            if let Some(slow) = &parts.slow_queue {
                slow.send_deliveries(&[(&order, time::Duration::ZERO)]).await?;
            }
            return Ok(None);
        };
        (sent, u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX))
    };
    let sent =
        if order.notification.kind == CHALLENGE { check_challenge(parts, known, &order, sent).await? } else { sent };
    let (id, kind, at) = (&order.notification.id, &order.notification.kind, domain::millis(now));
    tracing::info!(notification.id = %id, channel.id = %order.channel, attempt = order.attempt, took_ms, "{kind} {id}: {}", sent.outcome);
    let (good, bad) = (sent.outcome.is_success(), sent.outcome.counts_as_failure());
    known.observe(|it| {
        it.successes += u32::from(good);
        it.failures += u32::from(bad);
        it.slow |= took_ms > SLOW_MS;
    });
    let attempt = DeliveryAttempt {
        channel: order.channel,
        notification: id.clone(),
        attempt: order.attempt,
        round: order.round,
        at,
        took_ms,
        outcome: sent.outcome,
        answer: sent.response,
    };
    if good && first {
        in_order::enqueue_follower(parts, &order).await?;
        return Ok(Some((order.app, attempt)));
    }
    let gave_up = settle::settle(parts, &known.channel, order, attempt, now).await;
    if matches!(gave_up, Err(Failure::DeadLetterAs { .. })) {
        known.observe(|it| it.exhausted += 1);
    }
    gave_up.map(|()| None)
}

/// The message of a notification, with the picture that it tells of if the channel wants it.
async fn build_message<R>(parts: &Context, known: &ReceiverState<R>, order: &Delivery) -> Result<Message, Failure> {
    let (channel, it) = (&known.channel, &order.notification);
    let text = |pointer: &str| it.data.pointer(pointer).and_then(Value::as_str);
    let wanted =
        channel.include_image_data && it.kind == adcreative::TASK_COMPLETED && text("/image/mediaType").is_some();
    let picture = match (text("/process/id"), text("/task/id")) {
        (Some(process), Some(task)) if wanted => {
            let key = image::result_key(order.app, process, task);
            // a picture stands in memory several times while it is sent
            let _few = parts.images.downloads.acquire().await?;
            match parts.images.s3.get_object().bucket(&parts.images.bucket).key(key).send().await {
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
async fn is_superseded(parts: &Context, order: &Delivery) -> Result<bool, TableError> {
    let Some(key) = order.notification.data.get("collapseKey").and_then(Value::as_str) else { return Ok(false) };
    let newest = parts.table.newest_of_collapse_key(order.app, "", key).await?;
    let id = &order.notification.id;
    Ok(newest.is_some_and(|it| it > id.position()))
}

/// A receiver that repeats the challenge wants to be called (realtime, H-9).
async fn check_challenge<R>(
    parts: &Context,
    known: &ReceiverState<R>,
    order: &Delivery,
    sent: AttemptOutcome,
) -> Result<AttemptOutcome, TableError> {
    let challenge = order.notification.data.get("challenge").and_then(Value::as_str).unwrap_or_default();
    if !sent.outcome.is_success() {
        return Ok(sent);
    }
    if !challenge.is_empty() && sent.response.contains(challenge) {
        // only where it was asked: the channel may lead elsewhere by now
        parts.table.confirm_channel(&known.channel).await?;
        return Ok(sent);
    }
    let why = "the answer does not repeat the challenge".to_owned();
    Ok(AttemptOutcome { outcome: DeliveryOutcome::Rejected { why }, ..sent })
}
