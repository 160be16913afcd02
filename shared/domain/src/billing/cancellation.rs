//! What a request has to cancel at the payment provider, compared with what is there now: a request that is repeated, or is
//! killed between two steps, goes on with what is left.

use crate::billing::plans::Plans;
use crate::billing::state::ProductState;
use crate::billing::subscription::{RemoteSubscription, Status, of_product};

/// What is cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Every live subscription of the product, trials too.
    All,
    Trials,
}

/// A subscription to cancel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CancelStep {
    /// When its period, or its trial, ends.
    AtPeriodEnd(String),
    Now(String),
}

/// How much earlier than a request began the provider's clock may say that the request ended a subscription, in seconds.
const CLOCK_SKEW: i64 = 60;

/// The steps of a cancellation (billing, section 3.6), none for what is cancelled already. `None` if there is nothing to
/// cancel, and no sign that an earlier try of the request has ended it, which began at `began`, in seconds since 1970: a
/// subscription that has ended since, or one that was told of and is gone.
pub fn cancel(
    plans: &Plans,
    product: &str,
    scope: Scope,
    at_period_end: bool,
    remote: &[RemoteSubscription],
    (state, began): (Option<&ProductState>, Option<i64>),
) -> Option<Vec<CancelStep>> {
    let is_in_scope = |status: Status| match scope {
        Scope::All => status.is_live(),
        Scope::Trials => status == Status::Trialing,
    };
    let of: Vec<&RemoteSubscription> = of_product(remote, plans, product).into_iter().map(|it| it.0).collect();
    let there: Vec<&RemoteSubscription> = of.iter().copied().filter(|it| is_in_scope(it.status)).collect();
    let was_there = || state.is_some_and(|it| it.subscriptions.iter().any(|known| is_in_scope(known.status)));
    let has_ended =
        || began.is_some_and(|at| of.iter().any(|it| it.ended_at.is_some_and(|end| end >= at - CLOCK_SKEW)));
    if there.is_empty() && !was_there() && !has_ended() {
        return None;
    }
    let step = |subscription: &RemoteSubscription| {
        let id = subscription.id.clone();
        match subscription.status {
            // these have no period that would end
            Status::Incomplete | Status::Paused => Some(CancelStep::Now(id)),
            _ if !at_period_end => Some(CancelStep::Now(id)),
            _ if subscription.cancelling => None,
            _ => Some(CancelStep::AtPeriodEnd(id)),
        }
    };
    Some(there.into_iter().filter_map(step).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::billing::state::tests::{plans, remote, seen};

    #[test]
    fn a_cancellation_ends_all_that_is_live_and_is_done_one_time() {
        let steps = |there: &[RemoteSubscription], at_period_end: bool| {
            cancel(&plans(), "publish", Scope::All, at_period_end, there, (None, None))
        };
        let (at_end, now) =
            (|id: &str| CancelStep::AtPeriodEnd(id.to_owned()), |id: &str| CancelStep::Now(id.to_owned()));
        let mut all = vec![
            remote("a", "pro-m", Status::Active),
            remote("b", "pro-m", Status::Trialing),
            remote("c", "pro-m", Status::Incomplete),
            remote("d", "pro-m", Status::Paused),
            remote("e", "pro-m", Status::Canceled),
            remote("f", "early-m", Status::Active),
        ];
        assert_eq!(steps(&all, true), Some(vec![at_end("a"), at_end("b"), now("c"), now("d")]));
        assert_eq!(steps(&all, false), Some(vec![now("a"), now("b"), now("c"), now("d")]));
        all.truncate(1);
        all[0].cancelling = true;
        assert_eq!(steps(&all, true), Some(vec![]), "it is cancelled already");
        assert_eq!(steps(&all, false), Some(vec![now("a")]));
        assert_eq!(steps(&[], true), None);
        assert_eq!(steps(&[remote("e", "pro-m", Status::Canceled)], false), None);
    }

    #[test]
    fn a_repeated_cancellation_finds_that_it_was_done() {
        let there = [remote("a", "pro-m", Status::Active)];
        let gone = [remote("a", "pro-m", Status::Canceled)];
        let (told, nothing) = (seen(None, &there), seen(None, &gone));
        // it ended at 50
        for (state, began, want) in [
            (Some(&told), None, true),
            (Some(&nothing), None, false),
            (None, None, false),
            (Some(&nothing), Some(50), true),
            (Some(&nothing), Some(50 + CLOCK_SKEW), true),
            (Some(&nothing), Some(51 + CLOCK_SKEW), false),
        ] {
            let steps = cancel(&plans(), "publish", Scope::All, false, &gone, (state, began));
            assert_eq!(steps, want.then(Vec::new), "{state:?} {began:?}");
        }
        let of_another = [remote("f", "early-m", Status::Canceled)];
        for there in [&[][..], &of_another] {
            let steps = cancel(&plans(), "publish", Scope::All, false, there, (Some(&nothing), Some(50)));
            assert_eq!(steps, None, "nothing was there before either: {there:?}");
        }
    }

    #[test]
    fn only_trials_are_cancelled_as_trials() {
        let all = [remote("a", "pro-m", Status::Active), remote("b", "pro-m", Status::Trialing)];
        let steps = |there: &[RemoteSubscription]| {
            cancel(&plans(), "publish", Scope::Trials, true, there, (Some(&seen(None, &all[..1])), None))
        };
        assert_eq!(steps(&all), Some(vec![CancelStep::AtPeriodEnd("b".to_owned())]));
        assert_eq!(steps(&all[..1]), None);
    }
}
