//! The receivers of a batch: each channel is read once, as it is now, with how its receiver is doing.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};

use domain::channel::Channel;
use domain::circuit_breaker::{Admission, BatchStats, ChannelHealth, PROBE_TIMEOUT_MS};
use domain::command::Delivery;
use domain::{AppId, ChannelId};
use entry::Chain;
use time::OffsetDateTime;
use tokio::sync::Semaphore;

use crate::{Context, Sender};

/// Attempts that are under way to one receiver at once (aws, section 2.3).
const MAX_CONCURRENT_PER_RECEIVER: usize = 10;

/// A receiver, and what this batch sees of it.
pub(crate) struct ReceiverState<R> {
    pub(crate) channel: Channel,
    pub(crate) receiver: R,
    pub(crate) health: ChannelHealth,
    /// Its deliveries belong into the slow lane, and this is not it.
    pub(crate) slow: bool,
    pub(crate) admission: Admission,
    /// Whether somebody of this batch makes the one attempt that a half-open breaker allows.
    pub(crate) probed: AtomicBool,
    pub(crate) permits: Semaphore,
    observed: Mutex<BatchStats>,
}

impl<R> ReceiverState<R> {
    pub(crate) fn observe(&self, note: impl FnOnce(&mut BatchStats)) {
        note(&mut self.observed.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What this batch has seen of it so far.
    pub(crate) fn observations(&self) -> BatchStats {
        *self.observed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this batch has found it slow.
    pub(crate) fn is_slow(&self) -> bool {
        self.observations().slow
    }
}

/// By application and channel; `None` for those that are gone or switched off, `Err` with why one could not be read: that
/// is between it and its own orders.
pub(crate) type Receivers<R> = HashMap<(AppId, ChannelId), Result<Option<ReceiverState<R>>, String>>;

/// Reads the channels of a batch.
pub(crate) async fn read<S: Sender>(
    parts: &Context,
    sender: &S,
    orders: impl Iterator<Item = &Delivery>,
    now: OffsetDateTime,
) -> Receivers<S::Receiver> {
    let mut receivers = Receivers::new();
    for order in orders {
        let name = (order.app, order.channel);
        if let Entry::Vacant(unknown) = receivers.entry(name) {
            let known = read_receiver(parts, sender, name, now).await;
            unknown.insert(known.map_err(|it| format!("the channel could not be read: {}", Chain(it.as_ref()))));
        }
    }
    receivers
}

async fn read_receiver<S: Sender>(
    parts: &Context,
    sender: &S,
    (app, id): (AppId, ChannelId),
    now: OffsetDateTime,
) -> Result<Option<ReceiverState<S::Receiver>>, Box<dyn std::error::Error>> {
    let Some(channel) = parts.table.channel(app, id).await?.filter(|it| it.active) else { return Ok(None) };
    let Some(receiver) = sender.receiver(&parts.secrets, &channel, now).await? else { return Ok(None) };
    let (mut health, at) = (parts.table.health(app, id).await?, domain::millis(now));
    // a slow one is the slow lane's: that one has the patience to probe as well
    let slow = parts.slow_queue.is_some() && health.is_slow(at);
    let mut gate = if slow { Admission::Allow } else { health.admission(at) };
    if gate == Admission::Probe {
        let probing = health.start_probe(at);
        if parts.table.put_health(app, id, &probing).await? {
            health = probing;
        } else {
            gate = Admission::Wait(at + PROBE_TIMEOUT_MS); // somebody else probes
        }
    }
    let places = Semaphore::new(MAX_CONCURRENT_PER_RECEIVER);
    Ok(Some(ReceiverState {
        channel,
        receiver,
        health,
        slow,
        admission: gate,
        probed: AtomicBool::new(false),
        permits: places,
        observed: Mutex::default(),
    }))
}
