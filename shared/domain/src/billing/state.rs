//! What is known of an application's subscriptions for a product: one row, which follows what the payment provider has.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::AppId;
use crate::billing::plans::Plans;
use crate::billing::subscription::{RemoteItem, RemoteSubscription, Status, Subscription, of_product};

/// An application's subscriptions for a product, when they were last seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProductState {
    pub app: AppId,
    pub product: String,
    /// Those that are live, oldest first.
    pub subscriptions: Vec<Subscription>,
    /// Whether there ever was a trial.
    #[serde(default)]
    pub had_trial: bool,
    /// When the provider was asked, in milliseconds since 1970.
    pub seen_at: i64,
    /// Version for optimistic locking.
    pub revision: u64,
}

/// What a look at the provider is combined with.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    pub app: AppId,
    pub product: &'a str,
    pub plans: &'a Plans,
    /// All subscriptions of the customer, whatever their state and product.
    pub remote: &'a [RemoteSubscription],
    /// The subscription of which the provider has announced that its trial is about to end.
    pub ending_trial: Option<&'a str>,
    /// When the provider was asked.
    pub now: OffsetDateTime,
}

impl ProductState {
    /// The state after a look at the provider, on top of the one `before`.
    pub fn after(before: Option<&Self>, look: Look<'_>) -> Self {
        let mut seen = of_product(look.remote, look.plans, look.product);
        seen.sort_by(|one, other| (one.0.created, &one.0.id).cmp(&(other.0.created, &other.0.id)));
        let known = |id: &str| before.and_then(|it| it.subscriptions.iter().find(|known| known.id == id));
        let live = seen.iter().filter(|(subscription, _)| subscription.status.is_live());
        let kept = live.filter_map(|(subscription, item)| kept(subscription, item, known(&subscription.id), look));
        Self {
            app: look.app,
            product: look.product.to_owned(),
            subscriptions: kept.collect(),
            had_trial: before.is_some_and(|it| it.had_trial) || seen.iter().any(|it| it.0.trial_start.is_some()),
            seen_at: crate::millis(look.now),
            revision: before.map_or(0, |it| it.revision) + 1,
        }
    }

    /// Whether it says the same as another one, whenever that was seen.
    pub fn says_the_same(&self, other: &Self) -> bool {
        (&self.subscriptions, self.had_trial) == (&other.subscriptions, other.had_trial)
    }
}

/// A subscription as it is kept; what the provider does not tell is taken from what was `known` of it. At a price that no plan
/// has any more it keeps the plan that it was known by, and is not kept if it was not known.
fn kept(
    subscription: &RemoteSubscription,
    item: &RemoteItem,
    known: Option<&Subscription>,
    look: Look<'_>,
) -> Option<Subscription> {
    let of = look.plans.of_price(&item.price).map(|of| (of.plan.clone(), of.cycle));
    let (plan, cycle) = of.or_else(|| known.map(|it| (it.plan.clone(), it.cycle)))?;
    let is_trialing = subscription.status == Status::Trialing;
    let was_announced = known.is_some_and(|it| it.trial_ending && it.trial_end == subscription.trial_end);
    let since = known.and_then(|it| it.past_due_since).unwrap_or(look.now.unix_timestamp());
    Some(Subscription {
        id: subscription.id.clone(),
        status: subscription.status,
        plan,
        cycle,
        price: item.price.clone(),
        quantity: item.quantity,
        period_end: item.period_end,
        cancel_at_period_end: subscription.cancelling,
        trial_end: subscription.trial_end,
        created: subscription.created,
        past_due_since: (subscription.status == Status::PastDue).then_some(since),
        trial_ending: is_trialing && (look.ending_trial == Some(&*subscription.id) || was_announced),
        cta: subscription.cta.clone(),
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use time::Duration;
    use time::macros::datetime;

    use super::*;

    pub(crate) const NOW: OffsetDateTime = datetime!(2026-11-21 12:00 UTC);

    pub(crate) fn plans() -> Plans {
        r#"{
            "publish": {
                "free": {"limits": {"channels": 1}},
                "pro": {"month": ["pro-m", "pro-old"], "year": "pro-y", "rank": 1, "limits": {"channels": 5, "users": 10}},
                "agency": {"month": "agency-m", "year": "agency-y", "rank": 2, "defaultCycle": "year"}
            },
            "analyze": {"early": {"month": "early-m", "limits": {"channels": 7}}}
        }"#
        .parse()
        .unwrap()
    }

    pub(crate) fn app() -> AppId {
        AppId::random([7; 16])
    }

    /// A subscription at a price, in a state.
    pub(crate) fn remote(id: &str, price: &str, status: Status) -> RemoteSubscription {
        let item = RemoteItem { id: format!("item-of-{id}"), price: price.to_owned(), quantity: 1, period_end: 100 };
        RemoteSubscription {
            id: id.to_owned(),
            status,
            items: vec![item],
            cancelling: false,
            trial_start: (status == Status::Trialing).then_some(10),
            trial_end: (status == Status::Trialing).then_some(90),
            created: 10,
            ended_at: (!status.is_live()).then_some(50),
            own_card: None,
            product: None,
            cta: None,
        }
    }

    /// The state of `publish` after a look, on top of another one.
    pub(crate) fn seen(before: Option<&ProductState>, remote: &[RemoteSubscription]) -> ProductState {
        let look = Look { app: app(), product: "publish", plans: &plans(), remote, ending_trial: None, now: NOW };
        ProductState::after(before, look)
    }

    #[test]
    fn the_row_holds_what_is_live_of_its_product() {
        let mut newest = remote("b", "agency-y", Status::Active);
        (newest.created, newest.items[0].quantity) = (20, 3);
        let all = [
            newest,
            remote("a", "pro-old", Status::PastDue),
            remote("gone", "pro-m", Status::Canceled),
            remote("other", "early-m", Status::Active),
            remote("foreign", "nothing", Status::Active),
        ];
        let state = seen(None, &all);
        let shown: Vec<_> = state
            .subscriptions
            .iter()
            .map(|it| (it.id.as_str(), it.plan.as_str(), it.cycle.name(), it.quantity))
            .collect();
        assert_eq!(shown, [("a", "pro", "month", 1), ("b", "agency", "year", 3)]);
        assert_eq!((state.had_trial, state.revision, state.product.as_str()), (false, 1, "publish"));
        assert_eq!(all.iter().filter(|it| it.unknown_item(&plans()).is_some()).count(), 1);
    }

    #[test]
    fn a_price_that_is_taken_from_the_plans_ends_no_subscription() {
        let first = seen(None, &[remote("a", "pro-m", Status::Active)]);
        let mut dropped = remote("a", "dropped", Status::PastDue);
        dropped.product = Some("publish".to_owned());
        let second = seen(Some(&first), std::slice::from_ref(&dropped));
        let kept = &second.subscriptions[0];
        assert_eq!((kept.plan.as_str(), kept.cycle.name(), kept.price.as_str()), ("pro", "month", "dropped"));
        assert_eq!(kept.status, Status::PastDue);
        assert_eq!(seen(None, std::slice::from_ref(&dropped)).subscriptions, [], "it is not known what it gives");
        dropped.product = Some("analyze".to_owned());
        assert_eq!(seen(None, &[dropped]).subscriptions, []);
    }

    #[test]
    fn a_trial_is_remembered_when_it_has_gone() {
        let first = seen(None, &[remote("a", "pro-m", Status::Trialing)]);
        assert!(first.had_trial);
        let second = seen(Some(&first), &[]);
        assert_eq!((second.had_trial, second.subscriptions.len(), second.revision), (true, 0, 2));
        let mut ended = remote("a", "pro-m", Status::Canceled);
        ended.trial_start = Some(10);
        assert!(seen(None, &[ended]).had_trial, "also one that was never seen before");
        assert!(!second.says_the_same(&first) && seen(Some(&second), &[]).says_the_same(&second));
    }

    #[test]
    fn a_payment_is_due_since_it_was_first_seen() {
        let first = seen(None, &[remote("a", "pro-m", Status::PastDue)]);
        let since = first.subscriptions[0].past_due_since;
        assert_eq!(since, Some(NOW.unix_timestamp()));
        let remote_now = [remote("a", "pro-m", Status::PastDue)];
        let later = Look {
            app: app(),
            product: "publish",
            plans: &plans(),
            remote: &remote_now,
            ending_trial: None,
            now: NOW + Duration::DAY,
        };
        assert_eq!(ProductState::after(Some(&first), later).subscriptions[0].past_due_since, since);
        let paid = seen(Some(&first), &[remote("a", "pro-m", Status::Active)]);
        assert_eq!(paid.subscriptions[0].past_due_since, None);
    }

    #[test]
    fn the_end_of_a_trial_is_announced_for_this_trial() {
        let remote_now =
            ["a", "b", "c"].map(|id| remote(id, "pro-m", if id == "b" { Status::Active } else { Status::Trialing }));
        let after = |ending: &str| {
            let (plans, ending_trial) = (plans(), Some(ending));
            let look =
                Look { app: app(), product: "publish", plans: &plans, remote: &remote_now, ending_trial, now: NOW };
            ProductState::after(None, look)
        };
        let told = |it: &ProductState| it.subscriptions.iter().map(|it| it.trial_ending).collect::<Vec<_>>();
        let announced = after("a");
        assert_eq!(told(&announced), [true, false, false], "another trial goes on");
        assert_eq!(told(&after("b")), [false, false, false], "it is no trial");
        assert_eq!(told(&seen(Some(&announced), &remote_now)), [true, false, false]);
        let mut longer = remote_now.clone();
        longer[0].trial_end = Some(900);
        assert_eq!(told(&seen(Some(&announced), &longer)), [false, false, false]);
    }
}
