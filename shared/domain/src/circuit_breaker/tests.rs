//! The circuit breaker and the choice of the lane, as tables.

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
    assert_eq!((again.admission(NOW + 122_000), transition), (Admission::Wait(NOW + 241_000), None), "two minutes now");
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
