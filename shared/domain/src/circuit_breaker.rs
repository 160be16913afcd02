//! The circuit breaker of a channel, with slowness, recovery and automatic disabling.
//!
//! The state is stored, so that it survives restarts (realtime, D-6). A healthy channel has no row and costs no write.

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
/// A response that takes longer than this makes a channel slow for `SLOW_PERIOD_MS`.
pub const SLOW_MS: u64 = 1_000;
/// Timeout of an attempt in the fast lane. The slow lane repeats the attempt after it.
pub const FAST_LANE_TIMEOUT_MS: u64 = 3_000;
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
    /// Whether a response took longer than [`SLOW_MS`].
    pub slow: bool,
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
            Breaker::Closed => Admission::Allow,
            Breaker::Open { until, .. } | Breaker::HalfOpen { until, .. } if until > now => Admission::Wait(until),
            Breaker::Open { .. } | Breaker::HalfOpen { .. } => Admission::Probe,
        }
    }

    /// The half-open state, to be stored before a probe.
    pub fn start_probe(&self, now: i64) -> Self {
        let probes = match self.breaker {
            Breaker::Open { probes, .. } | Breaker::HalfOpen { probes, .. } => probes,
            Breaker::Closed => 0,
        };
        let breaker = Breaker::HalfOpen { until: now + PROBE_TIMEOUT_MS, probes };
        Self { breaker, revision: self.revision + 1, ..self.clone() }
    }

    /// Whether deliveries use the slow lane at `now` (milliseconds).
    pub fn is_slow(&self, now: i64) -> bool {
        self.slow_until.is_some_and(|it| it > now)
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
            next.slow_until = Some(now + SLOW_PERIOD_MS);
        }
        let was_slow = self.slow_until.is_some_and(|it| it > now + SLOW_PERIOD_MS / 2);
        let worth_a_write = batch.failures > 0
            || batch.slow && !was_slow
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

    /// The state without failures. Slowness and recovery are kept.
    fn reset(&self) -> Self {
        Self {
            slow_until: self.slow_until,
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_800_000_000_000;
    const DAY: i64 = 86_400_000;

    fn failed(count: u32) -> BatchStats {
        BatchStats { failures: count, ..BatchStats::default() }
    }

    const SUCCESS: BatchStats = BatchStats { successes: 1, failures: 0, exhausted: 0, slow: false };

    #[track_caller]
    fn after(health: &ChannelHealth, batch: BatchStats, now: i64) -> (ChannelHealth, Option<HealthTransition>) {
        health.after(batch, now).expect("a change")
    }

    #[test]
    fn it_opens_after_ten_failures_over_a_minute_and_closes_with_the_first_good_probe() {
        let healthy = ChannelHealth::default();
        assert_eq!(healthy.after(SUCCESS, NOW), None, "a good receiver costs no write");
        let (nine, transition) = after(&healthy, failed(9), NOW);
        assert_eq!((nine.admission(NOW), transition), (Admission::Allow, None));
        let (early, _) = after(&nine, failed(5), NOW + 59_000);
        assert_eq!(early.admission(NOW + 59_000), Admission::Allow, "a burst is not an outage");
        let (open, transition) = after(&early, failed(1), NOW + 60_000);
        assert_eq!(
            (open.admission(NOW + 60_000), transition),
            (Admission::Wait(NOW + 120_000), Some(HealthTransition::Failing))
        );
        assert_eq!(open.admission(NOW + 120_000), Admission::Probe);
        let probing = open.start_probe(NOW + 120_000);
        assert_eq!(probing.admission(NOW + 121_000), Admission::Wait(NOW + 150_000), "one probes, the others wait");
        let (again, transition) = after(&probing, failed(1), NOW + 121_000);
        assert_eq!(
            (again.admission(NOW + 122_000), transition),
            (Admission::Wait(NOW + 241_000), None),
            "two minutes now"
        );
        let (closed, transition) = after(&again.start_probe(NOW + 241_000), SUCCESS, NOW + 242_000);
        assert_eq!(
            (closed.admission(NOW + 242_000), transition, closed.failures),
            (Admission::Allow, Some(HealthTransition::Recovered), 0)
        );
        let ramp = [0, 9, 10, 30, 59, 60].map(|it| closed.ramp_rate(NOW + 242_000 + it * 1_000));
        assert_eq!(ramp, [Some(1), Some(1), Some(2), Some(8), Some(32), None]);
    }

    #[test]
    fn half_of_fifty_opens_it_too() {
        let batch = BatchStats { successes: 25, failures: 25, ..BatchStats::default() };
        let (open, transition) = after(&ChannelHealth::default(), batch, NOW);
        assert_eq!((open.admission(NOW), transition), (Admission::Wait(NOW + 60_000), Some(HealthTransition::Failing)));
        let batch = BatchStats { successes: 26, failures: 24, ..BatchStats::default() };
        assert_eq!(after(&ChannelHealth::default(), batch, NOW).0.admission(NOW), Admission::Allow);
    }

    #[test]
    fn probes_wait_twice_as_long_each_time_up_to_an_hour() {
        let mut health = after(&after(&ChannelHealth::default(), failed(10), NOW).0, failed(1), NOW + 60_000).0;
        let (mut now, mut waits) = (NOW + 60_000, Vec::new());
        for _ in 0..8 {
            let Admission::Wait(until) = health.admission(now) else { panic!("it is open") };
            waits.push((until - now) / 60_000);
            now = until;
            health = after(&health.start_probe(now), failed(1), now).0;
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn it_is_switched_off_by_time_and_by_count() {
        let (failing, _) = after(&ChannelHealth::default(), failed(1), NOW);
        assert_eq!(after(&failing, failed(1), NOW + 5 * DAY - 1).1, None);
        let (_, transition) = after(&failing, failed(1), NOW + 5 * DAY);
        assert_eq!(transition, Some(HealthTransition::Disable("every attempt has failed for five days")));
        let given_up = BatchStats { failures: 50, exhausted: 50, ..BatchStats::default() };
        let (half, _) = after(&ChannelHealth::default(), given_up, NOW);
        assert!(matches!(after(&half, given_up, NOW).1, Some(HealthTransition::Disable(_))));
        let (reset, _) = after(&half, SUCCESS, NOW);
        let next = after(&reset, given_up, NOW + 1).1;
        assert!(!matches!(next, Some(HealthTransition::Disable(_))), "a success begins anew: {next:?}");
    }

    #[test]
    fn a_slow_one_is_slow_for_ten_minutes_and_noted_once() {
        let batch = BatchStats { successes: 1, slow: true, ..BatchStats::default() };
        let (slow, _) = after(&ChannelHealth::default(), batch, NOW);
        assert!(slow.is_slow(NOW + 599_000) && !slow.is_slow(NOW + 600_000));
        assert_eq!(slow.after(batch, NOW + 1_000), None);
        assert!(slow.after(batch, NOW + 400_000).is_some(), "it is prolonged before it ends");
        assert_eq!(slow.after(SUCCESS, NOW + 1_000), None);
    }

    proptest! {
        /// Whatever happens, attempts are made again eventually, and no revision is used twice.
        #[test]
        fn it_never_waits_for_more_than_an_hour(steps in proptest::collection::vec((0..3_u32, 0..60_u32, 0..4_000_000_i64), 1..60)) {
            let (mut health, mut now) = (ChannelHealth::default(), NOW);
            for (successes, failures, pause) in steps {
                now += pause;
                match health.admission(now) {
                    Admission::Wait(until) => prop_assert!(until - now <= 3_600_000),
                    Admission::Probe => health = health.start_probe(now),
                    Admission::Allow => {}
                }
                if let Some((next, _)) = health.after(BatchStats { successes, failures, ..BatchStats::default() }, now) {
                    prop_assert!(next.revision > health.revision);
                    health = next;
                }
            }
        }
    }
}
