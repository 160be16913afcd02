//! A batch: who may go now, who waits, who takes the slow lane; then the attempts, side by side.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;

use domain::health::Gate;
use domain::order::Delivery;
use domain::{AppId, ChannelId};
use entry::{Chain, Failure, Message};
use futures_util::{StreamExt, stream};
use table::{Attempt, Due, DueWork, Pace, TableError};
use time::{Duration, OffsetDateTime};

use crate::receivers::{Known, Receivers};
use crate::{Parts, Sender, attempt, health, receivers};

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
}

/// Handles a batch: one result per message, in order.
pub(crate) async fn handle<S: Sender>(
    parts: &Parts,
    sender: &S,
    now: OffsetDateTime,
    messages: Vec<Message>,
) -> Vec<Result<(), Failure>> {
    let orders: Vec<Result<Delivery, Failure>> = messages.iter().map(|it| it.order("delivery")).collect();
    let again = |error: &dyn std::error::Error| Failure::Again(error.to_string().into());
    let receivers = match receivers::read(parts, sender, orders.iter().flatten(), now).await {
        Ok(it) => it,
        Err(error) => return orders.into_iter().map(|it| it.and_then(|_| Err(again(error.as_ref())))).collect(),
    };
    let mut turns = match turns(parts, &receivers, &orders, now).await {
        Ok(it) => it,
        Err(error) => return orders.into_iter().map(|it| it.and_then(|_| Err(again(&error)))).collect(),
    };
    let mut ways: Vec<Way> = Vec::with_capacity(orders.len());
    let mut orders: Vec<Result<Delivery, Failure>> = orders;
    for order in &mut orders {
        ways.push(match order {
            Ok(order) => way(parts, &receivers, &mut turns, order, now),
            Err(_) => Way::Nowhere,
        });
    }
    if let Err(error) = put_aside(parts, &orders, &ways, now).await {
        // nothing was attempted yet: the whole batch comes again
        return orders.into_iter().map(|it| it.and_then(|_| Err(again(error.as_ref())))).collect();
    }
    let receivers = &receivers;
    let attempts = orders.into_iter().zip(ways).map(async |(order, way)| match (order?, way) {
        (order, Way::Now) => attempt::make(parts, sender, receivers, now, order).await,
        _ => Ok(None),
    });
    let outcomes: Vec<Result<Option<(AppId, Attempt)>, Failure>> =
        stream::iter(attempts).buffered(AT_ONCE).collect().await;
    record(parts, &messages, &outcomes).await;
    health::note(parts, receivers, now).await;
    outcomes.into_iter().map(|it| it.map(drop)).collect()
}

fn way<R>(
    parts: &Parts,
    receivers: &Receivers<R>,
    turns: &mut HashMap<(AppId, ChannelId), Turns>,
    order: &mut Delivery,
    now: OffsetDateTime,
) -> Way {
    let Some(Some(known)) = receivers.get(&(order.app, order.channel)) else { return Way::Nowhere };
    if !order.once && known.channel.wants(&order.notification).is_err() {
        return Way::Nowhere;
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
        let when = turns.next();
        order.in_turn = turns.granted;
        // a queue's shortest delay is a second
        if when >= at + 1_000 {
            return Way::Later(when);
        }
    }
    order.in_turn = false;
    if parts.slow.is_some() && known.health.is_slow(at) { Way::Slow } else { Way::Now }
}

/// The turns of a batch's orders, where deliveries have to take turns.
struct Turns {
    next: i64,
    step: i64,
    /// Whether they were taken, or are only the time at which to ask again.
    granted: bool,
}

impl Turns {
    fn next(&mut self) -> i64 {
        let it = self.next;
        self.next += self.step;
        it
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
        let Some(known) = known else { continue };
        let Some(rate) = rate(known, at) else { continue };
        let mine = |it: &&Delivery| (it.app, it.channel) == *name && !it.in_turn && !it.once;
        let count = orders.iter().flatten().filter(mine).count();
        if count == 0 || known.gate != Gate::Go {
            continue;
        }
        let step = 1_000 / i64::from(rate.max(1));
        let cost = Duration::milliseconds(step.saturating_mul(count as i64));
        let key = format!("channel|{}", name.1);
        let turns = match parts.table.take_pace(&key, cost, Duration::minutes(10), now).await? {
            Pace::After(wait) => {
                Turns { next: at + wait.whole_milliseconds() as i64, step: step.max(1), granted: true }
            }
            Pace::Busy(wait) => Turns { next: at + wait.whole_milliseconds() as i64, step: 0, granted: false },
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
