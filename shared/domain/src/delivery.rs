//! The outcome of a delivery attempt, and the retry decision that follows from it.

use serde::{Deserialize, Serialize};
use time::Duration;

/// Maximum delay between two attempts, also when the receiver asks for a longer one with `Retry-After`.
pub const MAX_DELAY: Duration = Duration::DAY;

/// Delays of the standard schedule in seconds: ten attempts over more than three days (realtime, section 2.7).
pub const STANDARD_DELAYS: [i64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];

/// The outcome of one attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum DeliveryOutcome {
    Delivered {
        status: u16,
    },
    /// A broker confirmed the message, or a hub completed the invocation.
    Confirmed,
    /// A response that is not a success. `retry_after` is in seconds, if the receiver sent it.
    Refused {
        status: u16,
        retry_after: Option<u64>,
    },
    /// A broker returned or rejected the message, or a hub answered with an error.
    Rejected {
        why: String,
    },
    /// No complete response: DNS, connection, TLS or timeout.
    Unreachable {
        why: String,
    },
    /// The address is not allowed ([`crate::ssrf`]). A host name may resolve to another address later, so it is
    /// retried.
    Forbidden {
        why: String,
    },
    /// Status 410, or the header `webhook-delivery: disable`: the channel is disabled.
    Gone,
    /// The header `webhook-delivery: abort-message`: this message is not sent again.
    Aborted,
    /// A newer notification with the same collapse key was published: this one is not retried.
    Superseded,
    /// Its publisher does not want it to be delivered any more (`expiresAt`).
    Expired,
}

impl DeliveryOutcome {
    /// Whether the receiver has the message.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Delivered { .. } | Self::Confirmed)
    }

    /// Whether the circuit breaker counts it as a failure.
    pub fn counts_as_failure(&self) -> bool {
        !self.is_success() && !matches!(self, Self::Aborted | Self::Superseded | Self::Expired)
    }
}

impl std::fmt::Display for DeliveryOutcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Delivered { status } => write!(f, "delivered ({status})"),
            Self::Confirmed => f.write_str("delivered (confirmed)"),
            Self::Refused { status, .. } => write!(f, "the receiver answered {status}"),
            Self::Unreachable { why } | Self::Forbidden { why } | Self::Rejected { why } => f.write_str(why),
            Self::Gone => f.write_str("the receiver wants no more of this channel"),
            Self::Aborted => f.write_str("the receiver does not want this message"),
            Self::Superseded => f.write_str("a newer notification has taken its place"),
            Self::Expired => f.write_str("it has expired"),
        }
    }
}

/// What to do after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryDecision {
    Done,
    Retry { after: Duration },
    GiveUp,
    DisableChannel,
}

/// A channel's retry schedule.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "schedule", rename_all = "snake_case")]
pub enum RetrySchedule {
    /// The n-th retry waits `factor^n` seconds (channel API, section 4.3). 0 to 20 retries, factor 1.0 to 10.0.
    Exponential { retries: u32, factor: f64 },
    /// The delays of [`STANDARD_DELAYS`].
    Standard,
}

impl Default for RetrySchedule {
    fn default() -> Self {
        Self::Exponential { retries: 5, factor: 2.0 }
    }
}

impl RetrySchedule {
    /// The number of retries after the first attempt.
    pub fn retries(self) -> u32 {
        match self {
            Self::Exponential { retries, .. } => retries,
            Self::Standard => STANDARD_DELAYS.len() as u32,
        }
    }

    /// Delay before the n-th retry in seconds, without jitter; `None` if there is no such retry.
    pub fn delay(self, retry: u32) -> Option<f64> {
        match self {
            Self::Exponential { retries, factor } if retry <= retries => {
                Some(factor.powf(f64::from(retry)).clamp(1.0, MAX_DELAY.as_seconds_f64()))
            }
            Self::Standard => STANDARD_DELAYS.get(retry.saturating_sub(1) as usize).map(|it| *it as f64),
            Self::Exponential { .. } => None,
        }
    }
}

/// Decides what follows attempt number `attempt` (from 1). `jitter` is a random number, 0 to 1; it only lengthens the
/// delay (realtime, D-2).
pub fn decide_retry(schedule: RetrySchedule, attempt: u32, outcome: &DeliveryOutcome, jitter: f64) -> RetryDecision {
    let (requested, floor) = match outcome {
        DeliveryOutcome::Delivered { .. }
        | DeliveryOutcome::Confirmed
        | DeliveryOutcome::Aborted
        | DeliveryOutcome::Superseded
        | DeliveryOutcome::Expired => return RetryDecision::Done,
        DeliveryOutcome::Gone => return RetryDecision::DisableChannel,
        // These statuses mean throttling (realtime, section 2.5). Svix waits at least 60 s after them; here it is the
        // schedule's delay, at least 5 s.
        DeliveryOutcome::Refused { status: 429 | 502 | 504, retry_after } => (*retry_after, 5),
        DeliveryOutcome::Refused { retry_after, .. } => (*retry_after, 0),
        DeliveryOutcome::Unreachable { .. } | DeliveryOutcome::Forbidden { .. } | DeliveryOutcome::Rejected { .. } => {
            (None, 0)
        }
    };
    let Some(planned) = schedule.delay(attempt) else { return RetryDecision::GiveUp };
    let requested = requested.map_or(0.0, |it| (it as f64).min(MAX_DELAY.as_seconds_f64())); // upward only
    let base = planned.max(requested).max(f64::from(floor));
    let jitter_seconds = (base / 10.0).clamp(2.0, 900.0) * jitter.clamp(0.0, 1.0);
    RetryDecision::Retry { after: Duration::seconds_f64(base + jitter_seconds) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: RetrySchedule = RetrySchedule::Exponential { retries: 5, factor: 2.0 };

    #[track_caller]
    fn check(schedule: RetrySchedule, attempt: u32, outcome: DeliveryOutcome, want: RetryDecision) {
        assert_eq!(decide_retry(schedule, attempt, &outcome, 0.0), want);
    }

    fn refused(status: u16, retry_after: Option<u64>) -> DeliveryOutcome {
        DeliveryOutcome::Refused { status, retry_after }
    }

    fn retry(seconds: i64) -> RetryDecision {
        RetryDecision::Retry { after: Duration::seconds(seconds) }
    }

    #[test]
    fn follows_the_table() {
        check(USUAL, 1, DeliveryOutcome::Delivered { status: 204 }, RetryDecision::Done);
        check(USUAL, 1, DeliveryOutcome::Confirmed, RetryDecision::Done);
        check(USUAL, 1, DeliveryOutcome::Aborted, RetryDecision::Done);
        check(USUAL, 1, DeliveryOutcome::Expired, RetryDecision::Done);
        check(USUAL, 3, DeliveryOutcome::Gone, RetryDecision::DisableChannel);
        check(USUAL, 1, refused(500, None), retry(2));
        check(USUAL, 5, refused(500, None), retry(32));
        check(USUAL, 6, refused(500, None), RetryDecision::GiveUp);
        check(USUAL, 1, refused(301, None), retry(2));
        check(USUAL, 1, DeliveryOutcome::Unreachable { why: "connection refused".into() }, retry(2));
        check(USUAL, 1, DeliveryOutcome::Rejected { why: "312 NO_ROUTE".into() }, retry(2));
        check(RetrySchedule::Exponential { retries: 0, factor: 2.0 }, 1, refused(500, None), RetryDecision::GiveUp);
    }

    /// The published table (realtime, section 2.7), in virtual time.
    #[test]
    fn the_standard_schedule_makes_ten_attempts_over_three_days() {
        let (mut attempt, mut at, mut times) = (1, 0, vec![0]);
        while let RetryDecision::Retry { after } =
            decide_retry(RetrySchedule::Standard, attempt, &refused(500, None), 0.0)
        {
            (attempt, at) = (attempt + 1, at + after.whole_seconds());
            times.push(at);
        }
        assert_eq!(times, [0, 5, 305, 2_105, 9_305, 27_305, 63_305, 113_705, 185_705, 272_105]);
        assert_eq!(decide_retry(RetrySchedule::Standard, 10, &refused(500, None), 1.0), RetryDecision::GiveUp);
    }

    #[test]
    fn a_receiver_may_ask_for_later_never_for_sooner() {
        check(USUAL, 1, refused(429, Some(120)), retry(120));
        check(USUAL, 5, refused(503, Some(1)), retry(32));
        check(USUAL, 1, refused(429, Some(0)), retry(5));
        check(USUAL, 1, refused(429, Some(u64::MAX)), RetryDecision::Retry { after: MAX_DELAY });
    }

    #[test]
    fn twenty_retries_span_more_than_eight_days_and_jitter_only_adds() {
        let schedule = RetrySchedule::Exponential { retries: 20, factor: 10.0 };
        let mut span = Duration::ZERO;
        for attempt in 1..=20 {
            let RetryDecision::Retry { after } = decide_retry(schedule, attempt, &refused(500, None), 0.0) else {
                panic!("{attempt}")
            };
            let RetryDecision::Retry { after: late } = decide_retry(schedule, attempt, &refused(500, None), 1.0) else {
                panic!("{attempt}")
            };
            assert!(late >= after + Duration::seconds(2) && late <= after + Duration::minutes(15), "{after} {late}");
            span += after;
        }
        assert!(span > Duration::days(8), "{span}");
    }
}
