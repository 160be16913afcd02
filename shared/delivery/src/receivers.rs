//! The receivers of a batch: each channel is read once per batch, with the health of its receiver.

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

use crate::context::Context;
use crate::sender::Sender;

/// Concurrent attempts to one receiver (aws, section 2.3).
const MAX_CONCURRENT_PER_RECEIVER: usize = 10;

/// A channel, its receiver, and what this batch observes.
pub(crate) struct ReceiverState<R> {
    pub(crate) channel: Channel,
    pub(crate) receiver: R,
    pub(crate) health: ChannelHealth,
    /// Its deliveries belong into the slow queue, and this function does not read that queue.
    pub(crate) slow: bool,
    pub(crate) admission: Admission,
    /// Whether a delivery of this batch makes the one attempt that a half-open breaker allows.
    pub(crate) probed: AtomicBool,
    pub(crate) permits: Semaphore,
    observed: Mutex<BatchStats>,
}

impl<R> ReceiverState<R> {
    /// Adds an observation to the batch's statistics.
    pub(crate) fn observe(&self, add: impl FnOnce(&mut BatchStats)) {
        add(&mut self.observed.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What this batch has observed so far.
    pub(crate) fn observations(&self) -> BatchStats {
        *self.observed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an attempt of this batch was slow.
    pub(crate) fn is_slow(&self) -> bool {
        self.observations().slow
    }
}

/// Receivers by application and channel: `None` if the channel is deleted or inactive, `Err` with the reason if it
/// could not be read, which fails its own deliveries alone.
pub(crate) type Receivers<R> = HashMap<(AppId, ChannelId), Result<Option<ReceiverState<R>>, String>>;

/// Reads the channels of a batch.
pub(crate) async fn read<S: Sender>(
    context: &Context,
    sender: &S,
    deliveries: impl Iterator<Item = &Delivery>,
    now: OffsetDateTime,
) -> Receivers<S::Receiver> {
    let mut receivers = Receivers::new();
    for delivery in deliveries {
        let key = (delivery.app, delivery.channel);
        if let Entry::Vacant(entry) = receivers.entry(key) {
            let state = read_receiver(context, sender, key, now).await;
            entry.insert(state.map_err(|error| format!("the channel could not be read: {}", Chain(error.as_ref()))));
        }
    }
    receivers
}

async fn read_receiver<S: Sender>(
    context: &Context,
    sender: &S,
    (app, id): (AppId, ChannelId),
    now: OffsetDateTime,
) -> Result<Option<ReceiverState<S::Receiver>>, Box<dyn std::error::Error>> {
    let Some(channel) = context.table.channel(app, id).await?.filter(|it| it.active) else { return Ok(None) };
    let Some(receiver) = sender.receiver(&context.secrets, &channel, now).await? else { return Ok(None) };
    let (mut health, at) = (context.table.health(app, id).await?, domain::millis(now));
    // the slow queue's function probes slow receivers, since it waits long enough for them
    let slow = context.slow_queue.is_some() && health.is_slow(at);
    let mut admission = if slow { Admission::Allow } else { health.admission(at) };
    if admission == Admission::Probe {
        let probing = health.start_probe(at);
        if context.table.put_health(app, id, &probing).await? {
            health = probing;
        } else {
            admission = Admission::Wait(at + PROBE_TIMEOUT_MS); // another batch probes
        }
    }
    Ok(Some(ReceiverState {
        channel,
        receiver,
        health,
        slow,
        admission,
        probed: AtomicBool::new(false),
        permits: Semaphore::new(MAX_CONCURRENT_PER_RECEIVER),
        observed: Mutex::default(),
    }))
}
