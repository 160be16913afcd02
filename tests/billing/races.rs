//! Requests at the same time, and requests that come again.

use futures_util::future::join_all;
use serde_json::{Value, json};
use system_tests::{World, look_again, text};

use super::client::{Answer, CANCEL, Encoding, SUBSCRIBE, SUCCESS, Subscriber, TRIAL};

/// How often a request is repeated that found no free process, or another one in its way.
const REPEATS: usize = 400;

/// Posts a form until it is not put off any more.
async fn patiently(subscriber: &Subscriber<'_>, endpoint: &str, params: &[(&str, &str)]) -> Answer {
    for _ in 0..REPEATS {
        let answer = subscriber.post(endpoint, params).await;
        if answer.status != 503 {
            return answer;
        }
        look_again().await;
    }
    panic!("{endpoint} {params:?} is put off for ever");
}

/// A card's token that is good once.
async fn token(subscriber: &Subscriber<'_>) -> String {
    let card = [("card[number]", "4242424242424242"), ("card[exp_month]", "12"), ("card[exp_year]", "2034")];
    text(&subscriber.stripe.post("/v1/tokens", &card).await["id"])
}

#[test]
fn the_same_request_many_times_at_once_is_done_once() {
    World::run(async |world| {
        let subscriber = Subscriber::new(world);
        let token = token(&subscriber).await;
        let params = [("product", "publish"), ("plan", "pro"), ("stripeToken", token.as_str())];
        let answers = join_all((0..8).map(|_| patiently(&subscriber, SUBSCRIBE, &params))).await;
        for answer in answers {
            answer.is_success();
        }
        let customer = subscriber.customer().await;
        assert_eq!(subscriber.stripe.paid(&customer).await, [1_500]);
        assert_eq!(subscriber.stripe.subscriptions(&customer).await.len(), 1);
        subscriber.settled().await;
        let published = subscriber.published().await;
        assert_eq!(published.len(), 1, "{published:?}");
    });
}

#[test]
fn of_many_changes_at_once_each_is_made_whole() {
    World::run(async |world| {
        let subscriber = Subscriber::new(world);
        subscriber.done(SUBSCRIBE, &[("product", "publish"), ("plan", "pro"), ("stripeToken", "tok_visa")]).await;
        let changes = [
            (SUBSCRIBE, &[("product", "publish"), ("plan", "small"), ("quantity", "2")][..]),
            (SUBSCRIBE, &[("product", "publish"), ("plan", "business"), ("quantity", "3")]),
            (SUBSCRIBE, &[("product", "publish"), ("plan", "agency"), ("cycle", "year")]),
            (CANCEL, &[("product", "publish")]),
            (CANCEL, &[("product", "publish"), ("atPeriodEnd", "false")]),
            (TRIAL, &[("product", "analyze"), ("plan", "early-access-10")]),
            (SUBSCRIBE, &[("product", "analyze"), ("plan", "early-access-25")]),
        ];
        let answers = join_all(changes.iter().map(|(endpoint, params)| patiently(&subscriber, endpoint, params))).await;
        for (answer, change) in answers.iter().zip(changes) {
            // the last of the cancellations may find nothing, and a trial a subscription
            assert!(matches!(answer.status, 200 | 400 | 404), "{change:?}: {answer:?}");
            assert!(answer.status == 200 || change.0 != SUBSCRIBE, "{change:?}: {answer:?}");
        }
        subscriber.settled().await;
        let (publish, analyze) = (subscriber.shown("publish").await, subscriber.only("analyze").await);
        let whole = [("small", 2), ("business", 3), ("agency", 1)];
        for shown in &publish {
            let is_whole =
                |(plan, quantity): &(&str, i32)| shown["plan_name"] == *plan && shown["quantity"] == *quantity;
            assert!(whole.iter().any(is_whole), "{shown}");
        }
        assert!(publish.len() <= 1, "{publish:?}");
        assert_eq!((&analyze["plan_name"], &analyze["is_paying"]), (&json!("early-access-25"), &json!(true)));
    });
}

#[test]
fn trials_at_once_are_one_trial() {
    World::run(async |world| {
        let subscriber = Subscriber::new(world);
        let lengths = ["10", "20", "30", "40", "50", "60"];
        let params = lengths.map(|it| [("product", "publish"), ("plan", "pro"), ("trialLength", it)]);
        let answers = join_all(params.iter().map(|it| patiently(&subscriber, TRIAL, it))).await;
        assert_eq!(answers.iter().filter(|it| it.status == 200).count(), 1, "{answers:?}");
        for refused in answers.iter().filter(|it| it.status != 200) {
            refused.is_error(400, 1000);
        }
        assert_eq!(subscriber.stripe.subscriptions(&subscriber.customer().await).await.len(), 1);
        subscriber.settled().await;
    });
}

#[test]
fn a_request_with_a_key_is_answered_again_as_it_was() {
    World::run(async |world| {
        let (subscriber, other) = (Subscriber::new(world), World::at(world.stack).await);
        let token = token(&subscriber).await;
        let start = [("product", "publish"), ("plan", "pro"), ("stripeToken", token.as_str())];
        let first = subscriber.post_as("order-1", SUBSCRIBE, &start).await;
        first.is_success();
        assert_eq!(first.header("idempotency-replayed"), "");
        subscriber.done(CANCEL, &[("product", "publish"), ("atPeriodEnd", "false")]).await;
        for encoding in Encoding::BOTH {
            let request = subscriber.request("POST", SUBSCRIBE).header("idempotency-key", "order-1");
            let again = Answer::to(encoding.write(request, &start)).await;
            again.is_success();
            assert_eq!(again.header("idempotency-replayed"), "true", "{encoding:?}");
        }
        assert_eq!(subscriber.shown("publish").await, [] as [Value; 0], "it was done before, and undone");
        let another = subscriber.post_as("order-1", SUBSCRIBE, &[("product", "publish"), ("plan", "small")]).await;
        assert!(another.is_error(400, 1000).contains("Idempotency-Key"));
        for key in ["", &"k".repeat(201)] {
            subscriber.post_as(key, SUBSCRIBE, &start).await.is_error(400, 1006);
        }
        // a refusal is not kept: what was missing may be there later
        let without = [("product", "publish"), ("plan", "small")];
        let subscriber_without_card = Subscriber::new(&other);
        subscriber_without_card.post_as("order-2", SUBSCRIBE, &without).await.is_error(400, 1004);
        let customer = subscriber_without_card.customer().await;
        let path = "/v1/payment_methods/pm_card_visa/attach";
        let method = text(&subscriber.stripe.post(path, &[("customer", &customer)]).await["id"]);
        let default = [("invoice_settings[default_payment_method]", method.as_str())];
        subscriber.stripe.post(&format!("/v1/customers/{customer}"), &default).await;
        let now = subscriber_without_card.post_as("order-2", SUBSCRIBE, &without).await;
        assert_eq!((now.status, now.text.as_str()), (200, SUCCESS));
        subscriber_without_card.settled().await;
        other.until("no message of the other's is left", async || other.leftovers().is_empty().then_some(())).await;
    });
}

#[test]
fn a_request_without_a_key_is_safe_to_repeat_and_works_again_after_it_was_undone() {
    World::run(async |world| {
        let subscriber = Subscriber::new(world);
        let token = token(&subscriber).await;
        let start = [("product", "publish"), ("plan", "pro"), ("stripeToken", token.as_str())];
        for _ in 0..3 {
            subscriber.done(SUBSCRIBE, &start).await; // the token is good once
        }
        let customer = subscriber.customer().await;
        assert_eq!(subscriber.stripe.paid(&customer).await, [1_500]);
        // the same words, a second time on purpose
        let now = [("product", "publish"), ("atPeriodEnd", "false")];
        for paid in 2..=3 {
            subscriber.done(CANCEL, &now).await;
            assert_eq!(subscriber.shown("publish").await, [] as [Value; 0]);
            subscriber.done(SUBSCRIBE, &start).await;
            assert_eq!(subscriber.only("publish").await["is_paying"], true);
            assert_eq!(subscriber.stripe.paid(&customer).await.len(), paid);
        }
        subscriber.settled().await;
    });
}
