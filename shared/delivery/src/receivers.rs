//! The receivers of a batch: each channel is read once per batch, with the health of its receiver, all at the same time.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use domain::channel::Channel;
use domain::circuit_breaker::{Admission, BatchStats, ChannelHealth, PROBE_TIMEOUT_MS};
use domain::command::Delivery;
use domain::{AppId, ChannelId};
use entry::Chain;
use futures_util::future::{join_all, try_join};
use time::OffsetDateTime;
use tokio::sync::{Mutex as AsyncMutex, Semaphore};

use crate::context::Context;
use crate::sender::Sender;

/// Concurrent attempts to one receiver (aws, section 2.3).
const MAX_CONCURRENT_PER_RECEIVER: usize = 10;

/// A channel, its receiver, and what this batch observes.
pub(crate) struct ReceiverState<R> {
    pub(crate) channel: Channel,
    pub(crate) receiver: R,
    /// As it was read for this batch.
    pub(crate) health: ChannelHealth,
    /// As it was stored last: observations are added to it.
    pub(crate) stored: AsyncMutex<ChannelHealth>,
    /// Its deliveries belong into the slow queue, and this function does not read that queue.
    pub(crate) slow: bool,
    /// An answer is waited for as long as the protocol allows, because the receiver is known to be slow or there is no
    /// other lane.
    pub(crate) patient: bool,
    pub(crate) admission: Admission,
    /// Whether a delivery of this batch makes the one attempt that a half-open breaker allows.
    pub(crate) probed: AtomicBool,
    pub(crate) permits: Semaphore,
    /// Nothing is known of the receiver yet: its first attempt of this batch is made alone.
    on_trial: AtomicBool,
    /// An attempt of this batch was not waited for any longer.
    hangs: AtomicBool,
    observed: Mutex<BatchStats>,
}

impl<R> ReceiverState<R> {
    /// Adds an observation to the batch's statistics.
    pub(crate) fn observe(&self, add: impl FnOnce(&mut BatchStats)) {
        add(&mut self.observed.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Takes what was observed since the last call.
    pub(crate) fn take_observations(&self) -> BatchStats {
        std::mem::take(&mut self.observed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The first attempt has ended: the others may be made.
    pub(crate) fn end_trial(&self) {
        if self.on_trial.swap(false, Ordering::Relaxed) {
            self.permits.add_permits(MAX_CONCURRENT_PER_RECEIVER - 1);
        }
    }

    /// No attempt of this batch is waited for any longer.
    pub(crate) fn give_up(&self) {
        self.hangs.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_given_up(&self) -> bool {
        self.hangs.load(Ordering::Relaxed)
    }
}

/// Receivers by application and channel: `None` if the channel is deleted or inactive, `Err` with the reason if it
/// could not be read, which fails its own deliveries alone.
pub(crate) type Receivers<R> = HashMap<(AppId, ChannelId), Result<Option<ReceiverState<R>>, String>>;

/// Reads the channels of a batch.
pub(crate) async fn read<S: Sender>(
    context: &Context,
    sender: &S,
    deliveries: &[&Delivery],
    now: OffsetDateTime,
) -> Receivers<S::Receiver> {
    let alone = deliveries.len() == 1;
    let keys: HashSet<(AppId, ChannelId)> = deliveries.iter().map(|it| (it.app, it.channel)).collect();
    let states = keys.into_iter().map(async |key| {
        let state = read_receiver(context, sender, key, alone, now).await;
        (key, state.map_err(|error| format!("the channel could not be read: {}", Chain(error.as_ref()))))
    });
    join_all(states).await.into_iter().collect()
}

async fn read_receiver<S: Sender>(
    context: &Context,
    sender: &S,
    (app, id): (AppId, ChannelId),
    alone: bool,
    now: OffsetDateTime,
) -> Result<Option<ReceiverState<S::Receiver>>, Box<dyn std::error::Error>> {
    let reads = try_join(context.table.channel(app, id), context.table.health(app, id));
    let ((channel, mut health), at) = (reads.await?, domain::millis(now));
    let Some(channel) = channel.filter(|it| it.active) else { return Ok(None) };
    let Some(receiver) = sender.receiver(&context.secrets, &channel, now).await? else { return Ok(None) };
    let has_other_lane = context.slow_queue.is_some();
    let slow = has_other_lane && !health.takes_quick_lane(alone, at);
    let mut admission = match health.admission(at) {
        // the slow queue's function probes, since it waits long enough
        Admission::Probe if slow => Admission::Allow,
        admission => admission,
    };
    if admission == Admission::Probe {
        let probing = health.start_probe(at);
        if context.table.put_health(app, id, &probing).await? {
            health = probing;
        } else {
            admission = Admission::Wait(at + PROBE_TIMEOUT_MS); // another batch probes
        }
    }
    let on_trial = S::HAS_SLOW_LANE && !has_other_lane && health.is_unproved(at);
    Ok(Some(ReceiverState {
        channel,
        receiver,
        stored: AsyncMutex::new(health.clone()),
        slow,
        patient: !S::HAS_SLOW_LANE || health.is_slow(at),
        health,
        admission,
        probed: AtomicBool::new(false),
        permits: Semaphore::new(if on_trial { 1 } else { MAX_CONCURRENT_PER_RECEIVER }),
        on_trial: AtomicBool::new(on_trial),
        hangs: AtomicBool::new(false),
        observed: Mutex::default(),
    }))
}
