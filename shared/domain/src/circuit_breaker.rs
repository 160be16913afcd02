//! The circuit breaker of a channel, with slowness, recovery and automatic disabling.
//!
//! The state is stored, so that it survives restarts (realtime, D-6). A healthy channel costs one write ever: the proof
//! that its receiver is quick.

use serde::{Deserialize, Serialize};

/// The breaker opens after this many consecutive failures, if they span at least [`FAILURE_SPAN_MS`] (aws, section
/// 2.5).
const FAILURE_THRESHOLD: u32 = 10;
const FAILURE_SPAN_MS: i64 = 60_000;
/// The breaker also opens when half of at least this many attempts within [`WINDOW_MS`] fail.
const WINDOW_ATTEMPTS: u32 = 50;
const WINDOW_MS: i64 = 300_000;
/// How long a probe holds the half-open state.
pub const PROBE_TIMEOUT_MS: i64 = 30_000;
/// Maximum wait between probes.
const MAX_PROBE_MINUTES: i64 = 60;
/// A channel is disabled after failing this long, or after this many consecutive deliveries whose retries were
/// exhausted.
const DISABLE_AFTER_FAILING_MS: i64 = 5 * 86_400_000;
const DISABLE_AFTER_EXHAUSTED: u32 = 100;
/// An attempt that ends within this time proves that its receiver is quick.
pub const QUICK_MS: u64 = 300;
/// A response that takes longer than this makes a channel slow for `SLOW_PERIOD_MS`. In the quick lane one that takes longer
/// is waited for only as long as other attempts of its batch are under way.
pub const SLOW_MS: u64 = 1_000;
/// Timeout of an attempt in the quick lane. The slow lane repeats the attempt after it.
pub const QUICK_LANE_TIMEOUT_MS: u64 = 3_000;
const SLOW_PERIOD_MS: i64 = 600_000;
/// After an outage the rate ramps up: 1, 2, 4 … deliveries per second, doubled with each step, for `RAMP_STEPS`
/// steps.
pub const RAMP_STEP_MS: i64 = 10_000;
const RAMP_STEPS: i64 = 6;

/// The health of a channel's receiver. Times are in milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelHealth {
    #[serde(default)]
    pub breaker: Breaker,
    /// Consecutive failures, and the times of the first and the last of them.
    pub failures: u32,
    pub first_failure: Option<i64>,
    pub last_failure: Option<i64>,
    /// Consecutive deliveries whose retries were exhausted.
    pub exhausted: u32,
    /// Attempts since `window_from`, counted in batches that had failures.
    pub window_from: i64,
    pub window: u32,
    #[serde(rename = "window_bad")]
    pub window_failures: u32,
    pub slow_until: Option<i64>,
    /// Proved: an attempt has ended within [`QUICK_MS`] since the receiver was slow, or got its address.
    #[serde(default)]
    pub quick: bool,
    /// The latest attempts were not answered in time. Until one is, the slow lane makes one attempt at a time.
    #[serde(default)]
    pub unanswered: bool,
    /// Until when that one attempt may take.
    #[serde(default)]
    pub probe_until: Option<i64>,
    pub recovered_at: Option<i64>,
    /// Version for optimistic locking.
    pub revision: u64,
}

/// The state of the circuit breaker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Breaker {
    #[default]
    Closed,
    /// No attempt before `until`. `probes` counts the failed probes.
    Open { until: i64, probes: u32 },
    /// A probe is in progress, at most until `until`.
    HalfOpen { until: i64, probes: u32 },
}

/// The results of one batch of attempts to a receiver.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BatchStats {
    pub successes: u32,
    pub failures: u32,
    /// Failures that were the last attempt of their delivery.
    pub exhausted: u32,
    /// Whether a response took longer than [`SLOW_MS`], or was not waited for any longer.
    pub slow: bool,
    /// Whether an attempt has proved that the receiver is quick, where that is recorded: in the slow lane.
    pub quick: bool,
    /// Whether an attempt was answered, and whether one was not answered in time.
    pub answered: bool,
    pub unanswered: bool,
}

/// A change of health that is published as a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthTransition {
    Failing,
    Recovered,
    Disable(&'static str),
}

/// Whether an attempt is admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    Allow,
    /// Not before this time, in milliseconds.
    Wait(i64),
    /// One attempt as a probe. The caller has stored [`ChannelHealth::start_probe`] before.
    Probe,
}

impl ChannelHealth {
    /// Whether an attempt is admitted at `now` (milliseconds).
    pub fn admission(&self, now: i64) -> Admission {
        match self.breaker {
            Breaker::Closed if self.unanswered && self.is_slow(now) => match self.probe_until {
                Some(until) if until > now => Admission::Wait(until),
                _ => Admission::Probe,
            },
            Breaker::Closed => Admission::Allow,
            Breaker::Open { until, .. } | Breaker::HalfOpen { until, .. } if until > now => Admission::Wait(until),
            Breaker::Open { .. } | Breaker::HalfOpen { .. } => Admission::Probe,
        }
    }

    /// The state during a probe, to be stored before it.
    pub fn start_probe(&self, now: i64) -> Self {
        let (until, revision) = (now + PROBE_TIMEOUT_MS, self.revision + 1);
        match self.breaker {
            Breaker::Open { probes, .. } | Breaker::HalfOpen { probes, .. } => {
                Self { breaker: Breaker::HalfOpen { until, probes }, revision, ..self.clone() }
            }
            Breaker::Closed => Self { probe_until: Some(until), revision, ..self.clone() },
        }
    }

    /// Whether the receiver is known to be slow at `now` (milliseconds).
    pub fn is_slow(&self, now: i64) -> bool {
        self.slow_until.is_some_and(|it| it > now)
    }

    /// Whether a delivery is attempted in the quick lane at `now` (milliseconds): the receiver is proved quick, and does
    /// not fail. A delivery that comes `alone`, in a batch of its own, needs no proof: no other one waits for it there.
    pub fn takes_quick_lane(&self, alone: bool, now: i64) -> bool {
        (self.quick || alone) && self.failures == 0 && !self.is_slow(now)
    }

    /// Whether nothing is known at `now` (milliseconds) about how long the receiver takes.
    pub fn is_unproved(&self, now: i64) -> bool {
        !self.quick && !self.is_slow(now)
    }

    /// Deliveries per second while the receiver recovers; `None` if there is no such limit.
    pub fn ramp_rate(&self, now: i64) -> Option<u32> {
        let step = (now - self.recovered_at?).max(0) / RAMP_STEP_MS;
        (step < RAMP_STEPS).then(|| 1 << step)
    }

    /// The state after a batch, and the transition to publish; `None` if nothing changed that is worth a write.
    pub fn after(&self, batch: BatchStats, now: i64) -> Option<(Self, Option<HealthTransition>)> {
        let mut next = Self { revision: self.revision + 1, ..self.clone() };
        let mut transition = None;
        if batch.successes > 0 {
            next = Self {
                window_from: next.window_from,
                window: next.window,
                window_failures: next.window_failures,
                ..self.reset()
            };
            if self.breaker != Breaker::Closed {
                next.recovered_at = Some(now);
                transition = Some(HealthTransition::Recovered);
            }
        }
        if batch.failures > 0 {
            next.failures += batch.failures;
            next.exhausted += batch.exhausted;
            next.first_failure = next.first_failure.or(Some(now));
            next.last_failure = Some(now);
            if now - next.window_from > WINDOW_MS {
                (next.window_from, next.window, next.window_failures) = (now, 0, 0);
            }
            next.window += batch.successes + batch.failures;
            next.window_failures += batch.failures;
            transition = next.trip(now).or(transition);
        }
        if batch.slow {
            (next.slow_until, next.quick) = (Some(now + SLOW_PERIOD_MS), false);
        } else if batch.quick && !self.is_slow(now) {
            next.quick = true;
        }
        // one that answers some attempts is slow, or loses some; one that answers none hangs
        if batch.answered || batch.unanswered {
            next.unanswered = !batch.answered;
            next.probe_until = None;
        }
        let was_slow = self.slow_until.is_some_and(|it| it > now + SLOW_PERIOD_MS / 2);
        let worth_a_write = batch.failures > 0
            || batch.slow && !was_slow
            || (next.quick, next.unanswered) != (self.quick, self.unanswered)
            || batch.successes > 0 && *self != self.reset_keeping_window();
        worth_a_write.then_some((next, transition))
    }

    /// Opens the breaker or disables the channel if a threshold is reached.
    fn trip(&mut self, now: i64) -> Option<HealthTransition> {
        let span = now - self.first_failure.unwrap_or(now);
        if span >= DISABLE_AFTER_FAILING_MS {
            return Some(HealthTransition::Disable("every attempt has failed for five days"));
        }
        if self.exhausted >= DISABLE_AFTER_EXHAUSTED {
            return Some(HealthTransition::Disable("a hundred deliveries in a row were given up"));
        }
        match self.breaker {
            Breaker::Closed => {
                let consecutive = self.failures >= FAILURE_THRESHOLD && span >= FAILURE_SPAN_MS;
                let half_failed = self.window >= WINDOW_ATTEMPTS && self.window_failures * 2 >= self.window;
                if !(consecutive || half_failed) {
                    return None;
                }
                self.breaker = Breaker::Open { until: now + 60_000, probes: 0 };
                Some(HealthTransition::Failing)
            }
            Breaker::HalfOpen { probes, .. } => {
                let minutes = (2_i64 << probes.min(6)).min(MAX_PROBE_MINUTES);
                self.breaker = Breaker::Open { until: now + minutes * 60_000, probes: probes + 1 };
                None
            }
            Breaker::Open { .. } => None, // attempts that were under way when it opened
        }
    }

    /// The state without failures. What is known of the receiver's speed, and its recovery, are kept.
    fn reset(&self) -> Self {
        Self {
            slow_until: self.slow_until,
            quick: self.quick,
            unanswered: self.unanswered,
            probe_until: self.probe_until,
            recovered_at: self.recovered_at,
            revision: self.revision + 1,
            ..Self::default()
        }
    }

    fn reset_keeping_window(&self) -> Self {
        let window = (self.window_from, self.window, self.window_failures);
        Self {
            revision: self.revision,
            window_from: window.0,
            window: window.1,
            window_failures: window.2,
            ..self.reset()
        }
    }
}

#[cfg(test)]
mod tests;
