//! `GET /1/billing/retrieve-billing-data.json` (billing, section 1.3).

use axum::response::Response;
use domain::billing::subscription::{Status, Subscription};

use crate::answer::{Fault, data};
use crate::asked::Asked;
use crate::dto::{BillingData, BillingDataOut, Error, SubscriptionOut};

/// The subscriptions that the application has of a product. Not those that have ended.
#[utoipa::path(get, path = "/1/billing/retrieve-billing-data.json", tag = "Billing", security(("keys" = [])),
    params(("product" = String, Query), ("organization_id" = Option<String>, Query), ("access_token" = Option<String>, Query)),
    responses((status = 200, body = BillingDataOut), (status = 400, body = Error), (status = 403, body = Error)))]
pub(crate) async fn retrieve(asked: Asked<'_>) -> Result<Response, Fault> {
    let billing = &asked.context.provider()?.billing;
    let product = asked.product(&billing.plans)?;
    let state = asked.context.table.product_state(asked.app, product).await?;
    let subscriptions = state.iter().flat_map(|it| &it.subscriptions).map(shown).collect();
    Ok(data(&BillingData { subscriptions }))
}

fn shown(subscription: &Subscription) -> SubscriptionOut {
    let is_trialing = subscription.status == Status::Trialing;
    SubscriptionOut {
        plan_name: subscription.plan.clone(),
        quantity: subscription.quantity,
        cycle: subscription.cycle.name(),
        current_period_end: subscription.period_end,
        cancel_at_period_end: subscription.cancel_at_period_end,
        is_paying: subscription.status.is_paying(),
        is_trialing,
        is_trial: is_trialing,
    }
}

#[cfg(test)]
mod tests {
    use domain::billing::plans::Cycle;

    use super::*;
    use crate::answer::json;

    /// The published answer (billing, section 1.3), in the published layout.
    const PUBLISHED: &str = "{
    \"plan_name\": \"pro\",
    \"quantity\": 1,
    \"cycle\": \"month\",
    \"current_period_end\": 1795205554,
    \"cancel_at_period_end\": false,
    \"is_paying\": true,
    \"is_trialing\": false,
    \"is_trial\": false
}";

    #[test]
    fn a_subscription_is_shown_as_it_was_published() {
        let mut subscription = Subscription {
            id: "sub_1".into(),
            status: Status::Active,
            plan: "pro".into(),
            cycle: Cycle::Month,
            price: "p".into(),
            quantity: 1,
            period_end: 1_795_205_554,
            cancel_at_period_end: false,
            trial_end: None,
            created: 0,
            past_due_since: None,
            trial_ending: false,
            cta: None,
        };
        assert_eq!(json(&shown(&subscription)), PUBLISHED);
        for (status, paying, trialing) in [
            (Status::PastDue, true, false),
            (Status::Trialing, false, true),
            (Status::Unpaid, false, false),
            (Status::Paused, false, false),
            (Status::Incomplete, false, false),
        ] {
            subscription.status = status;
            let it = shown(&subscription);
            assert_eq!((it.is_paying, it.is_trialing, it.is_trial), (paying, trialing, trialing), "{status:?}");
        }
    }
}
