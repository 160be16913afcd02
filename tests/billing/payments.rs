//! Payments that are not simply made: customers who have to authenticate, cards that fail later, customers who are deleted.

use reqwest::Method;
use serde_json::{Value, json};
use system_tests::{World, text, until};

use super::client::{CANCEL, SUBSCRIBE, SUCCESS, Subscriber, TRIAL};

const DAY: i64 = 86_400;
const PRO: [(&str, &str); 2] = [("product", "publish"), ("plan", "pro")];
const INCOMPLETE: (&str, &str) = ("payment_behavior", "default_incomplete");

/// Starts a subscription whose first payment its customer completes; answers the payment.
async fn left_to_the_customer(subscriber: &Subscriber<'_>, more: &[(&str, &str)]) -> String {
    let answer = subscriber.post(SUBSCRIBE, &[&PRO[..], &[INCOMPLETE], more].concat()).await;
    assert_eq!((answer.status, &answer.json()["success"]), (200, &json!(true)), "{answer:?}");
    let secret = text(&answer.json()["client_secret"]);
    let (payment, _) = secret.split_once("_secret_").unwrap_or_else(|| panic!("{answer:?}"));
    let shown = subscriber.only("publish").await;
    assert_eq!((&shown["is_paying"], &shown["is_trialing"]), (&json!(false), &json!(false)));
    payment.to_owned()
}

/// Waits until a product is paid for.
async fn is_paid(subscriber: &Subscriber<'_>) {
    let paid = async || subscriber.shown("publish").await.iter().any(|it| it["is_paying"] == true).then_some(());
    until("the subscription is paid for", paid).await;
    subscriber.settled().await;
}

#[test]
fn a_customer_completes_the_first_payment_in_the_browser() {
    World::run(async |world| {
        let subscriber = Subscriber::new(world);
        let payment = left_to_the_customer(&subscriber, &[]).await;
        let path = format!("/v1/payment_intents/{payment}/confirm");
        subscriber.stripe.post(&path, &[("payment_method", "pm_card_visa")]).await;
        is_paid(&subscriber).await;
        let customer = subscriber.customer().await;
        assert_eq!(subscriber.stripe.paid(&customer).await, [1_500]);
        let kinds: Vec<String> = subscriber.published().await.into_iter().map(|it| it.0).collect();
        assert_eq!(kinds, ["billing.subscription.started"], "what was never paid was not announced");
        // the card is that of the subscription: it pays what follows
        subscriber.done(SUBSCRIBE, &[("product", "publish"), ("plan", "small")]).await;
        assert_eq!(subscriber.stripe.paid(&customer).await.len(), 2);
        // until another one is given
        let other = [("product", "publish"), ("plan", "small"), ("payment_method_id", "pm_card_mastercard")];
        subscriber.done(SUBSCRIBE, &other).await;
        let customer = subscriber.stripe.get(&format!("/v1/customers/{customer}"), &[]).await;
        let (own, default) = (
            subscriber.remote("publish").await["default_payment_method"].clone(),
            customer["invoice_settings"]["default_payment_method"].clone(),
        );
        assert!(own == default && default.is_string(), "{own} {default}");
    });
}

#[test]
fn a_card_that_needs_authentication_is_declined_unless_its_customer_is_there() {
    World::run(async |world| {
        let subscriber = Subscriber::new(world);
        let card = ("payment_method_id", "pm_card_authenticationRequired");
        subscriber.post(SUBSCRIBE, &[&PRO[..], &[card]].concat()).await.is_error(402, 1000);
        assert_eq!(subscriber.shown("publish").await, [] as [Value; 0]);
        let payment = left_to_the_customer(&subscriber, &[card]).await;
        let confirm = format!("/v1/payment_intents/{payment}/confirm");
        subscriber.stripe.post(&confirm, &[("payment_method", "pm_card_authenticationRequired")]).await;
        let authenticate = format!("payment_intents/{payment}/authenticate");
        subscriber.stripe.control(Method::POST, &authenticate, json!({ "succeeds": true })).await;
        is_paid(&subscriber).await;
        assert_eq!(subscriber.stripe.paid(&subscriber.customer().await).await, [1_500]);
    });
}

/// Who presses twice, or reloads the page, has the same payment to complete.
#[test]
fn a_first_payment_that_is_asked_for_again_is_the_same() {
    World::run(async |world| {
        let subscriber = Subscriber::new(world);
        let first = left_to_the_customer(&subscriber, &[]).await;
        for more in [&[][..], &[("cta", "again")], &[("quantity", "1")]] {
            assert_eq!(left_to_the_customer(&subscriber, more).await, first, "{more:?}");
        }
        let path = format!("/v1/payment_intents/{first}/confirm");
        subscriber.stripe.post(&path, &[("payment_method", "pm_card_visa")]).await;
        is_paid(&subscriber).await;
        let customer = subscriber.customer().await;
        assert_eq!(subscriber.stripe.paid(&customer).await, [1_500]);
        assert_eq!(subscriber.stripe.subscriptions(&customer).await.len(), 1);
        subscriber.done(SUBSCRIBE, &[&PRO[..], &[INCOMPLETE]].concat()).await;
    });
}

#[test]
fn a_first_payment_that_was_given_up_is_in_nobodys_way() {
    World::run(async |world| {
        let subscriber = Subscriber::new(world);
        let first = left_to_the_customer(&subscriber, &[]).await;
        let second = left_to_the_customer(&subscriber, &[("quantity", "2")]).await;
        assert_ne!(first, second);
        subscriber.done(SUBSCRIBE, &[&PRO[..], &[("stripeToken", "tok_visa")]].concat()).await;
        let customer = subscriber.customer().await;
        assert_eq!(subscriber.stripe.paid(&customer).await, [1_500]);
        let states: Vec<String> =
            subscriber.stripe.subscriptions(&customer).await.iter().map(|it| text(&it["status"])).collect();
        assert_eq!(states.iter().filter(|it| *it == "incomplete_expired").count(), 2, "{states:?}");
        // one that nobody completes within a day expires by itself
        subscriber.done(CANCEL, &[("product", "publish"), ("atPeriodEnd", "false")]).await;
        left_to_the_customer(&subscriber, &[("cta", "again")]).await;
        subscriber.stripe.advance(&customer, DAY).await;
        subscriber.settled().await;
        assert_eq!(subscriber.shown("publish").await, [] as [Value; 0]);
    });
}

#[test]
fn a_renewal_that_fails_is_followed_to_its_end() {
    World::run(async |world| {
        let subscriber = Subscriber::new(world);
        subscriber.done(SUBSCRIBE, &[&PRO[..], &[("stripeToken", "tok_visa")]].concat()).await;
        let customer = subscriber.customer().await;
        // renewals are paid
        subscriber.stripe.advance(&customer, 32 * DAY).await;
        subscriber.settled().await;
        assert_eq!(subscriber.stripe.paid(&customer).await, [1_500, 1_500]);
        // until the card is declined
        let path = "/v1/payment_methods/pm_card_chargeCustomerFail/attach";
        let method = text(&subscriber.stripe.post(path, &[("customer", &customer)]).await["id"]);
        let default = [("invoice_settings[default_payment_method]", method.as_str())];
        subscriber.stripe.post(&format!("/v1/customers/{customer}"), &default).await;
        subscriber.stripe.advance(&customer, 31 * DAY).await;
        let due = async || (subscriber.remote("publish").await["status"] == "past_due").then_some(());
        until("the payment is due", due).await;
        subscriber.settled().await;
        assert_eq!(subscriber.only("publish").await["is_paying"], true, "it is about to be paid");
        let updated = ("billing.subscription.updated".to_owned(), "pro".to_owned());
        until("that is published", async || subscriber.published().await.contains(&updated).then_some(())).await;
        subscriber.stripe.advance(&customer, 20 * DAY).await;
        subscriber.settled().await;
        assert_eq!(subscriber.shown("publish").await, [] as [Value; 0], "Stripe has given up, and so do we");
        assert_eq!(subscriber.stripe.paid(&customer).await, [1_500, 1_500]);
    });
}

#[test]
fn a_customer_who_was_deleted_begins_anew() {
    World::run(async |world| {
        let subscriber = Subscriber::new(world);
        subscriber.done(TRIAL, &PRO).await;
        let first = subscriber.customer().await;
        let (status, _) = subscriber.stripe.ask(Method::DELETE, &format!("/v1/customers/{first}"), &[]).await;
        assert_eq!(status, 200);
        let gone = async || subscriber.shown("publish").await.is_empty().then_some(());
        until("nothing of the customer is known any more", gone).await;
        subscriber.post(TRIAL, &PRO).await.is_error(400, 1000); // that there was one is remembered
        subscriber.done(SUBSCRIBE, &[&PRO[..], &[("stripeToken", "tok_visa")]].concat()).await;
        let second = subscriber.customer().await;
        assert_ne!(first, second);
        assert_eq!(subscriber.stripe.paid(&second).await, [1_500]);
        subscriber.settled().await;
        let answer = subscriber.post(CANCEL, &[("product", "publish")]).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, SUCCESS));
        subscriber.settled().await;
    });
}
