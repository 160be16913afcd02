//! Subscriptions at Stripe: started, changed, cancelled, and what they cost.

use serde_json::{Value, json};
use system_tests::{World, text};

use super::client::{CANCEL, SUBSCRIBE, Subscriber};

/// The products, each with its plans in the order of their ranks.
const PLANS: [(&str, [&str; 4]); 2] = [
    ("publish", ["pro", "small", "business", "agency"]),
    ("analyze", ["early-access-10", "early-access-25", "early-access-50", "early-access-100"]),
];

/// What a request for a plan says.
fn plan(name: &str) -> [(&str, &str); 2] {
    [("product", "publish"), ("plan", name)]
}

/// The requests by which Stripe was to change something of a customer, or of a subscription.
async fn changes(subscriber: &Subscriber<'_>, ids: &[&str]) -> usize {
    let mut all = Vec::new();
    for id in ids {
        all.extend(subscriber.stripe.requests(id).await);
    }
    all.iter().filter(|it| it["method"] != "GET").count()
}

#[test]
fn every_plan_can_be_subscribed_in_both_cycles() {
    World::run(async |world| {
        let subscriber = Subscriber::new(world);
        let mut card = Some(("stripeToken", "tok_visa"));
        for (product, plans) in PLANS {
            for plan in plans {
                for cycle in ["month", "year"] {
                    let mut params = vec![("product", product), ("plan", plan), ("cycle", cycle), ("cta", "a b&c=d")];
                    params.extend(card.take()); // the customer has one from then on
                    subscriber.done(SUBSCRIBE, &params).await;
                    let remote = subscriber.remote(product).await;
                    let price = format!("price_{product}_{plan}_{cycle}").replace('-', "_");
                    assert_eq!(remote["items"]["data"].as_array().unwrap().len(), 1, "{remote}");
                    assert_eq!(
                        (&remote["items"]["data"][0]["price"]["id"], &remote["status"]),
                        (&json!(price), &json!("active"))
                    );
                    let metadata = json!({ "tenant": world.keys.application_id, "product": product, "plan": plan, "cta": "a b&c=d" });
                    assert_eq!(remote["metadata"], metadata);
                    assert_eq!(subscriber.shown(product).await, subscriber.truth(product).await);
                }
            }
        }
        assert_eq!(subscriber.stripe.subscriptions(&subscriber.customer().await).await.len(), 2, "one of each product");
        let of_stripe = subscriber.stripe.requests(&world.keys.application_id).await;
        assert!(of_stripe.iter().all(|it| it["stripe_version"] == "2026-09-30.endive"), "{of_stripe:?}");
        subscriber.settled().await;
    });
}

#[test]
fn without_a_cycle_the_current_one_stays_and_the_quantity_is_always_replaced() {
    World::run(async |world| {
        let subscriber = Subscriber::new(world);
        let before = world.stack.meter();
        for (more, cycle, quantity) in [
            (&[("payment_method_id", "pm_card_visa"), ("quantity", "5")][..], "month", 5),
            (&[("cycle", "year"), ("quantity", "7")], "year", 7),
            (&[("cycle", "null")], "year", 1),
            (&[("cycle", ""), ("quantity", "2")], "year", 2),
            (&[("cycle", "month"), ("quantity", "2")], "month", 2),
            (&[("quantity", "3")], "month", 3),
            (&[], "month", 1),
        ] {
            subscriber.done(SUBSCRIBE, &[&plan("small")[..], more].concat()).await;
            let shown = subscriber.only("publish").await;
            assert_eq!((&shown["cycle"], &shown["quantity"]), (&json!(cycle), &json!(quantity)), "{more:?}");
        }
        let used = world.stack.meter().since(&before);
        // to 1 from 7, and from 3
        assert!(used.of_function("billing-api", "billing_quantity_lowered") >= 2.0);
        subscriber.settled().await;
    });
}

#[test]
fn what_is_as_it_is_wanted_is_left_alone() {
    World::run(async |world| {
        let subscriber = Subscriber::new(world);
        subscriber.done(SUBSCRIBE, &[&plan("pro")[..], &[("stripeToken", "tok_visa")]].concat()).await;
        let (customer, remote) = (subscriber.customer().await, subscriber.remote("publish").await);
        let ids = [customer.as_str(), remote["id"].as_str().unwrap()];
        let before = changes(&subscriber, &ids).await;
        subscriber.done(SUBSCRIBE, &plan("pro")).await;
        subscriber.done(SUBSCRIBE, &[&plan("pro")[..], &[("cycle", "month"), ("quantity", "1")]].concat()).await;
        assert_eq!(changes(&subscriber, &ids).await, before, "nothing is asked of Stripe");
        assert_eq!(subscriber.stripe.paid(&customer).await, [1_500]);
        subscriber.settled().await;
    });
}

#[test]
fn an_upgrade_is_paid_at_once_and_a_downgrade_with_the_next_invoice() {
    World::run(async |world| {
        let subscriber = Subscriber::new(world);
        subscriber.done(SUBSCRIBE, &[&plan("small")[..], &[("stripeToken", "tok_visa")]].concat()).await;
        let customer = subscriber.customer().await;
        assert_eq!(subscriber.stripe.paid(&customer).await, [9_900]);
        subscriber.done(SUBSCRIBE, &plan("business")).await;
        let paid = subscriber.stripe.paid(&customer).await;
        // the rest of the month: some seconds have gone
        assert!(paid.len() == 2 && (9_900..=10_000).contains(&paid[1]), "{paid:?}");
        subscriber.done(SUBSCRIBE, &plan("pro")).await;
        assert_eq!(subscriber.stripe.paid(&customer).await.len(), 2, "it is credited, and nothing is paid");
        assert_eq!(subscriber.only("publish").await["plan_name"], "pro");
        let before = subscriber.remote("publish").await["items"]["data"][0]["current_period_end"].clone();
        subscriber.stripe.advance(&customer, 32 * 86_400).await;
        subscriber.settled().await;
        assert!(subscriber.only("publish").await["current_period_end"].as_i64() > before.as_i64(), "a month later");
        assert_eq!(subscriber.stripe.paid(&customer).await.len(), 2, "the credit pays for it");
    });
}

#[test]
fn a_card_that_is_declined_changes_no_subscription() {
    World::run(async |world| {
        let subscriber = Subscriber::new(world);
        subscriber.done(SUBSCRIBE, &[&plan("small")[..], &[("stripeToken", "tok_visa")]].concat()).await;
        let declined = [&plan("agency")[..], &[("payment_method_id", "pm_card_chargeCustomerFail")]].concat();
        subscriber.post(SUBSCRIBE, &declined).await.is_error(402, 1000);
        assert_eq!(subscriber.only("publish").await["plan_name"], "small");
        subscriber.settled().await;
        // another card, and the same wish
        let good = [&plan("agency")[..], &[("payment_method_id", "pm_card_mastercard")]].concat();
        subscriber.done(SUBSCRIBE, &good).await;
        assert_eq!(subscriber.only("publish").await["plan_name"], "agency");
        assert_eq!(subscriber.stripe.paid(&subscriber.customer().await).await.len(), 2);
        subscriber.settled().await;
    });
}

#[test]
fn a_cancellation_ends_with_the_period_and_can_be_taken_back() {
    World::run(async |world| {
        let subscriber = Subscriber::new(world);
        subscriber.done(SUBSCRIBE, &[&plan("pro")[..], &[("stripeToken", "tok_visa")]].concat()).await;
        let (customer, product) = (subscriber.customer().await, [("product", "publish")]);
        for params in [
            &product[..],
            &[("product", "publish"), ("atPeriodEnd", "true")],
            &[("product", "publish"), ("atPeriodEnd", "1")],
        ] {
            subscriber.done(CANCEL, params).await;
            assert_eq!(subscriber.only("publish").await["cancel_at_period_end"], true);
        }
        subscriber.done(SUBSCRIBE, &plan("pro")).await;
        let shown = subscriber.only("publish").await;
        assert_eq!((&shown["cancel_at_period_end"], &shown["is_paying"]), (&json!(false), &json!(true)));
        assert_eq!(subscriber.stripe.paid(&customer).await, [1_500], "nothing is paid for that");
        subscriber.done(CANCEL, &product).await;
        subscriber.stripe.advance(&customer, 32 * 86_400).await;
        subscriber.settled().await;
        assert_eq!(subscriber.shown("publish").await, [] as [Value; 0]);
        subscriber.post(CANCEL, &product).await.is_error(404, 1000);
        let published = subscriber.published().await;
        let kinds: Vec<&str> = published.iter().map(|it| it.0.as_str()).collect();
        let (started, updated) = ("billing.subscription.started", "billing.subscription.updated");
        let (cancelled, ended) = ("billing.subscription.cancelled", "billing.subscription.ended");
        assert_eq!(kinds, [started, cancelled, updated, cancelled, ended]);
        assert!(published.iter().all(|it| it.1 == "pro"), "{published:?}");
    });
}

#[test]
fn a_cancellation_ends_all_subscriptions_and_trials_of_the_product() {
    World::run(async |world| {
        let subscriber = Subscriber::new(world);
        subscriber.done(SUBSCRIBE, &[&plan("pro")[..], &[("stripeToken", "tok_visa")]].concat()).await;
        let customer = subscriber.customer().await;
        // made by somebody at Stripe itself
        let price = ("items[0][price]", "price_publish_small_year");
        for more in [("trial_period_days", "7"), ("metadata[note]", "by hand")] {
            subscriber.stripe.post("/v1/subscriptions", &[("customer", &*customer), price, more]).await;
        }
        let other = ("items[0][price]", "price_analyze_early_access_10_month");
        subscriber.stripe.post("/v1/subscriptions", &[("customer", &*customer), other]).await;
        subscriber.settled().await;
        assert_eq!(subscriber.shown("publish").await.len(), 3);
        subscriber.done(CANCEL, &[("product", "publish"), ("atPeriodEnd", "0")]).await;
        assert_eq!(subscriber.shown("publish").await, [] as [Value; 0]);
        assert_eq!(subscriber.shown("analyze").await.len(), 1, "the other product stays");
        let all = subscriber.stripe.subscriptions(&customer).await;
        assert_eq!(all.iter().filter(|it| text(&it["status"]) == "canceled").count(), 3, "{all:?}");
        subscriber.settled().await;
    });
}
