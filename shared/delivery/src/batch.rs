//! A batch of deliveries: each is attempted now, deferred or moved to the slow queue; the attempts run concurrently.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;

use domain::circuit_breaker::{Admission, RAMP_STEP_MS};
use domain::command::Delivery;
use domain::{AppId, ChannelId};
use entry::{Chain, Message, MessageError};
use futures_util::{StreamExt, stream};
use table::{AcquireOutcome, DeliveryAttempt, DueEntry, DueWork, TableError};
use time::{Duration, OffsetDateTime};

use crate::context::Context;
use crate::pending::PendingState;
use crate::receivers::{ReceiverState, Receivers};
use crate::sender::Sender;
use crate::stragglers::Stragglers;
use crate::{attempt, health, pending, receivers, settle};

/// Attempts of a batch that run at the same time.
const MAX_CONCURRENT_ATTEMPTS: usize = 50;

/// What happens to a delivery now.
enum Disposition {
    Attempt,
    /// The channel is deleted or inactive, or does not accept the notification any more.
    Drop,
    /// It is queued again, or its notification was never stored.
    Settled,
    SlowQueue,
    /// Not before this time, in milliseconds since 1970.
    DelayUntil(i64),
    /// Its channel could not be read, and why: SQS delivers the message again.
    Failed(String),
}

/// Handles a batch: one result per message, in the order of the messages.
pub(crate) async fn handle<S: Sender>(
    context: &Context,
    sender: &S,
    now: OffsetDateTime,
    messages: Vec<Message>,
) -> Vec<Result<(), MessageError>> {
    let mut deliveries: Vec<Result<Delivery, MessageError>> =
        messages.iter().map(|it| it.command("delivery")).collect();
    let pending = pending::resolve(context, &mut deliveries, now).await;
    let retry = |error: &dyn std::error::Error| MessageError::Retry(error.to_string().into());
    let receivers = receivers::read(context, sender, &deliveries.iter().flatten().collect::<Vec<_>>(), now).await;
    let mut permits = match reserve_permits(context, &receivers, &deliveries, now).await {
        Ok(permits) => permits,
        Err(error) => return deliveries.into_iter().map(|it| it.and_then(|_| Err(retry(&error)))).collect(),
    };
    let mut choose =
        |(delivery, pending): (&mut Result<Delivery, MessageError>, PendingState)| match (delivery, pending) {
            (Ok(delivery), PendingState::Stored) => disposition(&receivers, &mut permits, delivery, now),
            (_, PendingState::Failed(reason)) => Disposition::Failed(reason),
            (_, PendingState::Settled) => Disposition::Settled,
            (Err(_), _) => Disposition::Drop,
        };
    let dispositions: Vec<Disposition> = deliveries.iter_mut().zip(pending).map(&mut choose).collect();
    if let Err(error) = defer(context, &deliveries, &dispositions, now).await {
        // nothing was attempted yet: SQS delivers the whole batch again
        return deliveries.into_iter().map(|it| it.and_then(|_| Err(retry(error.as_ref())))).collect();
    }
    let attempted = deliveries.iter().zip(&dispositions).filter(|it| matches!(it.1, Disposition::Attempt));
    let attempted: Vec<_> = attempted.filter_map(|it| it.0.as_ref().ok()).map(|it| (it.app, it.channel)).collect();
    let (receivers, stragglers) = (&receivers, &Stragglers::new(&attempted));
    let attempts =
        deliveries.into_iter().zip(dispositions).map(async |(delivery, disposition)| match (delivery?, disposition) {
            (delivery, Disposition::Attempt) => {
                attempt::make(context, sender, receivers, stragglers.attempt(), now, delivery).await
            }
            (_, Disposition::Failed(reason)) => Err(MessageError::Retry(reason.into())),
            (delivery, Disposition::Drop) => settle::end_unwanted(context, &delivery).await.map(|()| None),
            _ => Ok(None),
        });
    let outcomes: Vec<Result<Option<(AppId, DeliveryAttempt)>, MessageError>> =
        stream::iter(attempts).buffered(MAX_CONCURRENT_ATTEMPTS).collect().await;
    record_successes(context, &messages, &outcomes).await;
    health::update(context, receivers, now).await;
    outcomes.into_iter().map(|it| it.map(drop)).collect()
}

fn disposition<R>(
    receivers: &Receivers<R>,
    permits: &mut HashMap<(AppId, ChannelId), Permits>,
    delivery: &mut Delivery,
    now: OffsetDateTime,
) -> Disposition {
    let target = match receivers.get(&(delivery.app, delivery.channel)) {
        Some(Ok(Some(target))) => target,
        Some(Err(reason)) => return Disposition::Failed(reason.clone()),
        Some(Ok(None)) | None => return Disposition::Drop,
    };
    if target.channel.accepts(&delivery.notification).is_err() {
        return Disposition::Drop;
    }
    let at = domain::millis(now);
    match target.admission {
        // an attempt that a user has asked for is made whatever the breaker says
        _ if delivery.single_attempt => {}
        Admission::Wait(until) => return Disposition::DelayUntil(until),
        Admission::Allow => {}
        Admission::Probe if !target.probed.swap(true, Ordering::Relaxed) => {}
        Admission::Probe => return Disposition::DelayUntil(at + domain::circuit_breaker::PROBE_TIMEOUT_MS),
    }
    if target.slow {
        return Disposition::SlowQueue;
    }
    if !delivery.permit_taken
        && !delivery.single_attempt
        && let Some(permits) = permits.get_mut(&(delivery.app, delivery.channel))
    {
        let (when, granted) = permits.acquire();
        delivery.permit_taken = granted;
        // SQS delays by whole seconds
        if when >= at + 1_000 {
            return Disposition::DelayUntil(when);
        }
    }
    delivery.permit_taken = false;
    Disposition::Attempt
}

/// The permits of one channel for the deliveries of this batch, where its rate is limited.
struct Permits {
    /// From when the next permit is valid, in milliseconds since 1970.
    next_at: i64,
    interval_ms: i64,
    /// Permits that are left.
    remaining: usize,
    /// When a delivery that gets no permit tries again, in milliseconds since 1970.
    retry_at: i64,
}

impl Permits {
    /// When the next delivery may be attempted, and whether it has got a permit; without one it has to try again then.
    fn acquire(&mut self) -> (i64, bool) {
        if self.remaining == 0 {
            return (self.retry_at, false);
        }
        let at = self.next_at;
        (self.next_at, self.remaining) = (self.next_at + self.interval_ms, self.remaining - 1);
        (at, true)
    }
}

/// Reserves permits for channels that have a limit or recover: one write for all deliveries of a channel.
async fn reserve_permits<R>(
    context: &Context,
    receivers: &Receivers<R>,
    deliveries: &[Result<Delivery, MessageError>],
    now: OffsetDateTime,
) -> Result<HashMap<(AppId, ChannelId), Permits>, TableError> {
    let (mut all, at) = (HashMap::new(), domain::millis(now));
    for (key, target) in receivers {
        let Ok(Some(target)) = target else { continue };
        let Some(rate) = rate_limit(target, at) else { continue };
        let needs_permit = |it: &&Delivery| (it.app, it.channel) == *key && !it.permit_taken && !it.single_attempt;
        let count = deliveries.iter().flatten().filter(needs_permit).count();
        if count == 0 || target.slow || target.admission != Admission::Allow {
            continue;
        }
        // no permit is reserved beyond a step of the ramp: after it the rate may be higher
        let interval_ms = (1_000 / i64::from(rate.max(1))).max(1);
        let remaining = count.min(usize::try_from(RAMP_STEP_MS / interval_ms).unwrap_or(1)).max(1);
        let cost = Duration::milliseconds(interval_ms * remaining as i64);
        let bucket = format!("channel|{}", key.1);
        let retry_at = at + RAMP_STEP_MS;
        let max_wait = Duration::milliseconds(RAMP_STEP_MS);
        let permits = match context.table.acquire_permit(&bucket, cost, max_wait, now).await? {
            AcquireOutcome::GrantedAfter(wait) => {
                Permits { next_at: at + wait.whole_milliseconds() as i64, interval_ms, remaining, retry_at }
            }
            AcquireOutcome::RetryAfter(_) => Permits { next_at: retry_at, interval_ms: 0, remaining: 0, retry_at },
        };
        all.insert(*key, permits);
    }
    Ok(all)
}

/// The rate limit of a channel now, in deliveries per second: its own, that of its recovery, or the lower of both.
fn rate_limit<R>(target: &ReceiverState<R>, at: i64) -> Option<u32> {
    match (target.channel.per_second, target.health.ramp_rate(at)) {
        (Some(limit), Some(ramp)) => Some(limit.min(ramp)),
        (limit, ramp) => limit.or(ramp),
    }
}

/// Stores the deliveries that are not attempted now: in the slow queue, in the own queue with a delay, or in the due
/// index.
async fn defer(
    context: &Context,
    deliveries: &[Result<Delivery, MessageError>],
    dispositions: &[Disposition],
    now: OffsetDateTime,
) -> Result<(), Box<dyn std::error::Error>> {
    let (mut slow, mut later) = (Vec::new(), Vec::new());
    for (delivery, disposition) in deliveries.iter().zip(dispositions) {
        match (delivery, disposition) {
            (Ok(delivery), Disposition::SlowQueue) => slow.push((delivery, Duration::ZERO)),
            (Ok(delivery), Disposition::DelayUntil(at)) => later.push((delivery, *at)),
            _ => {}
        }
    }
    if let Some(queue) = &context.slow_queue {
        queue.send_deliveries(&slow).await?;
    }
    enqueue_delayed(context, &later, now).await
}

/// Stores deliveries until their times (milliseconds since 1970): in the queue for up to 15 minutes (SQS's longest
/// delay), in the due index beyond that.
async fn enqueue_delayed(
    context: &Context,
    deliveries: &[(&Delivery, i64)],
    now: OffsetDateTime,
) -> Result<(), Box<dyn std::error::Error>> {
    let at = domain::millis(now);
    let delay = |until: i64| Duration::seconds((until - at).max(0).div_euclid(1_000) + 1);
    let mut soon: Vec<(&Delivery, Duration)> = Vec::new();
    for (delivery, until) in deliveries {
        if delay(*until) <= entry::queue::MAX_DELAY {
            soon.push((delivery, delay(*until)));
        } else {
            let work = DueWork::Delivery(Box::new((*delivery).clone()));
            context.table.put_due(&DueEntry { at: *until, work }).await?;
        }
    }
    Ok(context.queue.send_deliveries(&soon).await?)
}

/// Records the deliveries that succeeded at once: one row per application and batch.
async fn record_successes(
    context: &Context,
    messages: &[Message],
    outcomes: &[Result<Option<(AppId, DeliveryAttempt)>, MessageError>],
) {
    let mut successes: BTreeMap<AppId, Vec<DeliveryAttempt>> = BTreeMap::new();
    for (app, attempt) in outcomes.iter().filter_map(|it| it.as_ref().ok()?.clone()) {
        successes.entry(app).or_default().push(attempt);
    }
    let batch = messages.first().map_or_else(String::new, |it| it.id.clone());
    for (app, attempts) in &successes {
        if let Err(error) = context.table.put_segment(*app, attempts, &batch).await {
            // they are delivered: only our record of them is missing
            tracing::error!(error = %Chain(&error), "could not record {} deliveries", attempts.len());
        }
    }
}
