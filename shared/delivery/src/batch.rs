//! A batch: who may go now, who waits, who takes the slow lane; then the attempts, side by side.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;

use domain::health::{Gate, RAMP_STEP_MS};
use domain::order::Delivery;
use domain::{AppId, ChannelId};
use entry::{Chain, Failure, Message};
use futures_util::{StreamExt, stream};
use table::{Attempt, Due, DueWork, Pace, TableError};
use time::{Duration, OffsetDateTime};

use crate::receivers::{Known, Receivers};
use crate::{Parts, Sender, attempt, health, in_order, receivers};

/// Attempts that are under way at once, and so the most that slow receivers can hold up.
const AT_ONCE: usize = 50;

/// Where an order goes.
enum Way {
    Now,
    /// The receiver is gone, or does not want it any more.
    Nowhere,
    Slow,
    /// Not before this time, in milliseconds.
    Later(i64),
    /// Its channel could not be read.
    Broken(String),
}

/// Handles a batch: one result per message, in order.
pub(crate) async fn handle<S: Sender>(
    parts: &Parts,
    sender: &S,
    now: OffsetDateTime,
    messages: Vec<Message>,
) -> Vec<Result<(), Failure>> {
    let mut orders: Vec<Result<Delivery, Failure>> = messages.iter().map(|it| it.order("delivery")).collect();
    let again = |error: &dyn std::error::Error| Failure::Again(error.to_string().into());
    let receivers = receivers::read(parts, sender, orders.iter().flatten(), now).await;
    let mut turns = match turns(parts, &receivers, &orders, now).await {
        Ok(it) => it,
        Err(error) => return orders.into_iter().map(|it| it.and_then(|_| Err(again(&error)))).collect(),
    };
    let mut choose = |order: &mut Result<Delivery, Failure>| match order {
        Ok(order) => way(&receivers, &mut turns, order, now),
        Err(_) => Way::Nowhere,
    };
    let ways: Vec<Way> = orders.iter_mut().map(&mut choose).collect();
    if let Err(error) = put_aside(parts, &orders, &ways, now).await {
        // nothing was attempted yet: the whole batch comes again
        return orders.into_iter().map(|it| it.and_then(|_| Err(again(error.as_ref())))).collect();
    }
    let receivers = &receivers;
    let attempts = orders.into_iter().zip(ways).map(async |(order, way)| match (order?, way) {
        (order, Way::Now) => attempt::make(parts, sender, receivers, now, order).await,
        (_, Way::Broken(why)) => Err(Failure::Again(why.into())),
        (order, Way::Nowhere) => in_order::follow(parts, &order).await.map(|()| None),
        _ => Ok(None),
    });
    let outcomes: Vec<Result<Option<(AppId, Attempt)>, Failure>> =
        stream::iter(attempts).buffered(AT_ONCE).collect().await;
    record(parts, &messages, &outcomes).await;
    health::note(parts, receivers, now).await;
    outcomes.into_iter().map(|it| it.map(drop)).collect()
}

fn way<R>(
    receivers: &Receivers<R>,
    turns: &mut HashMap<(AppId, ChannelId), Turns>,
    order: &mut Delivery,
    now: OffsetDateTime,
) -> Way {
    let known = match receivers.get(&(order.app, order.channel)) {
        Some(Ok(Some(known))) => known,
        Some(Err(why)) => return Way::Broken(why.clone()),
        Some(Ok(None)) | None => return Way::Nowhere,
    };
    if known.channel.wants(&order.notification).is_err() {
        return Way::Nowhere;
    }
    if known.slow {
        return Way::Slow;
    }
    let at = domain::millis(now);
    match known.gate {
        // somebody who looks at one delivery is not made to wait
        _ if order.once => {}
        Gate::Go => {}
        Gate::Probe if !known.probed.swap(true, Ordering::Relaxed) => {}
        Gate::Probe => return Way::Later(at + domain::health::PROBE_MS),
        Gate::Wait(until) => return Way::Later(until),
    }
    if !order.in_turn
        && !order.once
        && let Some(turns) = turns.get_mut(&(order.app, order.channel))
    {
        let (when, granted) = turns.next();
        order.in_turn = granted;
        // a queue's shortest delay is a second
        if when >= at + 1_000 {
            return Way::Later(when);
        }
    }
    order.in_turn = false;
    Way::Now
}

/// The turns of a batch's orders, where deliveries have to take turns.
struct Turns {
    next: i64,
    step: i64,
    /// How many were taken.
    taken: usize,
    /// When whoever got none asks again.
    later: i64,
}

impl Turns {
    /// When the next order goes, and whether that is its turn or only the time at which to ask again.
    fn next(&mut self) -> (i64, bool) {
        if self.taken == 0 {
            return (self.later, false);
        }
        let it = self.next;
        (self.next, self.taken) = (self.next + self.step, self.taken - 1);
        (it, true)
    }
}

/// Takes turns for the channels that have a limit, or are recovering: one write for all orders of a channel.
async fn turns<R>(
    parts: &Parts,
    receivers: &Receivers<R>,
    orders: &[Result<Delivery, Failure>],
    now: OffsetDateTime,
) -> Result<HashMap<(AppId, ChannelId), Turns>, TableError> {
    let (mut all, at) = (HashMap::new(), domain::millis(now));
    for (name, known) in receivers {
        let Ok(Some(known)) = known else { continue };
        let Some(rate) = rate(known, at) else { continue };
        let mine = |it: &&Delivery| (it.app, it.channel) == *name && !it.in_turn && !it.once;
        let count = orders.iter().flatten().filter(mine).count();
        if count == 0 || known.slow || known.gate != Gate::Go {
            continue;
        }
        // a line is no longer than a step of the ramp: behind it there may be more turns to have
        let step = 1_000 / i64::from(rate.max(1));
        let fit = count.min(usize::try_from(RAMP_STEP_MS / step.max(1)).unwrap_or(1)).max(1);
        let cost = Duration::milliseconds(step.max(1) * fit as i64);
        let key = format!("channel|{}", name.1);
        let later = at + RAMP_STEP_MS;
        let longest = Duration::milliseconds(RAMP_STEP_MS);
        let turns = match parts.table.take_pace(&key, cost, longest, now).await? {
            Pace::After(wait) => {
                Turns { next: at + wait.whole_milliseconds() as i64, step: step.max(1), taken: fit, later }
            }
            Pace::Busy(_) => Turns { next: later, step: 0, taken: 0, later },
        };
        all.insert(*name, turns);
    }
    Ok(all)
}

/// Deliveries per second that a channel may have now.
fn rate<R>(known: &Known<R>, at: i64) -> Option<u32> {
    match (known.channel.per_second, known.health.ramp(at)) {
        (Some(limit), Some(ramp)) => Some(limit.min(ramp)),
        (limit, ramp) => limit.or(ramp),
    }
}

/// Stores what does not go now: in the slow lane, in the queue for up to 15 minutes, or in the due index.
async fn put_aside(
    parts: &Parts,
    orders: &[Result<Delivery, Failure>],
    ways: &[Way],
    now: OffsetDateTime,
) -> Result<(), Box<dyn std::error::Error>> {
    let (mut slow, mut later) = (Vec::new(), Vec::new());
    for (order, way) in orders.iter().zip(ways) {
        match (order, way) {
            (Ok(order), Way::Slow) => slow.push((order, Duration::ZERO)),
            (Ok(order), Way::Later(at)) => later.push((order, *at)),
            _ => {}
        }
    }
    if let Some(queue) = &parts.slow {
        queue.send_deliveries(&slow).await?;
    }
    wait(parts, &later, now).await
}

/// Keeps orders until their times, in milliseconds.
async fn wait(
    parts: &Parts,
    orders: &[(&Delivery, i64)],
    now: OffsetDateTime,
) -> Result<(), Box<dyn std::error::Error>> {
    let at = domain::millis(now);
    let delay = |until: i64| Duration::seconds((until - at).max(0).div_euclid(1_000) + 1);
    let mut soon: Vec<(&Delivery, Duration)> = Vec::new();
    for (order, until) in orders {
        if delay(*until) <= entry::queue::LONGEST_DELAY {
            soon.push((order, delay(*until)));
        } else {
            let what = DueWork::Delivery(Box::new((*order).clone()));
            parts.table.put_due(&Due { at: *until, what }).await?;
        }
    }
    Ok(parts.queue.send_deliveries(&soon).await?)
}

/// One row per application for what went well at once.
async fn record(parts: &Parts, messages: &[Message], outcomes: &[Result<Option<(AppId, Attempt)>, Failure>]) {
    let mut good: BTreeMap<AppId, Vec<Attempt>> = BTreeMap::new();
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
