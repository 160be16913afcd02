//! One attempt to deliver.

use std::pin::pin;
use std::time::{Duration, Instant};

use channels::{AttemptOutcome, Message};
use domain::channel::CHALLENGE;
use domain::circuit_breaker::{QUICK_LANE_TIMEOUT_MS, QUICK_MS, SLOW_MS};
use domain::command::Delivery;
use domain::delivery::DeliveryOutcome;
use domain::{AppId, adcreative, image};
use entry::{MessageError, clock};
use futures_util::future::{Either, select};
use serde_json::Value;
use table::{DeliveryAttempt, TableError};
use time::OffsetDateTime;
use tokio::time::sleep_until;

use crate::context::Context;
use crate::receivers::{ReceiverState, Receivers};
use crate::sender::Sender;
use crate::stragglers::UnderWay;
use crate::{health, in_order, settle};

/// Makes an attempt. A delivery that succeeds at its first attempt is returned, to be recorded with the others of the
/// batch; any other outcome is stored here.
///
/// # Errors
/// A retry if something of ours failed.
pub(crate) async fn make<S: Sender>(
    context: &Context,
    sender: &S,
    receivers: &Receivers<S::Receiver>,
    under_way: UnderWay<'_>,
    now: OffsetDateTime,
    delivery: Delivery,
) -> Result<Option<(AppId, DeliveryAttempt)>, MessageError> {
    let Some(Ok(Some(target))) = receivers.get(&(delivery.app, delivery.channel)) else { return Ok(None) };
    let first = delivery.attempt == 1 && delivery.round.is_none();
    if !first && settle::is_recorded(context, &delivery).await? {
        return Ok(None);
    }
    if in_order::is_finished(context, &delivery).await? {
        in_order::enqueue_follower(context, &delivery).await?; // its follower may not be queued yet
        return Ok(None);
    }
    if first && let Some(wait) = in_order::delay_for_retries(context, &delivery, now).await? {
        context.queue.send_deliveries(&[(&delivery, wait)]).await?;
        return Ok(None);
    }
    let (result, took_ms) = if delivery.notification.has_expired(now) {
        (DeliveryOutcome::Expired.into(), 0)
    } else if !first && context.table.is_superseded(delivery.app, &delivery.notification).await? {
        (DeliveryOutcome::Superseded.into(), 0)
    } else {
        let _permit = target.permits.acquire().await?;
        // while this attempt waited for its permit, another one may have found that the receiver hangs
        if target.is_given_up() {
            return hand_over(context, &delivery).await;
        }
        let message = build_message(context, target, &delivery).await?;
        let started = Instant::now();
        let Some(result) = send(sender, target, &message, under_way).await else {
            target.give_up();
            target.observe(|stats| (stats.slow, stats.unanswered) = (true, true));
            health::update_receiver(context, target, now).await; // at once: other batches read it
            target.end_trial();
            return hand_over(context, &delivery).await;
        };
        let took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        observe_speed(context, target, &result.outcome, took_ms, S::HAS_SLOW_LANE && context.slow_queue.is_none(), now)
            .await;
        target.end_trial();
        (result, took_ms)
    };
    let result = match delivery.notification.kind.as_str() {
        CHALLENGE => check_challenge(context, target, &delivery, result).await?,
        _ => result,
    };
    let (id, kind, at) = (&delivery.notification.id, &delivery.notification.kind, domain::millis(now));
    let (success, failure) = (result.outcome.is_success(), result.outcome.counts_as_failure());
    if success {
        // the usual case, which the table records: a line for each would cost more than the rest of the bookkeeping
        tracing::debug!(notification.id = %id, channel.id = %delivery.channel, attempt = delivery.attempt, took_ms, "{kind} {id}: {}", result.outcome);
    } else {
        tracing::info!(notification.id = %id, channel.id = %delivery.channel, attempt = delivery.attempt, took_ms, "{kind} {id}: {}", result.outcome);
    }
    target.observe(|stats| {
        stats.successes += u32::from(success);
        stats.failures += u32::from(failure);
    });
    let attempt = DeliveryAttempt {
        channel: delivery.channel,
        notification: id.clone(),
        attempt: delivery.attempt,
        round: delivery.round,
        at,
        took_ms,
        outcome: result.outcome,
        answer: result.response,
    };
    if success && first {
        in_order::enqueue_follower(context, &delivery).await?;
        return Ok(Some((delivery.app, attempt)));
    }
    // what follows the attempt has followed it if SQS has delivered this message before; a channel may be still to disable
    if first && attempt.outcome != DeliveryOutcome::Gone && settle::is_recorded(context, &delivery).await? {
        return Ok(None);
    }
    if settle::settle(context, &target.channel, delivery, attempt, now).await? {
        target.observe(|stats| stats.exhausted += 1);
    }
    Ok(None)
}

/// Sends a message. `None` if the answer is not waited for any longer.
async fn send<S: Sender>(
    sender: &S,
    target: &ReceiverState<S::Receiver>,
    message: &Message,
    under_way: UnderWay<'_>,
) -> Option<AttemptOutcome> {
    if target.patient {
        drop(under_way);
        return sender.send(&target.receiver, message, clock::now(), None).await;
    }
    let timeout = Some(Duration::from_millis(QUICK_LANE_TIMEOUT_MS));
    let attempt = sender.send(&target.receiver, message, clock::now(), timeout);
    let takes_long = sleep_until(tokio::time::Instant::now() + Duration::from_millis(SLOW_MS));
    match select(pin!(attempt), pin!(under_way.overtaken(takes_long))).await {
        Either::Left((outcome, _)) => outcome,
        Either::Right(_) => None,
    }
}

/// Leaves a delivery to the slow lane, where it is attempted once more under the same id; the receiver may have got it
/// already. The slow lane's own function leaves it to its next batch, which knows that the receiver is slow.
async fn hand_over(context: &Context, delivery: &Delivery) -> Result<Option<(AppId, DeliveryAttempt)>, MessageError> {
    let queue = context.slow_queue.as_ref().unwrap_or(&context.queue);
    queue.send_deliveries(&[(delivery, time::Duration::ZERO)]).await?;
    Ok(None)
}

/// Observes how long an attempt took. What other batches have to know is stored at once: that the receiver is slow or
/// hangs, and the proof that it is quick, which the slow lane records (`proves`).
async fn observe_speed<R>(
    context: &Context,
    target: &ReceiverState<R>,
    outcome: &DeliveryOutcome,
    took_ms: u64,
    proves: bool,
    now: OffsetDateTime,
) {
    let slow = took_ms > SLOW_MS;
    let unanswered = slow && matches!(outcome, DeliveryOutcome::Unreachable { .. });
    let quick = proves && took_ms <= QUICK_MS;
    target.observe(|stats| {
        stats.slow |= slow;
        stats.quick |= quick;
        stats.answered |= !unanswered;
        stats.unanswered |= unanswered;
    });
    if slow || quick && !target.health.quick {
        health::update_receiver(context, target, now).await;
    }
}

/// The message of a notification, with the rendered image if the channel includes image data.
async fn build_message<R>(
    context: &Context,
    target: &ReceiverState<R>,
    delivery: &Delivery,
) -> Result<Message, MessageError> {
    let (channel, notification) = (&target.channel, &delivery.notification);
    let text = |pointer: &str| notification.data.pointer(pointer).and_then(Value::as_str);
    let has_image = notification.kind == adcreative::TASK_COMPLETED && text("/image/mediaType").is_some();
    let image = match (text("/process/id"), text("/task/id")) {
        (Some(process), Some(task)) if has_image && channel.include_image_data => {
            let key = image::result_key(delivery.app, process, task);
            // an image is in memory several times while it is sent
            let _permit = context.images.downloads.acquire().await?;
            match context.images.s3.get_object().bucket(&context.images.bucket).key(key).send().await {
                Ok(object) => Some(object.body.collect().await?.into_bytes()),
                // the image has expired; the message is sent without it
                Err(error) if error.as_service_error().is_some_and(|it| it.is_no_such_key()) => None,
                Err(error) => return Err(error.into()),
            }
        }
        _ => None,
    };
    Ok(Message::new(channel, notification, image.as_deref()))
}

/// Confirms the channel of a receiver that repeats the challenge in its response (realtime, H-9); any other response is
/// a rejection.
async fn check_challenge<R>(
    context: &Context,
    target: &ReceiverState<R>,
    delivery: &Delivery,
    result: AttemptOutcome,
) -> Result<AttemptOutcome, TableError> {
    let challenge = delivery.notification.data.get("challenge").and_then(Value::as_str).unwrap_or_default();
    if !result.outcome.is_success() {
        return Ok(result);
    }
    if !challenge.is_empty() && result.response.contains(challenge) {
        // only the channel that was asked: it may have got another address since
        context.table.confirm_channel(&target.channel).await?;
        return Ok(result);
    }
    let why = "the answer does not repeat the challenge".to_owned();
    Ok(AttemptOutcome { outcome: DeliveryOutcome::Rejected { why }, ..result })
}
