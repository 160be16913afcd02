//! What an application may do: the limits of the plans that its subscriptions give.

use time::OffsetDateTime;

use crate::billing::limits::Limits;
use crate::billing::plans::Plans;
use crate::billing::state::ProductState;

/// The limits of an application. `states` are its rows, of any products; a product without a row has no subscription.
///
/// Each product gives the limits of its entitled subscriptions, or else of its plan without prices; of several the
/// greater ones hold. A plan that the configuration does not have any more limits nothing: its customer paid for it.
pub fn limits(plans: &Plans, states: &[ProductState], now: OffsetDateTime) -> Limits {
    let mut all = Limits::default();
    for product in plans.products() {
        let subscriptions = states.iter().filter(|it| it.product == product).flat_map(|it| &it.subscriptions);
        let entitled: Vec<&str> = subscriptions.filter(|it| it.is_entitled(now)).map(|it| it.plan.as_str()).collect();
        let given = entitled.iter().filter_map(|plan| plans.plan(product, plan)).map(|plan| plan.limits);
        all = match entitled.is_empty() {
            true => plans.free_plan(product).map_or(all, |plan| all.or_greater(plan.limits)),
            false => given.fold(all, Limits::or_greater),
        };
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::billing::state::tests::{NOW, app, plans, remote, seen};
    use crate::billing::state::{Look, ProductState};
    use crate::billing::subscription::{GRACE, Status};

    fn analyze(status: Status) -> ProductState {
        let remote = [remote("e", "early-m", status)];
        let look =
            Look { app: app(), product: "analyze", plans: &plans(), remote: &remote, ending_trial: None, now: NOW };
        ProductState::after(None, look)
    }

    #[test]
    fn a_subscription_gives_its_plan_and_nothing_gives_the_free_one() {
        let publish = |price: &str, status: Status| seen(None, &[remote("a", price, status)]);
        for (states, channels, users) in [
            (vec![], Some(1), None),
            (vec![publish("pro-m", Status::Active)], Some(5), Some(10)),
            (vec![publish("pro-m", Status::Trialing)], Some(5), Some(10)),
            (vec![publish("pro-m", Status::PastDue)], Some(5), Some(10)),
            (vec![publish("pro-m", Status::Unpaid)], Some(1), None),
            (vec![publish("pro-m", Status::Incomplete)], Some(1), None),
            (vec![publish("agency-y", Status::Active)], None, None),
            (vec![publish("pro-m", Status::Active), analyze(Status::Active)], Some(7), Some(10)),
            (vec![analyze(Status::Active)], Some(7), None),
            (vec![analyze(Status::Canceled)], Some(1), None),
        ] {
            let found = limits(&plans(), &states, NOW);
            assert_eq!((found.channels, found.users), (channels, users), "{states:?}");
        }
        let due = [publish("pro-m", Status::PastDue)];
        assert_eq!(limits(&plans(), &due, NOW + GRACE).channels, Some(1), "the grace is over");
    }

    #[test]
    fn a_plan_that_is_sold_no_more_limits_nothing() {
        let mut old = seen(None, &[remote("a", "pro-m", Status::Active)]);
        old.subscriptions[0].plan = "awesome".to_owned();
        assert_eq!(limits(&plans(), &[old], NOW), Limits::default());
        assert_eq!(limits(&Plans::default(), &[], NOW), Limits::default());
    }
}
