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
/// An attempt that ends within this time proves that its receiver is quick. In the quick lane one that takes longer is
/// waited for only as long as other attempts of its batch are under way.
pub const QUICK_MS: u64 = 300;
/// A response that takes longer than this makes a channel slow for `SLOW_PERIOD_MS`. A receiver that is not known to be
/// slow is not waited for any longer: the slow lane repeats the attempt.
pub const SLOW_MS: u64 = 1_000;
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_800_000_000_000;
    const DAY: i64 = 86_400_000;

    fn failed(count: u32) -> BatchStats {
        BatchStats { failures: count, ..BatchStats::default() }
    }

    const SUCCESS: BatchStats = BatchStats {
        successes: 1,
        failures: 0,
        exhausted: 0,
        slow: false,
        quick: false,
        answered: true,
        unanswered: false,
    };
    const QUICK: BatchStats = BatchStats { quick: true, ..SUCCESS };
    const SILENCE: BatchStats = BatchStats { successes: 0, slow: true, answered: false, unanswered: true, ..SUCCESS };

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

    #[test]
    fn the_quick_lane_is_for_those_that_are_proved_and_do_not_fail() {
        let new = ChannelHealth::default();
        assert!(!new.takes_quick_lane(false, NOW) && new.takes_quick_lane(true, NOW) && new.is_unproved(NOW));
        let (proved, _) = after(&new, QUICK, NOW);
        assert!(proved.takes_quick_lane(false, NOW) && !proved.is_unproved(NOW));
        assert_eq!(proved.after(QUICK, NOW), None, "it is proved once");
        let (failing, _) = after(&proved, BatchStats { answered: true, ..failed(1) }, NOW);
        assert!(!failing.takes_quick_lane(true, NOW), "a failure is work that others would wait for");
        assert!(after(&failing, QUICK, NOW).0.takes_quick_lane(false, NOW), "the proof holds");
        let (silent, _) = after(&proved, SILENCE, NOW);
        assert!(!silent.takes_quick_lane(true, NOW) && !silent.is_unproved(NOW));
        let (answers, _) = after(&silent, QUICK, NOW + 1_000);
        assert!(!answers.takes_quick_lane(true, NOW + 1_000), "a slow one stays slow for its ten minutes");
        assert!(after(&answers, QUICK, NOW + 600_000).0.takes_quick_lane(false, NOW + 600_000));
    }

    #[test]
    fn one_that_answers_nothing_gets_one_attempt_at_a_time() {
        let (silent, _) = after(&ChannelHealth::default(), SILENCE, NOW);
        assert_eq!((silent.admission(NOW), silent.breaker), (Admission::Probe, Breaker::Closed));
        let probing = silent.start_probe(NOW);
        assert_eq!(probing.admission(NOW + 1), Admission::Wait(NOW + PROBE_TIMEOUT_MS));
        assert_eq!(probing.admission(NOW + PROBE_TIMEOUT_MS), Admission::Probe, "the one that made it may have died");
        let (again, _) = after(&probing, BatchStats { failures: 1, ..SILENCE }, NOW + 15_000);
        assert_eq!((again.admission(NOW + 15_000), again.failures), (Admission::Probe, 1));
        let (answers, _) = after(&probing, BatchStats { slow: true, ..SUCCESS }, NOW + 2_000);
        assert_eq!(answers.admission(NOW + 2_000), Admission::Allow, "slow, but it answers");
        // some answers among the silence: it does not hang
        let (some, _) = after(&ChannelHealth::default(), BatchStats { answered: true, ..SILENCE }, NOW);
        assert_eq!(some.admission(NOW), Admission::Allow);
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
