//! How a channel's receiver is doing: the circuit breaker, slowness, recovery and when it is switched off.
//!
//! Kept in the table, so that no restart forgets it (realtime, D-6); a healthy channel has no row and costs no write.

use serde::{Deserialize, Serialize};

/// The breaker opens after so many failures in a row, if they span this long (aws, section 2.5).
const FAILURES: u32 = 10;
const SPAN_MS: i64 = 60_000;
/// Or when half of so many attempts within five minutes fail.
const WINDOW: u32 = 50;
const WINDOW_MS: i64 = 300_000;
/// A probe holds the half-open state for so long.
pub const PROBE_MS: i64 = 30_000;
/// The longest wait between probes: an hour.
const LONGEST_PROBE_MINUTES: i64 = 60;
/// Failing for five days switches a channel off; so do a hundred deliveries in a row that were given up.
const FAILING_MS: i64 = 5 * 86_400_000;
const EXHAUSTED: u32 = 100;
/// An answer that takes longer than this makes a channel slow, for so long.
pub const SLOW_MS: u64 = 1_000;
/// The quick lane waits so long for an answer, and leaves it to the slow one then.
pub const PATIENCE_MS: u64 = 3_000;
const SLOW_FOR_MS: i64 = 600_000;
/// After an outage deliveries ramp up: 1, 2, 4 … per second, doubled every ten seconds, for a minute.
pub const RAMP_STEP_MS: i64 = 10_000;
const RAMP_STEPS: i64 = 6;

/// What is known of a receiver. Times are milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    #[serde(default)]
    pub breaker: Breaker,
    /// Failures in a row, and when the first and the last of them were.
    pub failures: u32,
    pub first_failure: Option<i64>,
    pub last_failure: Option<i64>,
    /// Deliveries in a row that were given up.
    pub exhausted: u32,
    /// Attempts since `window_from`, in batches with failures.
    pub window_from: i64,
    pub window: u32,
    pub window_bad: u32,
    pub slow_until: Option<i64>,
    pub recovered_at: Option<i64>,
    /// Counts changes, so that each is made from the state that it was decided on.
    pub revision: u64,
}

/// The circuit breaker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Breaker {
    #[default]
    Closed,
    /// No attempt before `until`; so many probes have failed.
    Open { until: i64, probes: u32 },
    /// One attempt is under way, until then at most.
    HalfOpen { until: i64, probes: u32 },
}

/// What a batch saw of a receiver.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    pub good: u32,
    pub bad: u32,
    /// Of the bad ones, those that were the last attempt of their delivery.
    pub exhausted: u32,
    /// An answer took longer than [`SLOW_MS`].
    pub slow: bool,
}

/// What is to be told of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    Failing,
    Recovered,
    Disable(&'static str),
}

/// Whether an attempt may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    Go,
    /// Not before this time.
    Wait(i64),
    /// One attempt, to find out; whoever makes it has stored [`Health::probing`] before.
    Probe,
}

impl Health {
    pub fn gate(&self, now: i64) -> Gate {
        match self.breaker {
            Breaker::Closed => Gate::Go,
            Breaker::Open { until, .. } | Breaker::HalfOpen { until, .. } if until > now => Gate::Wait(until),
            Breaker::Open { .. } | Breaker::HalfOpen { .. } => Gate::Probe,
        }
    }

    /// The state while somebody probes.
    pub fn probing(&self, now: i64) -> Self {
        let probes = match self.breaker {
            Breaker::Open { probes, .. } | Breaker::HalfOpen { probes, .. } => probes,
            Breaker::Closed => 0,
        };
        let breaker = Breaker::HalfOpen { until: now + PROBE_MS, probes };
        Self { breaker, revision: self.revision + 1, ..self.clone() }
    }

    pub fn is_slow(&self, now: i64) -> bool {
        self.slow_until.is_some_and(|it| it > now)
    }

    /// Deliveries per second while the receiver recovers; `None` when it is as good as ever.
    pub fn ramp(&self, now: i64) -> Option<u32> {
        let step = (now - self.recovered_at?).max(0) / RAMP_STEP_MS;
        (step < RAMP_STEPS).then(|| 1 << step)
    }

    /// The state after a batch; `None` if nothing has changed that is worth a write.
    pub fn after(&self, seen: Seen, now: i64) -> Option<(Self, Option<Turn>)> {
        let mut next = Self { revision: self.revision + 1, ..self.clone() };
        let mut turn = None;
        if seen.good > 0 {
            next =
                Self { window_from: next.window_from, window: next.window, window_bad: next.window_bad, ..self.calm() };
            if self.breaker != Breaker::Closed {
                next.recovered_at = Some(now);
                turn = Some(Turn::Recovered);
            }
        }
        if seen.bad > 0 {
            next.failures += seen.bad;
            next.exhausted += seen.exhausted;
            next.first_failure = next.first_failure.or(Some(now));
            next.last_failure = Some(now);
            if now - next.window_from > WINDOW_MS {
                (next.window_from, next.window, next.window_bad) = (now, 0, 0);
            }
            next.window += seen.good + seen.bad;
            next.window_bad += seen.bad;
            turn = next.trip(now).or(turn);
        }
        if seen.slow {
            next.slow_until = Some(now + SLOW_FOR_MS);
        }
        let was_slow = self.slow_until.is_some_and(|it| it > now + SLOW_FOR_MS / 2);
        let worth = seen.bad > 0 || seen.slow && !was_slow || seen.good > 0 && *self != self.calm_as_is();
        worth.then_some((next, turn))
    }

    /// Opens the breaker, or switches the channel off, if it is time.
    fn trip(&mut self, now: i64) -> Option<Turn> {
        let span = now - self.first_failure.unwrap_or(now);
        if span >= FAILING_MS {
            return Some(Turn::Disable("every attempt has failed for five days"));
        }
        if self.exhausted >= EXHAUSTED {
            return Some(Turn::Disable("a hundred deliveries in a row were given up"));
        }
        match self.breaker {
            Breaker::Closed => {
                let row = self.failures >= FAILURES && span >= SPAN_MS;
                let half = self.window >= WINDOW && self.window_bad * 2 >= self.window;
                if !(row || half) {
                    return None;
                }
                self.breaker = Breaker::Open { until: now + 60_000, probes: 0 };
                Some(Turn::Failing)
            }
            Breaker::HalfOpen { probes, .. } => {
                let minutes = (2_i64 << probes.min(6)).min(LONGEST_PROBE_MINUTES);
                self.breaker = Breaker::Open { until: now + minutes * 60_000, probes: probes + 1 };
                None
            }
            Breaker::Open { .. } => None, // attempts that were under way when it opened
        }
    }

    /// Without any failure. A recovery goes on.
    fn calm(&self) -> Self {
        Self {
            slow_until: self.slow_until,
            recovered_at: self.recovered_at,
            revision: self.revision + 1,
            ..Self::default()
        }
    }

    fn calm_as_is(&self) -> Self {
        let window = (self.window_from, self.window, self.window_bad);
        Self { revision: self.revision, window_from: window.0, window: window.1, window_bad: window.2, ..self.calm() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_800_000_000_000;
    const DAY: i64 = 86_400_000;

    fn bad(count: u32) -> Seen {
        Seen { bad: count, ..Seen::default() }
    }

    const GOOD: Seen = Seen { good: 1, bad: 0, exhausted: 0, slow: false };

    #[track_caller]
    fn after(it: &Health, seen: Seen, now: i64) -> (Health, Option<Turn>) {
        it.after(seen, now).expect("a change")
    }

    #[test]
    fn it_opens_after_ten_failures_over_a_minute_and_closes_with_the_first_good_probe() {
        let healthy = Health::default();
        assert_eq!(healthy.after(GOOD, NOW), None, "a good receiver costs no write");
        let (nine, told) = after(&healthy, bad(9), NOW);
        assert_eq!((nine.gate(NOW), told), (Gate::Go, None));
        let (early, _) = after(&nine, bad(5), NOW + 59_000);
        assert_eq!(early.gate(NOW + 59_000), Gate::Go, "a burst is not an outage");
        let (open, told) = after(&early, bad(1), NOW + 60_000);
        assert_eq!((open.gate(NOW + 60_000), told), (Gate::Wait(NOW + 120_000), Some(Turn::Failing)));
        assert_eq!(open.gate(NOW + 120_000), Gate::Probe);
        let probing = open.probing(NOW + 120_000);
        assert_eq!(probing.gate(NOW + 121_000), Gate::Wait(NOW + 150_000), "one probes, the others wait");
        let (again, told) = after(&probing, bad(1), NOW + 121_000);
        assert_eq!((again.gate(NOW + 122_000), told), (Gate::Wait(NOW + 241_000), None), "two minutes now");
        let (closed, told) = after(&again.probing(NOW + 241_000), GOOD, NOW + 242_000);
        assert_eq!((closed.gate(NOW + 242_000), told, closed.failures), (Gate::Go, Some(Turn::Recovered), 0));
        let ramp = [0, 9, 10, 30, 59, 60].map(|it| closed.ramp(NOW + 242_000 + it * 1_000));
        assert_eq!(ramp, [Some(1), Some(1), Some(2), Some(8), Some(32), None]);
    }

    #[test]
    fn half_of_fifty_opens_it_too() {
        let seen = Seen { good: 25, bad: 25, ..Seen::default() };
        let (open, told) = after(&Health::default(), seen, NOW);
        assert_eq!((open.gate(NOW), told), (Gate::Wait(NOW + 60_000), Some(Turn::Failing)));
        let seen = Seen { good: 26, bad: 24, ..Seen::default() };
        assert_eq!(after(&Health::default(), seen, NOW).0.gate(NOW), Gate::Go);
    }

    #[test]
    fn probes_wait_twice_as_long_each_time_up_to_an_hour() {
        let mut it = after(&after(&Health::default(), bad(10), NOW).0, bad(1), NOW + 60_000).0;
        let (mut now, mut waits) = (NOW + 60_000, Vec::new());
        for _ in 0..8 {
            let Gate::Wait(until) = it.gate(now) else { panic!("it is open") };
            waits.push((until - now) / 60_000);
            now = until;
            it = after(&it.probing(now), bad(1), now).0;
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn it_is_switched_off_by_time_and_by_count() {
        let (failing, _) = after(&Health::default(), bad(1), NOW);
        assert_eq!(after(&failing, bad(1), NOW + 5 * DAY - 1).1, None);
        let (_, told) = after(&failing, bad(1), NOW + 5 * DAY);
        assert_eq!(told, Some(Turn::Disable("every attempt has failed for five days")));
        let given_up = Seen { bad: 50, exhausted: 50, ..Seen::default() };
        let (half, _) = after(&Health::default(), given_up, NOW);
        assert!(matches!(after(&half, given_up, NOW).1, Some(Turn::Disable(_))));
        let (reset, _) = after(&half, GOOD, NOW);
        let next = after(&reset, given_up, NOW + 1).1;
        assert!(!matches!(next, Some(Turn::Disable(_))), "a success begins anew: {next:?}");
    }

    #[test]
    fn a_slow_one_is_slow_for_ten_minutes_and_noted_once() {
        let seen = Seen { good: 1, slow: true, ..Seen::default() };
        let (slow, _) = after(&Health::default(), seen, NOW);
        assert!(slow.is_slow(NOW + 599_000) && !slow.is_slow(NOW + 600_000));
        assert_eq!(slow.after(seen, NOW + 1_000), None);
        assert!(slow.after(seen, NOW + 400_000).is_some(), "it is prolonged before it ends");
        assert_eq!(slow.after(GOOD, NOW + 1_000), None);
    }

    proptest! {
        /// Whatever happens: attempts are made again at some time, and a revision is never given twice.
        #[test]
        fn it_never_waits_for_more_than_an_hour(steps in proptest::collection::vec((0..3_u32, 0..60_u32, 0..4_000_000_i64), 1..60)) {
            let (mut it, mut now) = (Health::default(), NOW);
            for (good, bad, pause) in steps {
                now += pause;
                match it.gate(now) {
                    Gate::Wait(until) => prop_assert!(until - now <= 3_600_000),
                    Gate::Probe => it = it.probing(now),
                    Gate::Go => {}
                }
                if let Some((next, _)) = it.after(Seen { good, bad, ..Seen::default() }, now) {
                    prop_assert!(next.revision > it.revision);
                    it = next;
                }
            }
        }
    }
}
