//! What follows an attempt to deliver.

use serde::{Deserialize, Serialize};
use time::Duration;

/// The longest delay between two attempts, and the most that a receiver's `Retry-After` can ask for.
pub const LONGEST: Duration = Duration::DAY;

/// What happened to one attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    Delivered {
        status: u16,
    },
    /// An answer that is no success; `retry_after` in seconds, if the receiver gave one.
    Refused {
        status: u16,
        retry_after: Option<u64>,
    },
    /// No whole answer: DNS, connection, TLS, deadline.
    Unreachable {
        why: String,
    },
    /// The address is one that we do not call. It may be right again later (a name can move), so it is retried.
    Forbidden {
        why: String,
    },
    /// 410, or the header `webhook-delivery: disable`: send nothing more.
    Gone,
    /// The header `webhook-delivery: abort-message`: send this one no more.
    Aborted,
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Delivered { status } => write!(f, "delivered ({status})"),
            Self::Refused { status, .. } => write!(f, "the receiver answered {status}"),
            Self::Unreachable { why } | Self::Forbidden { why } => f.write_str(why),
            Self::Gone => f.write_str("the receiver wants no more of this channel"),
            Self::Aborted => f.write_str("the receiver does not want this message"),
        }
    }
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    Done,
    Retry { after: Duration },
    GiveUp,
    DisableChannel,
}

/// A channel's schedule (channel API, section 4.3): the n-th retry waits `factor^n` seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    pub retries: u32,
    pub factor: f64,
}

/// What follows attempt number `attempt` (from 1). `jitter` is random, 0 to 1: it only ever adds (realtime, D-2).
pub fn next(policy: Policy, attempt: u32, outcome: &Outcome, jitter: f64) -> Next {
    let (asked, least) = match outcome {
        Outcome::Delivered { .. } | Outcome::Aborted => return Next::Done,
        Outcome::Gone => return Next::DisableChannel,
        // 2.5: these throttle; Svix's floor after them is 60 s, ours is the schedule's own or 5 s
        Outcome::Refused { status: 429 | 502 | 504, retry_after } => (*retry_after, 5),
        Outcome::Refused { retry_after, .. } => (*retry_after, 0),
        Outcome::Unreachable { .. } | Outcome::Forbidden { .. } => (None, 0),
    };
    if attempt > policy.retries {
        return Next::GiveUp;
    }
    let planned = policy.factor.powf(f64::from(attempt)).clamp(1.0, LONGEST.as_seconds_f64());
    let asked = asked.map_or(0.0, |it| (it as f64).min(LONGEST.as_seconds_f64())); // upward only
    let base = planned.max(asked).max(f64::from(least));
    let spread = (base / 10.0).clamp(2.0, 900.0) * jitter.clamp(0.0, 1.0);
    Next::Retry { after: Duration::seconds_f64(base + spread) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: Policy = Policy { retries: 5, factor: 2.0 };

    #[track_caller]
    fn check(policy: Policy, attempt: u32, outcome: Outcome, want: Next) {
        assert_eq!(next(policy, attempt, &outcome, 0.0), want);
    }

    fn refused(status: u16, retry_after: Option<u64>) -> Outcome {
        Outcome::Refused { status, retry_after }
    }

    fn retry(seconds: i64) -> Next {
        Next::Retry { after: Duration::seconds(seconds) }
    }

    #[test]
    fn follows_the_table() {
        check(USUAL, 1, Outcome::Delivered { status: 204 }, Next::Done);
        check(USUAL, 1, Outcome::Aborted, Next::Done);
        check(USUAL, 3, Outcome::Gone, Next::DisableChannel);
        check(USUAL, 1, refused(500, None), retry(2));
        check(USUAL, 5, refused(500, None), retry(32));
        check(USUAL, 6, refused(500, None), Next::GiveUp);
        check(USUAL, 1, refused(301, None), retry(2));
        check(USUAL, 1, Outcome::Unreachable { why: "connection refused".into() }, retry(2));
        check(Policy { retries: 0, factor: 2.0 }, 1, refused(500, None), Next::GiveUp);
    }

    #[test]
    fn a_receiver_may_ask_for_later_never_for_sooner() {
        check(USUAL, 1, refused(429, Some(120)), retry(120));
        check(USUAL, 5, refused(503, Some(1)), retry(32));
        check(USUAL, 1, refused(429, Some(0)), retry(5));
        check(USUAL, 1, refused(429, Some(u64::MAX)), Next::Retry { after: LONGEST });
    }

    #[test]
    fn twenty_retries_span_more_than_eight_days_and_jitter_only_adds() {
        let policy = Policy { retries: 20, factor: 10.0 };
        let mut span = Duration::ZERO;
        for attempt in 1..=20 {
            let Next::Retry { after } = next(policy, attempt, &refused(500, None), 0.0) else { panic!("{attempt}") };
            let Next::Retry { after: late } = next(policy, attempt, &refused(500, None), 1.0) else {
                panic!("{attempt}")
            };
            assert!(late >= after + Duration::seconds(2) && late <= after + Duration::minutes(15), "{after} {late}");
            span += after;
        }
        assert!(span > Duration::days(8), "{span}");
    }
}
