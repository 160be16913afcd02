//! Trials: started without a card, completed, cancelled, and what follows when nobody does anything.

use serde_json::{Value, json};
use system_tests::{World, until};

use super::client::{CANCEL_TRIAL, SUBSCRIBE, Subscriber, TRIAL};

const DAY: i64 = 86_400;
const PUBLISH: [(&str, &str); 1] = [("product", "publish")];
const PRO: [(&str, &str); 2] = [("product", "publish"), ("plan", "pro")];
const TOKEN: [(&str, &str); 1] = [("stripeToken", "tok_visa")];

/// Waits until the only subscription at Stripe is in a state, and we know of it.
async fn becomes(subscriber: &Subscriber<'_>, status: &str) {
    let what = format!("the subscription is {status}");
    until(&what, async || (subscriber.remote("publish").await["status"] == status).then_some(())).await;
    subscriber.settled().await;
}

#[test]
fn a_trial_needs_no_card_and_has_the_length_that_is_asked_for() {
    World::run(async |world| {
        let subscriber = Subscriber::new(world);
        for (product, plan, more, days, cycle, quantity) in [
            ("publish", "pro", &[][..], 14, "month", 1),
            (
                "analyze",
                "early-access-25",
                &[("trialLength", "30"), ("cycle", "year"), ("quantity", "4"), ("cta", "menu")],
                30,
                "year",
                4,
            ),
        ] {
            subscriber.done(TRIAL, &[&[("product", product), ("plan", plan)][..], more].concat()).await;
            let (shown, remote) = (subscriber.only(product).await, subscriber.remote(product).await);
            let length = remote["trial_end"].as_i64().unwrap() - remote["trial_start"].as_i64().unwrap();
            assert_eq!((length, &shown["current_period_end"]), (days * DAY, &remote["trial_end"]));
            assert_eq!(remote["trial_settings"]["end_behavior"]["missing_payment_method"], "pause");
            assert_eq!((&shown["cycle"], &shown["quantity"]), (&json!(cycle), &json!(quantity)));
            let flags = [&shown["is_paying"], &shown["is_trialing"], &shown["is_trial"]];
            assert_eq!(flags, [&json!(false), &json!(true), &json!(true)]);
        }
        assert_eq!(subscriber.remote("analyze").await["metadata"]["cta"], "menu");
        assert_eq!(subscriber.stripe.paid(&subscriber.customer().await).await, [] as [i64; 0]);
        subscriber.settled().await;
    });
}

#[test]
fn a_trial_is_completed_with_a_card() {
    World::run(async |world| {
        let subscriber = Subscriber::new(world);
        subscriber.done(TRIAL, &PRO).await;
        let first = subscriber.remote("publish").await["id"].clone();
        let text = subscriber.post(SUBSCRIBE, &PRO).await.is_error(400, 1004);
        assert_eq!(text, "stripeToken is required: the customer has no payment method.");
        assert_eq!(subscriber.only("publish").await["is_trialing"], true, "it goes on");
        subscriber.done(SUBSCRIBE, &[&PRO[..], &TOKEN].concat()).await;
        let (shown, remote) = (subscriber.only("publish").await, subscriber.remote("publish").await);
        assert_eq!((&shown["is_paying"], &shown["is_trialing"]), (&json!(true), &json!(false)));
        assert_eq!((&remote["id"], &remote["status"]), (&first, &json!("active")), "the same one");
        assert_eq!(subscriber.stripe.paid(&subscriber.customer().await).await, [1_500]);
        let kinds: Vec<String> = subscriber.published().await.into_iter().map(|it| it.0).collect();
        assert_eq!(kinds, ["billing.trial.started", "billing.subscription.started"]);
        subscriber.settled().await;
    });
}

#[test]
fn a_cancelled_trial_ends_when_it_would_have_and_costs_nothing() {
    World::run(async |world| {
        let subscriber = Subscriber::new(world);
        subscriber.done(TRIAL, &PRO).await;
        for _ in 0..2 {
            subscriber.done(CANCEL_TRIAL, &PUBLISH).await;
            let shown = subscriber.only("publish").await;
            assert_eq!((&shown["cancel_at_period_end"], &shown["is_trialing"]), (&json!(true), &json!(true)));
        }
        let customer = subscriber.customer().await;
        subscriber.stripe.advance(&customer, 15 * DAY).await;
        subscriber.settled().await;
        assert_eq!(subscriber.shown("publish").await, [] as [Value; 0]);
        assert_eq!(subscriber.stripe.paid(&customer).await, [] as [i64; 0]);
        subscriber.post(CANCEL_TRIAL, &PUBLISH).await.is_error(404, 1000);
    });
}

#[test]
fn what_is_paid_for_is_no_trial() {
    World::run(async |world| {
        let subscriber = Subscriber::new(world);
        subscriber.done(SUBSCRIBE, &[&PRO[..], &TOKEN].concat()).await;
        subscriber.post(CANCEL_TRIAL, &PUBLISH).await.is_error(404, 1000);
        let text = subscriber.post(TRIAL, &PRO).await.is_error(400, 1000);
        assert_eq!(text, "There is a subscription for product 'publish' already.");
        let shown = subscriber.only("publish").await;
        assert_eq!((&shown["is_paying"], &shown["cancel_at_period_end"]), (&json!(true), &json!(false)));
        subscriber.settled().await;
    });
}

#[test]
fn a_trial_without_a_card_pauses_and_a_card_resumes_it() {
    World::run(async |world| {
        let subscriber = Subscriber::new(world);
        subscriber.done(TRIAL, &PRO).await;
        let customer = subscriber.customer().await;
        subscriber.stripe.advance(&customer, 12 * DAY).await;
        let announced =
            async || subscriber.published().await.iter().any(|it| it.0 == "billing.trial.ending").then_some(());
        until("the end of the trial is announced", announced).await;
        subscriber.stripe.advance(&customer, 3 * DAY).await;
        becomes(&subscriber, "paused").await;
        let shown = subscriber.only("publish").await;
        assert_eq!((&shown["is_paying"], &shown["is_trialing"]), (&json!(false), &json!(false)));
        subscriber.post(SUBSCRIBE, &PRO).await.is_error(400, 1004);
        let declined = [&PRO[..], &[("payment_method_id", "pm_card_chargeCustomerFail")]].concat();
        subscriber.post(SUBSCRIBE, &declined).await.is_error(402, 1000);
        becomes(&subscriber, "paused").await;
        // with another plan at once
        let small = [("product", "publish"), ("plan", "small"), ("payment_method_id", "pm_card_visa")];
        subscriber.done(SUBSCRIBE, &small).await;
        let shown = subscriber.only("publish").await;
        assert_eq!((&shown["plan_name"], &shown["is_paying"]), (&json!("small"), &json!(true)));
        becomes(&subscriber, "active").await;
        let paid: i64 = subscriber.stripe.paid(&customer).await.iter().sum();
        assert!((9_800..=9_900).contains(&paid), "a month of `small` in all: {paid}");
        let kinds: Vec<String> = subscriber.published().await.into_iter().map(|it| it.0).collect();
        assert_eq!(kinds.iter().filter(|it| *it == "billing.trial.ending").count(), 1, "{kinds:?}");
        assert!(kinds.contains(&"billing.subscription.started".to_owned()), "{kinds:?}");
    });
}

#[test]
fn a_trial_with_a_card_is_paid_when_it_ends() {
    World::run(async |world| {
        let subscriber = Subscriber::new(world);
        // the card is of another product
        let analyze = [("product", "analyze"), ("plan", "early-access-10"), ("stripeToken", "tok_visa")];
        subscriber.done(SUBSCRIBE, &analyze).await;
        subscriber.done(TRIAL, &PRO).await;
        let customer = subscriber.customer().await;
        subscriber.stripe.advance(&customer, 14 * DAY + 2 * 3_600).await;
        becomes(&subscriber, "active").await;
        assert_eq!(subscriber.only("publish").await["is_paying"], true);
        assert_eq!(subscriber.stripe.paid(&customer).await, [1_000, 1_500]);
    });
}
