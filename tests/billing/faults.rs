//! Stripe fails: connections that break before and after the work is done, errors that it remembers, too many requests,
//! answers that take too long. Whoever repeats a request gets what was asked for, once, and pays for it once.

use reqwest::Method;
use serde_json::{Value, json};
use system_tests::stripe::StripeAccount;
use system_tests::{World, own_stack, project, text, until};

use super::client::{Answer, CANCEL, PRODUCTS, RETRIEVE, SUBSCRIBE, SUCCESS, Subscriber, TRIAL};

/// How often a client repeats a request, at most.
const REPEATS: usize = 12;
/// The variants in which each stage meets a fault: as many as reach each request of the later stages, with a key and without one,
/// once and as often as one request of ours asks. The first stage has six requests, and a variant for each.
const ALL_STAGES: usize = 4;
const VARIANTS: usize = 6;

/// A request of a client, and those that it leads to at Stripe.
struct Stage {
    endpoint: &'static str,
    params: &'static [(&'static str, &'static str)],
    requests: &'static [(&'static str, &'static str)],
    /// How many payments there are afterwards.
    payments: usize,
}

/// What an application does from its first card to its end; the first one has a token beside.
static STAGES: [Stage; 5] = [
    Stage {
        endpoint: SUBSCRIBE,
        params: &[("product", "publish"), ("plan", "pro")],
        requests: &[
            ("POST", "/v1/customers"),
            ("POST", "/v1/payment_methods"),
            ("POST", "/v1/payment_methods/"),
            ("POST", "/v1/customers/"),
            ("GET", "/v1/subscriptions"),
            ("POST", "/v1/subscriptions"),
        ],
        payments: 1,
    },
    Stage {
        endpoint: SUBSCRIBE,
        params: &[("product", "publish"), ("plan", "small"), ("quantity", "2")],
        requests: &[("GET", "/v1/customers/"), ("GET", "/v1/subscriptions"), ("POST", "/v1/subscriptions/")],
        payments: 2,
    },
    Stage {
        endpoint: CANCEL,
        params: &[("product", "publish")],
        requests: &[("GET", "/v1/subscriptions"), ("POST", "/v1/subscriptions/")],
        payments: 2,
    },
    Stage {
        endpoint: CANCEL,
        params: &[("product", "publish"), ("atPeriodEnd", "false")],
        requests: &[("GET", "/v1/subscriptions"), ("DELETE", "/v1/subscriptions/")],
        payments: 2,
    },
    Stage {
        endpoint: TRIAL,
        params: &[("product", "analyze"), ("plan", "early-access-10")],
        requests: &[("GET", "/v1/customers/"), ("GET", "/v1/subscriptions"), ("POST", "/v1/subscriptions")],
        payments: 2,
    },
];

/// What happens to a request.
fn kinds() -> [Value; 5] {
    [
        json!({ "drop": "before" }),
        json!({ "drop": "after" }),
        json!({ "status": 500 }),
        json!({ "status": 500, "when": "after" }),
        json!({ "status": 429 }),
    ]
}

/// A card's token that is good once.
async fn token(subscriber: &Subscriber<'_>) -> String {
    let card = [("card[number]", "4242424242424242"), ("card[exp_month]", "12"), ("card[exp_year]", "2034")];
    text(&subscriber.stripe.post("/v1/tokens", &card).await["id"])
}

/// Repeats a request until it is done; answers how often it was put off.
async fn repeat(subscriber: &Subscriber<'_>, key: Option<&str>, stage: &Stage, token: Option<&str>) -> usize {
    let params = [stage.params, token.map(|it| ("stripeToken", it)).as_slice()].concat();
    for put_off in 0..REPEATS {
        let answer = match key {
            Some(key) => subscriber.post_as(key, stage.endpoint, &params).await,
            None => subscriber.post(stage.endpoint, &params).await,
        };
        if answer.status == 200 {
            assert_eq!(answer.text, SUCCESS);
            return put_off;
        }
        assert_eq!(answer.status, 503, "{key:?} {params:?}: {answer:?}");
        answer.is_error(503, 1000);
        assert!(answer.header("retry-after").parse::<u32>().is_ok(), "{answer:?}");
    }
    panic!("{} {params:?} is never done", stage.endpoint);
}

/// An application goes through the stages of a variant while each meets a fault; answers how often it was put off.
async fn run(subscriber: &Subscriber<'_>, kind: &Value, times: usize, variant: usize) -> usize {
    let (mut card, mut put_off) = (token(subscriber).await, 0);
    let stages = if variant < ALL_STAGES { &STAGES[..] } else { &STAGES[..1] };
    for (number, stage) in stages.iter().enumerate() {
        let (method, path) = stage.requests[variant % stage.requests.len()];
        let mut fault = kind.clone();
        (fault["method"], fault["path_prefix"], fault["times"]) = (json!(method), json!(path), json!(times));
        subscriber.stripe.control(Method::POST, "faults", fault).await;
        // with a key of the client's own, and without one
        let key = variant.is_multiple_of(2).then(|| format!("{kind}-{number}").replace('"', "'"));
        if path == "/v1/payment_methods" && kind["when"] == "after" {
            // Stripe has spent the token and says that it failed: nobody can know what became of it, and the card is given again
            let params = [stage.params, &[("stripeToken", &*card)]].concat();
            let spent = subscriber.post(stage.endpoint, &params).await;
            assert!(spent.status == 400 && spent.text.contains("more than once"), "{spent:?}");
            assert_eq!(subscriber.stripe.paid(&subscriber.customer().await).await, [] as [i64; 0]);
            card = token(subscriber).await;
        }
        put_off += repeat(subscriber, key.as_deref(), stage, (number == 0).then_some(&*card)).await;
        subscriber.stripe.control(Method::DELETE, "faults", Value::Null).await;
        let what = format!("{kind} at {method} {path}, {times} times");
        let paid = subscriber.stripe.paid(&subscriber.customer().await).await;
        assert_eq!(paid.len(), stage.payments, "{what}: {paid:?}");
        for product in PRODUCTS {
            assert_eq!(subscriber.shown(product).await, subscriber.truth(product).await, "{what}: {}", stage.endpoint);
        }
    }
    let started = subscriber.stripe.subscriptions(&subscriber.customer().await).await;
    // the first stage starts one, the last one the other
    let wanted = if stages.len() == STAGES.len() { 2 } else { 1 };
    assert_eq!(started.len(), wanted, "nothing was started twice: {started:?}");
    put_off
}

#[test]
fn a_request_that_stripe_fails_is_done_once_however_it_fails() {
    World::alone(async || {
        let data = tempfile::tempdir_in(project().join("target/tmp")).unwrap();
        let stack = own_stack(data.path(), &[]).await;
        let mut put_off = 0;
        for kind in kinds() {
            for variant in 0..VARIANTS {
                let world = World::open(&stack).await;
                // three are as many as one request makes
                let times = if variant % 3 == 0 { 3 } else { 1 };
                put_off += run(&Subscriber::new(&world), &kind, times, variant).await;
            }
        }
        println!("put off {put_off} times");
        assert!(put_off > 5, "some failures reach the client");
        let account = StripeAccount::of(&stack);
        let pending = async || account.control(Method::GET, "webhooks", Value::Null).await["pending"].clone();
        until("all events have come", async || (pending().await == json!([])).then_some(())).await;
    });
}

#[test]
fn a_request_that_takes_too_long_is_put_off_and_goes_on() {
    World::alone(async || {
        let data = tempfile::tempdir_in(project().join("target/tmp")).unwrap();
        let stack = own_stack(data.path(), &[("BillingSeconds", "8")]).await;
        let world = World::open(&stack).await;
        let subscriber = Subscriber::new(&world);
        // longer than the function has: it answers before, and Stripe carries the request out all the same
        let slow = json!({ "method": "POST", "path_prefix": "/v1/subscriptions", "delay_ms": 5_000 });
        subscriber.stripe.control(Method::POST, "faults", slow).await;
        let token = token(&subscriber).await;
        let put_off = repeat(&subscriber, Some("slow"), &STAGES[0], Some(&token)).await;
        assert!(put_off > 0, "it took too long");
        let customer = subscriber.customer().await;
        assert_eq!(subscriber.stripe.paid(&customer).await, [1_500]);
        assert_eq!(subscriber.stripe.subscriptions(&customer).await.len(), 1);
        subscriber.settled().await;
    });
}

#[test]
fn a_request_whose_answer_is_lost_keeps_other_ones_away_until_it_comes_again() {
    World::alone(async || {
        let data = tempfile::tempdir_in(project().join("target/tmp")).unwrap();
        let stack = own_stack(data.path(), &[("BillingSeconds", "8")]).await;
        let world = World::open(&stack).await;
        let subscriber = Subscriber::new(&world);
        let lost = json!({ "method": "POST", "path_prefix": "/v1/subscriptions", "drop": "before", "times": 3 });
        subscriber.stripe.control(Method::POST, "faults", lost).await;
        let token = token(&subscriber).await;
        let first = [("product", "publish"), ("plan", "pro"), ("stripeToken", token.as_str())];
        let other = [("product", "publish"), ("plan", "small")];
        subscriber.post_as("first", SUBSCRIBE, &first).await.is_error(503, 1000);
        // Stripe may still be starting the first subscription: this one would be a second
        subscriber.post_as("other", SUBSCRIBE, &other).await.is_error(503, 1000);
        let customer = subscriber.customer().await;
        assert_eq!(subscriber.stripe.subscriptions(&customer).await.len(), 0);
        subscriber.post_as("first", SUBSCRIBE, &first).await.is_success();
        subscriber.post_as("other", SUBSCRIBE, &other).await.is_success();
        assert_eq!(subscriber.stripe.subscriptions(&customer).await.len(), 1);
        subscriber.settled().await;
    });
}

#[test]
fn a_wrong_key_of_the_deployment_is_not_the_clients_fault_and_no_secret_comes_out() {
    World::alone(async || {
        let data = tempfile::tempdir_in(project().join("target/tmp")).unwrap();
        let wrong = "sk_test_0000000000000000000000000000";
        let stack = own_stack(data.path(), &[("StripeSecretKey", wrong)]).await;
        let world = World::open(&stack).await;
        let subscriber = Subscriber::new(&world);
        let answer = subscriber.post(TRIAL, STAGES[4].params).await;
        let text = answer.is_error(500, 1000);
        assert!(text == "An unknown error occurred." && !answer.text.contains(wrong), "{answer:?}");
        let log = std::fs::read_to_string(data.path().join("events.log")).unwrap();
        assert!(log.contains("Stripe answers 401 to our key") && !log.contains(wrong), "the operator reads why");
    });
}

#[test]
fn a_deployment_without_stripe_says_so_and_limits_nothing() {
    World::alone(async || {
        let data = tempfile::tempdir_in(project().join("target/tmp")).unwrap();
        for without in [("StripeSecretKey", ""), ("BillingPlans", "")] {
            let folder = data.path().join(without.0);
            std::fs::create_dir_all(&folder).unwrap();
            let stack = own_stack(&folder, &[without]).await;
            let world = World::open(&stack).await;
            let subscriber = Subscriber::new(&world);
            for (method, endpoint) in [("GET", RETRIEVE), ("GET", "plans"), ("POST", TRIAL), ("POST", CANCEL)] {
                let request = subscriber.request(method, endpoint).query(&[("product", "publish")]);
                let text = Answer::to(request).await.is_error(501, 1000);
                assert_eq!(text, "Billing is not set up in this deployment. Nothing is limited.", "{endpoint}");
            }
            let (status, told) =
                world.ask("POST", "/api/v1/Notification/Messages", Some(json!({ "type": "anything" }))).await;
            assert_eq!(status, 202, "{told}");
        }
    });
}
