//! The endpoints in front of Stripe itself, where there is a key of a test mode (`STRIPE_TEST_KEY`); and in front of the
//! emulator, with the same expectations.

use reqwest::Method;
use serde_json::{Value, json};
use system_tests::stripe::StripeAccount;
use system_tests::{World, own_stack, project, text};

use super::client::{CANCEL, SUBSCRIBE, Subscriber, TRIAL};

#[expect(clippy::disallowed_methods, reason = "a key comes from outside")]
fn test_key() -> Option<String> {
    std::env::var("STRIPE_TEST_KEY").ok().filter(|it| it.starts_with("sk_test_") || it.starts_with("rk_test_"))
}

/// Plans with prices of their own, as `plans.json` has them.
async fn plans(account: &StripeAccount) -> Value {
    let product = account.post("/v1/products", &[("name", "Notifications API, a test")]).await;
    let product = text(&product["id"]);
    let mut plans = json!({});
    for (rank, (plan, month, year)) in [("pro", "1500", "14400"), ("agency", "39900", "407000")].into_iter().enumerate()
    {
        plans[plan] = json!({ "rank": rank });
        for (cycle, amount) in [("month", month), ("year", year)] {
            let form = [
                ("product", product.as_str()),
                ("currency", "usd"),
                ("unit_amount", amount),
                ("recurring[interval]", cycle),
            ];
            plans[plan][cycle] = account.post("/v1/prices", &form).await["id"].clone();
        }
    }
    json!({ "publish": plans })
}

/// What the only subscription has to be: plan, cycle, quantity, and its flags.
#[track_caller]
fn check(shown: &Value, (plan, cycle, quantity): (&str, &str, u32), flags: [bool; 3]) {
    let found = json!([shown["plan_name"], shown["cycle"], shown["quantity"]]);
    assert_eq!(found, json!([plan, cycle, quantity]), "{shown}");
    let found = json!([shown["is_paying"], shown["is_trialing"], shown["cancel_at_period_end"]]);
    assert_eq!(found, json!(flags), "{shown}");
    assert!(shown["current_period_end"].as_i64().is_some_and(|it| it > 1_700_000_000), "{shown}");
}

/// An application's life in front of an account.
async fn life(account: &StripeAccount) {
    let data = tempfile::tempdir_in(project().join("target/tmp")).unwrap();
    let plans = plans(account).await.to_string();
    let parameters =
        [("StripeUrl", account.url.as_str()), ("StripeSecretKey", &account.secret_key), ("BillingPlans", &plans)];
    let stack = own_stack(data.path(), &parameters).await;
    let world = World::open(&stack).await;
    let subscriber = Subscriber::new(&world);
    let plan = |name: &'static str| vec![("product", "publish"), ("plan", name)];
    let [paying, trialing, ending] = [[true, false, false], [false, true, false], [true, false, true]];

    subscriber.done(TRIAL, &plan("pro")).await;
    check(&subscriber.only("publish").await, ("pro", "month", 1), trialing);
    subscriber.post(SUBSCRIBE, &plan("pro")).await.is_error(400, 1004);
    subscriber
        .post(SUBSCRIBE, &[&plan("pro")[..], &[("stripeToken", "tok_chargeDeclined")]].concat())
        .await
        .is_error(402, 1000);
    check(&subscriber.only("publish").await, ("pro", "month", 1), trialing);
    subscriber.done(SUBSCRIBE, &[&plan("pro")[..], &[("stripeToken", "tok_visa")]].concat()).await;
    check(&subscriber.only("publish").await, ("pro", "month", 1), paying);
    subscriber.done(SUBSCRIBE, &plan("pro")).await;
    subscriber.post(TRIAL, &plan("pro")).await.is_error(400, 1000);

    subscriber.done(SUBSCRIBE, &[&plan("agency")[..], &[("quantity", "2")]].concat()).await;
    check(&subscriber.only("publish").await, ("agency", "month", 2), paying);
    let failing =
        [&plan("agency")[..], &[("cycle", "year"), ("payment_method_id", "pm_card_chargeCustomerFail")]].concat();
    subscriber.post(SUBSCRIBE, &failing).await.is_error(402, 1000);
    check(&subscriber.only("publish").await, ("agency", "month", 2), paying);
    subscriber.done(SUBSCRIBE, &[&plan("pro")[..], &[("payment_method_id", "pm_card_visa")]].concat()).await;
    check(&subscriber.only("publish").await, ("pro", "month", 1), paying);

    subscriber.done(CANCEL, &[("product", "publish")]).await;
    check(&subscriber.only("publish").await, ("pro", "month", 1), ending);
    subscriber.done(SUBSCRIBE, &plan("pro")).await;
    check(&subscriber.only("publish").await, ("pro", "month", 1), paying);
    let now = [("product", "publish"), ("atPeriodEnd", "false")];
    subscriber.done(CANCEL, &now).await;
    assert_eq!(subscriber.shown("publish").await, [] as [Value; 0]);
    subscriber.post(CANCEL, &now).await.is_error(404, 1000);

    let left = [&plan("pro")[..], &[("payment_behavior", "default_incomplete"), ("cta", "a test")]].concat();
    let answer = subscriber.post(SUBSCRIBE, &left).await;
    assert!(text(&answer.json()["client_secret"]).contains("_secret_"), "{answer:?}");
    check(&subscriber.only("publish").await, ("pro", "month", 1), [false, false, false]);
    subscriber.done(SUBSCRIBE, &plan("pro")).await;
    check(&subscriber.only("publish").await, ("pro", "month", 1), paying);

    let customer = account.customer_of(&world.keys.application_id).await.unwrap();
    let all = account.subscriptions(&customer).await;
    let live: Vec<&Value> = all.iter().filter(|it| it["status"] == "active").collect();
    assert_eq!((all.len(), live.len()), (3, 1), "{all:?}");
    assert_eq!(live[0]["metadata"]["tenant"], *world.keys.application_id);
    let (status, _) = account.ask(Method::DELETE, &format!("/v1/customers/{customer}"), &[]).await;
    assert_eq!(status, 200);
}

#[test]
fn an_application_lives_the_same_life_at_stripe_and_at_its_emulator() {
    World::alone(async || {
        let data = tempfile::tempdir_in(project().join("target/tmp")).unwrap();
        let stack = own_stack(data.path(), &[]).await; // for its emulator
        life(&StripeAccount::of(&stack)).await;
        if let Some(key) = test_key() {
            life(&StripeAccount::real(&key)).await;
            println!("the same at Stripe");
        }
    });
}
