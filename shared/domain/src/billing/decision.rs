//! What a request has to change at the payment provider. Each function compares what is wanted with what is there now, so
//! that a request that is repeated, or is killed between two steps, goes on with what is left.

use crate::billing::plans::{Cycle, Plans};
use crate::billing::state::ProductState;
use crate::billing::subscription::{RemoteItem, RemoteSubscription, Status, of_product};

/// What a request wants a product's subscription to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub product: String,
    pub plan: String,
    pub cycle: Cycle,
    pub price: String,
    pub quantity: u32,
}

impl Wanted {
    /// What is wanted. Without a `cycle` a live subscription keeps its own, and a new one gets the plan's default
    /// (billing, section 3.4). `None` if the plan is not sold in that cycle.
    pub fn new(
        plans: &Plans,
        (product, plan): (&str, &str),
        cycle: Option<Cycle>,
        quantity: u32,
        remote: &[RemoteSubscription],
    ) -> Option<Self> {
        let of = plans.plan(product, plan)?;
        let current = current(remote, plans, product).and_then(|(_, item)| plans.of_price(&item.price));
        // a plan that is not sold in the current cycle can only be changed to in its own
        let kept = current.map(|it| it.cycle).filter(|cycle| of.price(*cycle).is_some());
        let cycle = cycle.or(kept).unwrap_or(of.default_cycle());
        let price = of.price(cycle)?.to_owned();
        Some(Self { product: product.to_owned(), plan: plan.to_owned(), cycle, price, quantity })
    }
}

/// How the difference is charged when a subscription changes (Stripe API, `proration_behavior`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proration {
    /// At once: for upgrades.
    AlwaysInvoice,
    /// With the next invoice: for downgrades.
    CreateProrations,
}

impl Proration {
    /// The provider's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::AlwaysInvoice => "always_invoice",
            Self::CreateProrations => "create_prorations",
        }
    }
}

/// The next step towards a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubscribeStep {
    /// It is as it is wanted.
    Done,
    Create,
    /// Wait for the customer, who has to complete the first payment of what is wanted.
    AwaitPayment {
        id: String,
    },
    /// Cancel a subscription whose first payment is not made: of such a one nothing else can be changed.
    Discard {
        id: String,
    },
    /// Resume a subscription whose trial has ended without a card.
    Resume {
        id: String,
    },
    Update {
        id: String,
        item: String,
        proration: Proration,
        /// Whether its trial ends now.
        end_trial: bool,
        /// Whether its quantity becomes smaller.
        lowers_quantity: bool,
    },
}

/// The next step of a start or an update (billing, section 3.4). If its first payment is left to the customer
/// (`paid_by_customer`), a subscription that waits for it is the wanted one: the customer may be about to pay.
pub fn subscribe(
    plans: &Plans,
    wanted: &Wanted,
    remote: &[RemoteSubscription],
    paid_by_customer: bool,
) -> SubscribeStep {
    let Some((subscription, item)) = current(remote, plans, &wanted.product) else { return SubscribeStep::Create };
    let id = subscription.id.clone();
    let is_same = item.price == wanted.price && item.quantity == wanted.quantity;
    match subscription.status {
        Status::Incomplete if is_same && paid_by_customer => return SubscribeStep::AwaitPayment { id },
        Status::Incomplete => return SubscribeStep::Discard { id },
        Status::Paused => return SubscribeStep::Resume { id },
        _ => {}
    }
    let is_trialing = subscription.status == Status::Trialing;
    if is_same && !is_trialing && !subscription.cancelling {
        return SubscribeStep::Done;
    }
    SubscribeStep::Update {
        id,
        item: item.id.clone(),
        proration: proration(plans, wanted, item),
        end_trial: is_trialing,
        lowers_quantity: wanted.quantity < item.quantity,
    }
}

/// The next step towards a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrialStep {
    Done,
    Create,
    /// There is a subscription for the product.
    Subscribed,
    /// There was a trial of the product before.
    SecondTrial,
}

/// The next step of the start of a trial (billing, section 3.5). A trial that is wanted so and that nobody was told of, or
/// that an earlier try of the same request (`is_retry`) has made, is the wanted one.
pub fn start_trial(
    plans: &Plans,
    wanted: &Wanted,
    remote: &[RemoteSubscription],
    state: Option<&ProductState>,
    is_retry: bool,
) -> TrialStep {
    let of = of_product(remote, plans, &wanted.product);
    let is_told = |id: &str| state.is_some_and(|it| it.subscriptions.iter().any(|known| known.id == id));
    let is_wanted = |(subscription, item): &(&RemoteSubscription, &RemoteItem)| {
        subscription.status == Status::Trialing
            && (&item.price, item.quantity) == (&wanted.price, wanted.quantity)
            && (is_retry || !is_told(&subscription.id))
    };
    if of.iter().any(is_wanted) {
        return TrialStep::Done;
    }
    if state.is_some_and(|it| it.had_trial) || of.iter().any(|it| it.0.trial_start.is_some()) {
        return TrialStep::SecondTrial;
    }
    match of.iter().any(|it| it.0.status.is_live()) {
        true => TrialStep::Subscribed,
        false => TrialStep::Create,
    }
}

/// The subscription of a product that a request is about: the live one that gives most, and of several the newest.
fn current<'a>(
    remote: &'a [RemoteSubscription],
    plans: &Plans,
    product: &str,
) -> Option<(&'a RemoteSubscription, &'a RemoteItem)> {
    let worth = |status: Status| match status {
        Status::Active => 6,
        Status::Trialing => 5,
        Status::PastDue => 4,
        Status::Unpaid => 3,
        Status::Paused => 2,
        Status::Incomplete => 1,
        Status::IncompleteExpired | Status::Canceled | Status::Other => 0,
    };
    let live = of_product(remote, plans, product).into_iter().filter(|it| it.0.status.is_live());
    live.max_by_key(|(subscription, _)| (worth(subscription.status), subscription.created, &subscription.id))
}

/// An upgrade is a higher rank, or else the year instead of the month, or else a larger quantity.
fn proration(plans: &Plans, wanted: &Wanted, item: &RemoteItem) -> Proration {
    let rank = |plan: &str| plans.plan(&wanted.product, plan).map_or(0, |it| it.rank);
    let after = (rank(&wanted.plan), wanted.cycle, wanted.quantity);
    let before = plans.of_price(&item.price).map(|it| (rank(&it.plan), it.cycle, item.quantity));
    if before.is_some_and(|before| after > before) { Proration::AlwaysInvoice } else { Proration::CreateProrations }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::billing::state::tests::{plans, remote, seen};

    fn wanted(plan: &str, cycle: Option<Cycle>, quantity: u32, there: &[RemoteSubscription]) -> Wanted {
        Wanted::new(&plans(), ("publish", plan), cycle, quantity, there).unwrap()
    }

    #[test]
    fn without_a_cycle_the_current_one_stays() {
        use Cycle::{Month, Year};
        let there = |price: &str| vec![remote("a", price, Status::Active)];
        for (plan, cycle, remote, want) in [
            ("pro", None, vec![], Month),
            ("agency", None, vec![], Year),
            ("agency", Some(Month), vec![], Month),
            ("agency", None, there("pro-m"), Month),
            ("agency", None, there("pro-old"), Month),
            ("pro", None, there("agency-y"), Year),
            ("pro", Some(Month), there("agency-y"), Month),
            ("pro", None, there("early-m"), Month),
        ] {
            assert_eq!(wanted(plan, cycle, 1, &remote).cycle, want, "{plan} {cycle:?}");
        }
        assert_eq!(wanted("pro", Some(Year), 1, &[]).price, "pro-y");
        let early = |cycle| Wanted::new(&plans(), ("analyze", "early"), cycle, 1, &[]);
        assert!(early(Some(Year)).is_none() && early(None).is_some(), "it is not sold by the year");
        assert_eq!(Wanted::new(&plans(), ("publish", "free"), None, 1, &[]), None, "it is not sold");
    }

    #[test]
    fn a_payment_that_its_customer_may_be_about_to_make_is_waited_for() {
        let there = |status: Status| [remote("a", "pro-m", status)];
        let (waits, discards) =
            (SubscribeStep::AwaitPayment { id: "a".to_owned() }, SubscribeStep::Discard { id: "a".to_owned() });
        for (status, plan, quantity, by_customer, want) in [
            (Status::Incomplete, "pro", 1, true, waits),
            (Status::Incomplete, "pro", 1, false, discards.clone()),
            (Status::Incomplete, "pro", 2, true, discards.clone()),
            (Status::Incomplete, "agency", 1, true, discards),
            (Status::Active, "pro", 1, true, SubscribeStep::Done),
            (Status::IncompleteExpired, "pro", 1, true, SubscribeStep::Create),
        ] {
            let (there, wanted) = (there(status), wanted(plan, None, quantity, &there(status)));
            assert_eq!(subscribe(&plans(), &wanted, &there, by_customer), want, "{status:?} {plan} {quantity}");
        }
    }

    #[track_caller]
    fn check_subscribe(there: &[RemoteSubscription], plan: &str, quantity: u32, want: SubscribeStep) {
        assert_eq!(subscribe(&plans(), &wanted(plan, None, quantity, there), there, false), want);
    }

    fn update(id: &str, proration: Proration) -> SubscribeStep {
        SubscribeStep::Update {
            id: id.to_owned(),
            item: format!("item-of-{id}"),
            proration,
            end_trial: false,
            lowers_quantity: false,
        }
    }

    #[test]
    fn a_start_creates_what_is_not_there_and_changes_what_is() {
        use Proration::{AlwaysInvoice, CreateProrations};
        let one = |price: &str, status: Status| [remote("a", price, status)];
        let id = || "a".to_owned();
        check_subscribe(&[], "pro", 1, SubscribeStep::Create);
        for status in [Status::Canceled, Status::IncompleteExpired, Status::Other] {
            check_subscribe(&one("pro-m", status), "pro", 1, SubscribeStep::Create);
        }
        check_subscribe(&one("early-m", Status::Active), "pro", 1, SubscribeStep::Create);
        for status in [Status::Active, Status::PastDue, Status::Unpaid] {
            check_subscribe(&one("pro-m", status), "pro", 1, SubscribeStep::Done);
        }
        check_subscribe(&one("pro-m", Status::Incomplete), "pro", 1, SubscribeStep::Discard { id: id() });
        check_subscribe(&one("pro-m", Status::Paused), "pro", 1, SubscribeStep::Resume { id: id() });
        check_subscribe(&one("pro-m", Status::Active), "agency", 1, update("a", AlwaysInvoice));
        check_subscribe(&one("agency-m", Status::Active), "pro", 1, update("a", CreateProrations));
        check_subscribe(&one("pro-m", Status::Active), "pro", 2, update("a", AlwaysInvoice));
        let trial = SubscribeStep::Update {
            id: id(),
            item: "item-of-a".to_owned(),
            proration: CreateProrations,
            end_trial: true,
            lowers_quantity: false,
        };
        check_subscribe(&one("pro-m", Status::Trialing), "pro", 1, trial);
        let mut many = one("pro-m", Status::Active);
        many[0].items[0].quantity = 5;
        let lowered = SubscribeStep::Update {
            id: id(),
            item: "item-of-a".to_owned(),
            proration: CreateProrations,
            end_trial: false,
            lowers_quantity: true,
        };
        check_subscribe(&many, "pro", 1, lowered);
        let mut cancelling = one("pro-m", Status::Active);
        cancelling[0].cancelling = true;
        check_subscribe(&cancelling, "pro", 1, update("a", CreateProrations));
        // an earlier price becomes the one that is sold
        check_subscribe(&one("pro-old", Status::Active), "pro", 1, update("a", CreateProrations));
        let mut dropped = one("dropped", Status::Active);
        dropped[0].product = Some("publish".to_owned());
        check_subscribe(&dropped, "pro", 1, update("a", CreateProrations));
    }

    #[test]
    fn of_several_the_one_that_gives_most_is_changed() {
        let mut newest = remote("c", "pro-m", Status::Active);
        newest.created = 30;
        let all = [
            remote("a", "agency-m", Status::Trialing),
            remote("b", "pro-m", Status::Active),
            newest,
            remote("d", "pro-m", Status::Incomplete),
        ];
        check_subscribe(&all, "agency", 1, update("c", Proration::AlwaysInvoice));
    }

    #[track_caller]
    fn check_trial(there: &[RemoteSubscription], state: Option<&ProductState>, is_retry: bool, want: TrialStep) {
        assert_eq!(start_trial(&plans(), &wanted("pro", None, 1, &[]), there, state, is_retry), want);
    }

    #[test]
    fn there_is_one_trial_of_a_product() {
        let trial = [remote("a", "pro-m", Status::Trialing)];
        check_trial(&[], None, false, TrialStep::Create);
        check_trial(&[remote("a", "early-m", Status::Trialing)], None, false, TrialStep::Create);
        check_trial(&trial, None, false, TrialStep::Done);
        check_trial(&trial, Some(&seen(None, &trial)), false, TrialStep::SecondTrial);
        check_trial(&trial, Some(&seen(None, &trial)), true, TrialStep::Done);
        check_trial(&[remote("a", "agency-y", Status::Trialing)], None, true, TrialStep::SecondTrial);
        let mut ended = trial.clone();
        ended[0].status = Status::Canceled;
        check_trial(&ended, None, false, TrialStep::SecondTrial);
        check_trial(&[], Some(&seen(None, &trial)), false, TrialStep::SecondTrial);
        check_trial(&[remote("a", "pro-m", Status::Active)], None, false, TrialStep::Subscribed);
        check_trial(&[remote("a", "pro-m", Status::Canceled)], None, false, TrialStep::Create);
    }
}
