//! Billing, killed between any two of its steps: whoever repeats a request gets what was asked for, and pays for it once.

use futures_util::{StreamExt, stream};
use reqwest::Method;
use serde_json::{Value, json};
use system_tests::{World, look_again, project, text, until};

use super::client::{CANCEL, SUBSCRIBE, Subscriber, TRIAL};
use crate::faults::proxy::{KillingProxy, proxied_stack};

/// How often a client repeats a request, at most.
const REPEATS: usize = 200;
/// Clients that repeat at a time: a function has four processes here.
const AT_ONCE: usize = 3;

const PRO: &[(&str, &str)] = &[("product", "publish"), ("plan", "pro")];
const STARTED: &str = "billing.subscription.started";

/// A request that is killed.
struct Scenario {
    /// What went before.
    before: &'static [(&'static str, &'static [(&'static str, &'static str)])],
    endpoint: &'static str,
    params: &'static [(&'static str, &'static str)],
    /// Whether it brings a card, whose token is good once.
    has_token: bool,
    /// How many payments there are afterwards, and what was published.
    payments: usize,
    published: &'static [&'static str],
}

const WITH_CARD: &[(&str, &str)] = &[("product", "publish"), ("plan", "pro"), ("stripeToken", "tok_visa")];

static SCENARIOS: [Scenario; 6] = [
    Scenario { before: &[], endpoint: SUBSCRIBE, params: PRO, has_token: true, payments: 1, published: &[STARTED] },
    Scenario {
        before: &[(SUBSCRIBE, WITH_CARD)],
        endpoint: SUBSCRIBE,
        params: &[("product", "publish"), ("plan", "small"), ("quantity", "2")],
        has_token: false,
        payments: 2,
        published: &[STARTED, "billing.subscription.updated"],
    },
    Scenario {
        before: &[(TRIAL, PRO)],
        endpoint: SUBSCRIBE,
        params: PRO,
        has_token: true,
        payments: 1,
        published: &["billing.trial.started", STARTED],
    },
    Scenario {
        before: &[],
        endpoint: TRIAL,
        params: PRO,
        has_token: false,
        payments: 0,
        published: &["billing.trial.started"],
    },
    Scenario {
        before: &[(SUBSCRIBE, WITH_CARD)],
        endpoint: CANCEL,
        params: &[("product", "publish")],
        has_token: false,
        payments: 1,
        published: &[STARTED, "billing.subscription.cancelled"],
    },
    Scenario {
        before: &[(SUBSCRIBE, WITH_CARD)],
        endpoint: CANCEL,
        params: &[("product", "publish"), ("atPeriodEnd", "false")],
        has_token: false,
        payments: 1,
        published: &[STARTED, "billing.subscription.cancelled", "billing.subscription.ended"],
    },
];

/// The steps at which a function is killed that makes one request after the other: before the first, and after each. What it leaves
/// behind before a later request is what it leaves behind after the one in front of it.
fn steps() -> impl Iterator<Item = usize> {
    std::iter::once(0).chain((1..).step_by(2))
}

/// A client whose request was killed.
struct Killed<'a> {
    world: World<'a>,
    token: Option<String>,
    step: usize,
}

impl Killed<'_> {
    /// Sends the request again, as before; answers its status.
    async fn send(&self, scenario: &Scenario) -> u16 {
        let params = [scenario.params, self.token.as_deref().map(|it| ("stripeToken", it)).as_slice()].concat();
        let answer = Subscriber::new(&self.world).post_as("killed", scenario.endpoint, &params).await;
        assert!(answer.status == 200 || answer.status >= 500, "step {}: {answer:?}", self.step);
        answer.status
    }
}

/// A new client at each step of the request; each is killed at its own.
async fn kill_each<'a>(stack: &'a local::Stack, proxy: &KillingProxy, scenario: &Scenario) -> Vec<Killed<'a>> {
    let mut killed = Vec::new();
    for step in steps() {
        proxy.arm(None);
        let world = World::open(stack).await;
        let subscriber = Subscriber::new(&world);
        assert_eq!(subscriber.shown("publish").await, [] as [Value; 0]); // a process that was killed is replaced
        for (endpoint, params) in scenario.before {
            subscriber.done(endpoint, params).await;
        }
        let card = [("card[number]", "4242424242424242"), ("card[exp_month]", "12"), ("card[exp_year]", "2034")];
        let token = match scenario.has_token {
            true => Some(text(&subscriber.stripe.post("/v1/tokens", &card).await["id"])),
            false => None,
        };
        drop(subscriber);
        let client = Killed { world, token, step };
        proxy.arm(Some(step));
        client.send(scenario).await;
        killed.push(client);
        if proxy.requests() * 2 <= step {
            break; // it has ended before that step
        }
    }
    proxy.arm(None);
    killed
}

/// Repeats a request until it is done, and checks what came of it.
async fn check(client: &Killed<'_>, scenario: &Scenario) {
    let mut repeats = 0;
    while client.send(scenario).await != 200 {
        repeats += 1;
        assert!(repeats < REPEATS, "step {}: it is never done", client.step);
        look_again().await; // what the killed one holds ends by itself
    }
    let (subscriber, step) = (Subscriber::new(&client.world), client.step);
    let customer = subscriber.customer().await;
    let paid = subscriber.stripe.paid(&customer).await;
    assert_eq!(paid.len(), scenario.payments, "step {step}: {paid:?}");
    assert_eq!(subscriber.stripe.subscriptions(&customer).await.len(), 1, "step {step}");
    assert_eq!(subscriber.shown("publish").await, subscriber.truth("publish").await, "step {step}");
    let published: Vec<String> = subscriber.published().await.into_iter().map(|it| it.0).collect();
    assert_eq!(published, scenario.published, "step {step}");
}

#[test]
fn a_request_that_is_killed_at_any_step_is_done_once() {
    World::alone(async || {
        let data = tempfile::tempdir_in(project().join("target/tmp")).unwrap();
        let (stack, proxy) = proxied_stack(data.path(), "BillingApi", "billing-api", &[("BillingSeconds", "8")]).await;
        // the function has nothing else to do meanwhile
        let account = system_tests::stripe::StripeAccount::of(&stack);
        account.control(Method::POST, "webhooks", json!({ "hold": true })).await;
        // all before the first is repeated: what a killed one holds ends meanwhile
        let mut killed = Vec::new();
        for scenario in &SCENARIOS {
            let clients = kill_each(&stack, &proxy, scenario).await;
            println!("{} {:?}: killed at {} steps", scenario.endpoint, scenario.params, clients.len() - 1);
            assert!(clients.len() > 8, "{}", clients.len());
            killed.extend(clients.into_iter().map(|it| (it, scenario)));
        }
        stream::iter(&killed).for_each_concurrent(AT_ONCE, |(client, scenario)| check(client, scenario)).await;
        account.control(Method::POST, "webhooks", json!({ "hold": false })).await;
        let pending = async || account.control(Method::GET, "webhooks", Value::Null).await["pending"].clone();
        until("all events have come", async || (pending().await == json!([])).then_some(())).await;
        for (client, _) in &killed {
            Subscriber::new(&client.world).settled().await;
        }
    });
}

#[test]
fn a_look_that_is_killed_at_any_step_is_made_again() {
    World::alone(async || {
        let data = tempfile::tempdir_in(project().join("target/tmp")).unwrap();
        let (stack, proxy) = proxied_stack(data.path(), "BillingSync", "billing-sync", &[]).await;
        let world = World::open(&stack).await;
        let subscriber = Subscriber::new(&world);
        subscriber.done(SUBSCRIBE, WITH_CARD).await;
        let subscription = format!("/v1/subscriptions/{}", text(&subscriber.remote("publish").await["id"]));
        let look = json!({ "v": 1, "subject": { "app": world.keys.application_id } }).to_string();
        let change = async |number: usize| {
            let flag = if number.is_multiple_of(2) { "true" } else { "false" };
            subscriber.stripe.post(&subscription, &[("cancel_at_period_end", flag)]).await;
        };
        let is_idle = || stack.sqs.bodies("notifications-BillingQueue").unwrap().is_empty();
        let is_known = async || subscriber.shown("publish").await == subscriber.truth("publish").await;
        until("nothing is looked after", async || is_idle().then_some(())).await;
        // once to count the steps
        proxy.arm(None);
        change(0).await;
        until("the look is done", async || (is_known().await && is_idle()).then_some(())).await;
        let all = proxy.requests() * 2;
        assert!(all > 8, "{all}");
        for (number, step) in steps().take_while(|it| *it < all).enumerate() {
            proxy.arm(Some(step));
            change(number + 1).await;
            let is_killed = || proxy.requests() * 2 > step;
            until("the look is killed", async || (is_killed() || is_known().await).then_some(())).await;
            // its message comes back in some minutes: another one does as well
            world.queue("BillingQueue", &look);
            subscriber.settled().await;
        }
        println!("killed after each of {} requests, and before the first", all / 2);
        let published: Vec<String> = subscriber.published().await.into_iter().map(|it| it.0).collect();
        let [first, changes @ ..] = published.as_slice() else { panic!("nothing is published") };
        assert_eq!(first, STARTED);
        for (number, change) in changes.iter().enumerate() {
            let want = if number % 2 == 0 { "billing.subscription.cancelled" } else { "billing.subscription.updated" };
            assert_eq!(change, want, "each change once: {published:?}");
        }
    });
}
