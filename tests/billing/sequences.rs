//! Any sequence of requests, of Stripe's own changes, of time, lost events and failures ends with our rows as Stripe has it;
//! and no request is paid twice.

use reqwest::Method;
use serde_json::{Value, json};
use system_tests::{Dice, World, own_stack, project, setting, text};

use super::client::{Answer, CANCEL, CANCEL_TRIAL, PRODUCTS, SUBSCRIBE, Subscriber, TRIAL, is_live, product_of};

/// How often a client repeats a request, at most.
const REPEATS: usize = 20;
const DAY: i64 = 86_400;

/// A request: its key, its endpoint and its parameters.
type Request = (String, &'static str, Vec<(&'static str, String)>);

/// A client, whose steps the dice choose.
struct Client<'a> {
    subscriber: Subscriber<'a>,
    dice: Dice,
    /// Requests so far.
    requests: usize,
    last: Option<Request>,
    /// Whether Stripe fails now and then.
    fails: bool,
    /// What was done, for whoever looks into a failure.
    done: Vec<String>,
}

/// What Stripe has of a customer.
#[derive(Default)]
struct Counts {
    paid: usize,
    all: usize,
    /// Those of the product that has most.
    live: usize,
    is_paused: bool,
}

impl Client<'_> {
    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.dice.roll(all.len() as u64)).unwrap()]
    }

    fn is_chosen(&mut self, percent: u64) -> bool {
        self.dice.roll(100) < percent
    }

    async fn customer(&self) -> Option<String> {
        self.subscriber.stripe.customer_of(&self.subscriber.world.keys.application_id).await
    }

    async fn counts(&self) -> Counts {
        let Some(customer) = self.customer().await else { return Counts::default() };
        let paid = self.subscriber.stripe.paid(&customer).await.len();
        let all = self.subscriber.stripe.subscriptions(&customer).await;
        let live = |product: &str| all.iter().filter(|it| is_live(it) && product_of(it) == product).count();
        let is_paused = all.iter().any(|it| it["status"] == "paused");
        Counts { paid, all: all.len(), live: PRODUCTS.map(live).into_iter().max().unwrap(), is_paused }
    }

    /// What a request says.
    fn request(&mut self) -> (&'static str, Vec<(&'static str, String)>) {
        let endpoint = self.one_of(&[SUBSCRIBE, SUBSCRIBE, SUBSCRIBE, TRIAL, CANCEL, CANCEL, CANCEL_TRIAL]);
        let product = self.one_of(&PRODUCTS);
        let plan = match product {
            "publish" => self.one_of(&["pro", "small", "business", "agency"]),
            _ => self.one_of(&["early-access-10", "early-access-100"]),
        };
        let mut params = vec![("product", product.to_owned())];
        match endpoint {
            SUBSCRIBE | TRIAL => {
                params.push(("plan", plan.to_owned()));
                if self.is_chosen(40) {
                    params.push(("cycle", self.one_of(&["month", "year", "null"]).to_owned()));
                }
                if self.is_chosen(40) {
                    params.push(("quantity", (self.dice.roll(3) + 1).to_string()));
                }
            }
            CANCEL if self.is_chosen(50) => params.push(("atPeriodEnd", "false".to_owned())),
            _ => {}
        }
        if endpoint == SUBSCRIBE && self.is_chosen(60) {
            let card = self.one_of(&[
                "tok_visa",
                "tok_mastercard",
                "tok_visa",
                "tok_chargeCustomerFail",
                "tok_chargeDeclined",
            ]);
            params.push(("stripeToken", card.to_owned()));
        }
        (endpoint, params)
    }

    /// Sends a request until it is answered, whatever fails; answers how.
    async fn send(&mut self, key: &str, endpoint: &str, params: &[(&'static str, String)]) -> Answer {
        let params: Vec<(&str, &str)> = params.iter().map(|(name, value)| (*name, value.as_str())).collect();
        for _ in 0..REPEATS {
            if self.fails && self.is_chosen(50) {
                let kinds = [
                    json!({ "drop": "before" }),
                    json!({ "drop": "after" }),
                    json!({ "status": 500 }),
                    json!({ "status": 500, "when": "after" }),
                    json!({ "status": 429 }),
                ];
                let mut fault = kinds[self.one_of(&[0, 1, 2, 3, 4])].clone();
                fault["times"] = json!(self.one_of(&[1, 2, 3]));
                self.subscriber.stripe.control(Method::POST, "faults", fault).await;
            }
            let answer = self.subscriber.post_as(key, endpoint, &params).await;
            self.subscriber.stripe.control(Method::DELETE, "faults", Value::Null).await;
            if answer.status != 503 {
                return answer;
            }
        }
        panic!("{endpoint} {params:?} is never answered: {:#?}", self.done);
    }

    /// A new request, or the last one again.
    async fn call(&mut self) {
        let is_repeat = self.last.is_some() && self.is_chosen(20);
        if !is_repeat {
            let (endpoint, params) = self.request();
            self.requests += 1;
            self.last = Some((format!("request-{}", self.requests), endpoint, params));
        }
        let (key, endpoint, params) = self.last.clone().unwrap();
        let before = self.counts().await;
        let answer = self.send(&key, endpoint, &params).await;
        let after = self.counts().await;
        self.done.push(format!("{endpoint} {params:?} as {key}: {} {}", answer.status, answer.text.replace('\n', "")));
        assert!(matches!(answer.status, 200 | 400 | 402 | 404), "{:#?}", self.done);
        let (payments, subscriptions) = (after.paid - before.paid, after.all - before.all);
        // what resumes may be upgraded beside
        let most = if before.is_paused { 2 } else { 1 };
        assert!(payments <= most && subscriptions <= 1, "{payments} {subscriptions}: {:#?}", self.done);
        assert!(answer.status == 200 || payments == 0, "nothing is paid for a refusal: {:#?}", self.done);
        let is_replayed = answer.header("idempotency-replayed") == "true";
        assert!(!is_replayed || (payments, subscriptions) == (0, 0), "{:#?}", self.done);
        assert!(after.live <= before.live.max(1), "there is one subscription of a product: {:#?}", self.done);
        if answer.status == 200 && !is_replayed {
            let product = &params[0].1;
            let (shown, truth) = (self.subscriber.shown(product).await, self.subscriber.truth(product).await);
            assert_eq!(shown, truth, "{:#?}", self.done);
        }
    }

    /// Something that happens without a request.
    async fn happen(&mut self) {
        let Some(customer) = self.customer().await else { return };
        let what = self.one_of(&["time", "time", "hand", "lost", "held", "released"]);
        self.done.push(what.to_owned());
        let webhooks = match what {
            "time" => {
                let days = i64::try_from(self.dice.roll(40)).unwrap() + 1;
                self.subscriber.stripe.advance(&customer, days * DAY).await;
                return;
            }
            "hand" => {
                let all = self.subscriber.stripe.subscriptions(&customer).await;
                if let Some(it) = all.iter().find(|it| matches!(text(&it["status"]).as_str(), "active" | "trialing")) {
                    let ends = (it["cancel_at_period_end"] != true).to_string();
                    let path = format!("/v1/subscriptions/{}", text(&it["id"]));
                    self.subscriber.stripe.post(&path, &[("cancel_at_period_end", &ends)]).await;
                }
                return;
            }
            "lost" => json!({ "discard": true, "customer": customer }),
            "held" => json!({ "hold": true, "shuffle": true, "copies": 2, "customer": customer }),
            _ => json!({ "hold": false, "customer": customer }),
        };
        self.subscriber.stripe.control(Method::POST, "webhooks", webhooks).await;
    }

    /// All events that are left come, and the daily look.
    async fn settle(&mut self) {
        let Some(customer) = self.customer().await else { return };
        let all = json!({ "hold": false, "customer": customer });
        self.subscriber.stripe.control(Method::POST, "webhooks", all).await;
        let look = json!({ "v": 1, "subject": { "app": self.subscriber.world.keys.application_id } });
        self.subscriber.world.queue("BillingQueue", &look.to_string());
        self.subscriber.settled().await;
    }
}

#[test]
fn any_sequence_ends_with_what_stripe_has_and_is_paid_once() {
    World::alone(async || {
        let data = tempfile::tempdir_in(project().join("target/tmp")).unwrap();
        let stack = own_stack(data.path(), &[]).await;
        let (sequences, steps) = (setting("SEQUENCES").unwrap_or(8), setting("STEPS").unwrap_or(16));
        for number in 0..sequences {
            let world = World::open(&stack).await;
            let dice = Dice(world.seed.wrapping_add(number));
            let subscriber = Subscriber::new(&world);
            let mut client =
                Client { subscriber, dice, requests: 0, last: None, fails: number % 2 == 1, done: Vec::new() };
            for _ in 0..steps {
                if client.is_chosen(65) { client.call().await } else { client.happen().await }
            }
            client.settle().await;
            println!("{number}: {:#?}", client.done);
        }
    });
}
