//! What an answer of a `notifyURL` means for its subscription: pure decisions.

use domain::delivery::DeliveryOutcome;
use time::Duration;

/// The delay of the first retry. It doubles with each attempt.
const FIRST_RETRY: Duration = Duration::seconds(5);
/// The longest delay of a retry: the longest of an SQS message.
const LAST_RETRY: Duration = Duration::minutes(15);

/// What is done after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// The list has arrived: the next one follows.
    Advance,
    /// Nobody is there any more: the subscription ends.
    EndSubscription,
    /// The same list again.
    Retry { after: Duration },
}

/// What follows the `attempt`-th attempt. A 404 is permanent, a 503 is temporary (NMS 6.19); a subscription lives a day at
/// most, and so everything but "not there" is tried again until it ends. `spread`, below 1, lengthens a delay, so that retries
/// of posts that failed together come apart.
pub(crate) fn next(outcome: &DeliveryOutcome, attempt: u32, spread: f64) -> Next {
    let retry_after = match outcome {
        DeliveryOutcome::Delivered { .. } | DeliveryOutcome::Aborted => return Next::Advance,
        DeliveryOutcome::Gone | DeliveryOutcome::Refused { status: 404, .. } => return Next::EndSubscription,
        DeliveryOutcome::Refused { retry_after, .. } => {
            retry_after.map(|it| Duration::seconds(i64::try_from(it).unwrap_or(i64::MAX)))
        }
        _ => None,
    };
    let doubled = FIRST_RETRY * (1_i32 << attempt.saturating_sub(1).min(8));
    let after = retry_after.unwrap_or(doubled * (1.0 + spread));
    Next::Retry { after: after.clamp(FIRST_RETRY, LAST_RETRY) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_an_attempt() {
        let refused = |status, retry_after| DeliveryOutcome::Refused { status, retry_after };
        let retry = |seconds| Next::Retry { after: Duration::seconds(seconds) };
        for (outcome, attempt, want) in [
            (DeliveryOutcome::Delivered { status: 204 }, 1, Next::Advance),
            (DeliveryOutcome::Aborted, 1, Next::Advance),
            (DeliveryOutcome::Gone, 3, Next::EndSubscription),
            (refused(404, None), 1, Next::EndSubscription),
            (refused(404, Some(9)), 1, Next::EndSubscription),
            (refused(503, None), 1, retry(5)),
            (refused(503, None), 3, retry(20)),
            (refused(503, Some(60)), 1, retry(60)),
            (refused(503, Some(0)), 1, retry(5)),
            (refused(503, Some(u64::MAX)), 1, retry(900)),
            (refused(403, None), 2, retry(10)),
            (DeliveryOutcome::Unreachable { why: "no connection".into() }, 40, retry(900)),
            (DeliveryOutcome::Forbidden { why: "private".into() }, 1, retry(5)),
        ] {
            assert_eq!(next(&outcome, attempt, 0.0), want, "{outcome:?} {attempt}");
        }
        assert_eq!(next(&refused(500, None), 2, 0.5), retry(15));
    }
}
