//! A batch: who may go now, who waits, who takes the slow lane; then the attempts, side by side.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;

use domain::circuit_breaker::{Admission, RAMP_STEP_MS};
use domain::command::Delivery;
use domain::{AppId, ChannelId};
use entry::{Chain, Failure, Message};
use futures_util::{StreamExt, stream};
use table::{AcquireOutcome, DeliveryAttempt, DueEntry, DueWork, TableError};
use time::{Duration, OffsetDateTime};

use crate::receivers::{ReceiverState, Receivers};
use crate::{Context, Sender, attempt, health, in_order, receivers};

/// Attempts that are under way at once, and so the most that slow receivers can hold up.
const MAX_CONCURRENT_ATTEMPTS: usize = 50;

/// Where an order goes.
enum Disposition {
    Attempt,
    /// The receiver is gone, or does not want it any more.
    Drop,
    SlowQueue,
    /// Not before this time, in milliseconds.
    DelayUntil(i64),
    /// Its channel could not be read.
    Failed(String),
}

/// Handles a batch: one result per message, in order.
pub(crate) async fn handle<S: Sender>(
    parts: &Context,
    sender: &S,
    now: OffsetDateTime,
    messages: Vec<Message>,
) -> Vec<Result<(), Failure>> {
    let mut orders: Vec<Result<Delivery, Failure>> = messages.iter().map(|it| it.order("delivery")).collect();
    let again = |error: &dyn std::error::Error| Failure::Retry(error.to_string().into());
    let receivers = receivers::read(parts, sender, orders.iter().flatten(), now).await;
    let mut turns = match reserve_permits(parts, &receivers, &orders, now).await {
        Ok(it) => it,
        Err(error) => return orders.into_iter().map(|it| it.and_then(|_| Err(again(&error)))).collect(),
    };
    let mut choose = |order: &mut Result<Delivery, Failure>| match order {
        Ok(order) => disposition(&receivers, &mut turns, order, now),
        Err(_) => Disposition::Drop,
    };
    let ways: Vec<Disposition> = orders.iter_mut().map(&mut choose).collect();
    if let Err(error) = defer(parts, &orders, &ways, now).await {
        // nothing was attempted yet: the whole batch comes again
        return orders.into_iter().map(|it| it.and_then(|_| Err(again(error.as_ref())))).collect();
    }
    let receivers = &receivers;
    let attempts = orders.into_iter().zip(ways).map(async |(order, way)| match (order?, way) {
        (order, Disposition::Attempt) => attempt::make(parts, sender, receivers, now, order).await,
        (_, Disposition::Failed(why)) => Err(Failure::Retry(why.into())),
        (order, Disposition::Drop) => in_order::enqueue_follower(parts, &order).await.map(|()| None),
        _ => Ok(None),
    });
    let outcomes: Vec<Result<Option<(AppId, DeliveryAttempt)>, Failure>> =
        stream::iter(attempts).buffered(MAX_CONCURRENT_ATTEMPTS).collect().await;
    record_successes(parts, &messages, &outcomes).await;
    health::update(parts, receivers, now).await;
    outcomes.into_iter().map(|it| it.map(drop)).collect()
}

fn disposition<R>(
    receivers: &Receivers<R>,
    turns: &mut HashMap<(AppId, ChannelId), Permits>,
    order: &mut Delivery,
    now: OffsetDateTime,
) -> Disposition {
    let known = match receivers.get(&(order.app, order.channel)) {
        Some(Ok(Some(known))) => known,
        Some(Err(why)) => return Disposition::Failed(why.clone()),
        Some(Ok(None)) | None => return Disposition::Drop,
    };
    if known.channel.accepts(&order.notification).is_err() {
        return Disposition::Drop;
    }
    if known.slow {
        return Disposition::SlowQueue;
    }
    let at = domain::millis(now);
    match known.admission {
        // somebody who looks at one delivery is not made to wait
        _ if order.single_attempt => {}
        Admission::Allow => {}
        Admission::Probe if !known.probed.swap(true, Ordering::Relaxed) => {}
        Admission::Probe => return Disposition::DelayUntil(at + domain::circuit_breaker::PROBE_TIMEOUT_MS),
        Admission::Wait(until) => return Disposition::DelayUntil(until),
    }
    if !order.permit_taken
        && !order.single_attempt
        && let Some(turns) = turns.get_mut(&(order.app, order.channel))
    {
        let (when, granted) = turns.acquire();
        order.permit_taken = granted;
        // a queue's shortest delay is a second
        if when >= at + 1_000 {
            return Disposition::DelayUntil(when);
        }
    }
    order.permit_taken = false;
    Disposition::Attempt
}

/// The turns of a batch's orders, where deliveries have to take turns.
struct Permits {
    next_at: i64,
    interval_ms: i64,
    /// How many were taken.
    remaining: usize,
    /// When whoever got none asks again.
    retry_at: i64,
}

impl Permits {
    /// When the next order goes, and whether that is its turn or only the time at which to ask again.
    fn acquire(&mut self) -> (i64, bool) {
        if self.remaining == 0 {
            return (self.retry_at, false);
        }
        let it = self.next_at;
        (self.next_at, self.remaining) = (self.next_at + self.interval_ms, self.remaining - 1);
        (it, true)
    }
}

/// Takes turns for the channels that have a limit, or are recovering: one write for all orders of a channel.
async fn reserve_permits<R>(
    parts: &Context,
    receivers: &Receivers<R>,
    orders: &[Result<Delivery, Failure>],
    now: OffsetDateTime,
) -> Result<HashMap<(AppId, ChannelId), Permits>, TableError> {
    let (mut all, at) = (HashMap::new(), domain::millis(now));
    for (name, known) in receivers {
        let Ok(Some(known)) = known else { continue };
        let Some(rate) = rate_limit(known, at) else { continue };
        let mine = |it: &&Delivery| (it.app, it.channel) == *name && !it.permit_taken && !it.single_attempt;
        let count = orders.iter().flatten().filter(mine).count();
        if count == 0 || known.slow || known.admission != Admission::Allow {
            continue;
        }
        // a line is no longer than a step of the ramp: behind it there may be more turns to have
        let step = 1_000 / i64::from(rate.max(1));
        let fit = count.min(usize::try_from(RAMP_STEP_MS / step.max(1)).unwrap_or(1)).max(1);
        let cost = Duration::milliseconds(step.max(1) * fit as i64);
        let key = format!("channel|{}", name.1);
        let later = at + RAMP_STEP_MS;
        let longest = Duration::milliseconds(RAMP_STEP_MS);
        let turns = match parts.table.acquire_permit(&key, cost, longest, now).await? {
            AcquireOutcome::GrantedAfter(wait) => Permits {
                next_at: at + wait.whole_milliseconds() as i64,
                interval_ms: step.max(1),
                remaining: fit,
                retry_at: later,
            },
            AcquireOutcome::RetryAfter(_) => Permits { next_at: later, interval_ms: 0, remaining: 0, retry_at: later },
        };
        all.insert(*name, turns);
    }
    Ok(all)
}

/// Deliveries per second that a channel may have now.
fn rate_limit<R>(known: &ReceiverState<R>, at: i64) -> Option<u32> {
    match (known.channel.per_second, known.health.ramp_rate(at)) {
        (Some(limit), Some(ramp)) => Some(limit.min(ramp)),
        (limit, ramp) => limit.or(ramp),
    }
}

/// Stores what does not go now: in the slow lane, in the queue for up to 15 minutes, or in the due index.
async fn defer(
    parts: &Context,
    orders: &[Result<Delivery, Failure>],
    ways: &[Disposition],
    now: OffsetDateTime,
) -> Result<(), Box<dyn std::error::Error>> {
    let (mut slow, mut later) = (Vec::new(), Vec::new());
    for (order, way) in orders.iter().zip(ways) {
        match (order, way) {
            (Ok(order), Disposition::SlowQueue) => slow.push((order, Duration::ZERO)),
            (Ok(order), Disposition::DelayUntil(at)) => later.push((order, *at)),
            _ => {}
        }
    }
    if let Some(queue) = &parts.slow_queue {
        queue.send_deliveries(&slow).await?;
    }
    enqueue_delayed(parts, &later, now).await
}

/// Keeps orders until their times, in milliseconds.
async fn enqueue_delayed(
    parts: &Context,
    orders: &[(&Delivery, i64)],
    now: OffsetDateTime,
) -> Result<(), Box<dyn std::error::Error>> {
    let at = domain::millis(now);
    let delay = |until: i64| Duration::seconds((until - at).max(0).div_euclid(1_000) + 1);
    let mut soon: Vec<(&Delivery, Duration)> = Vec::new();
    for (order, until) in orders {
        if delay(*until) <= entry::queue::MAX_DELAY {
            soon.push((order, delay(*until)));
        } else {
            let what = DueWork::Delivery(Box::new((*order).clone()));
            parts.table.put_due(&DueEntry { at: *until, work: what }).await?;
        }
    }
    Ok(parts.queue.send_deliveries(&soon).await?)
}

/// One row per application for what went well at once.
async fn record_successes(
    parts: &Context,
    messages: &[Message],
    outcomes: &[Result<Option<(AppId, DeliveryAttempt)>, Failure>],
) {
    let mut good: BTreeMap<AppId, Vec<DeliveryAttempt>> = BTreeMap::new();
    for (app, attempt) in outcomes.iter().filter_map(|it| it.as_ref().ok()?.clone()) {
        good.entry(app).or_default().push(attempt);
    }
    let batch = messages.first().map_or_else(String::new, |it| it.id.clone());
    for (app, attempts) in &good {
        if let Err(error) = parts.table.put_segment(*app, attempts, &batch).await {
            // the receivers have them; only our own record is short
            tracing::error!(error = %Chain(&error), "could not record {} deliveries", attempts.len());
        }
    }
}
