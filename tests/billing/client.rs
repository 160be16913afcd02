//! A client of the billing endpoints, on the wire, with forms or JSON: no code of the product in it.

use reqwest::RequestBuilder;
use reqwest::header::HeaderMap;
use serde_json::{Map, Value, json};
use system_tests::stripe::StripeAccount;
use system_tests::{World, look_again, text, until};

/// How often a request is made again that was put off.
const PUT_OFF: usize = 400;

/// The published answer of a success, byte for byte.
pub(crate) const SUCCESS: &str = "{\n    \"success\": true\n}";
pub(crate) const RETRIEVE: &str = "retrieve-billing-data";
pub(crate) const TRIAL: &str = "start-trial";
pub(crate) const CANCEL_TRIAL: &str = "cancel-trial";
pub(crate) const SUBSCRIBE: &str = "start-or-update-subscription";
pub(crate) const CANCEL: &str = "cancel-subscription";
/// The products of the stack's plans.
pub(crate) const PRODUCTS: [&str; 2] = ["publish", "analyze"];

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Form,
    Json,
}

impl Encoding {
    pub(crate) const BOTH: [Self; 2] = [Self::Form, Self::Json];

    /// Adds a body to a request.
    pub(crate) fn write(self, request: RequestBuilder, params: &[(&str, &str)]) -> RequestBuilder {
        match self {
            Self::Form => request.form(params),
            Self::Json => {
                let members = params.iter().map(|(name, value)| ((*name).to_owned(), typed(value)));
                request.json(&Value::Object(members.collect::<Map<_, _>>()))
            }
        }
    }
}

/// A value as JSON has it: a number, a flag, `null`, or else a text.
fn typed(value: &str) -> Value {
    match serde_json::from_str(value) {
        Ok(it @ (Value::Number(_) | Value::Bool(_) | Value::Null)) => it,
        _ => json!(value),
    }
}

/// What the API answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) async fn to(request: RequestBuilder) -> Self {
        let answer = request.send().await.expect("the API answers");
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Self { status, headers, text: answer.text().await.expect("a body") }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default()
    }

    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), "application/json", "{self:?}");
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Checks that it is the documented success.
    #[track_caller]
    pub(crate) fn is_success(&self) {
        assert_eq!((self.status, self.text.as_str()), (200, SUCCESS), "{self:?}");
    }

    /// Checks that it is an error of this status and code, in the documented shape; answers its text.
    #[track_caller]
    pub(crate) fn is_error(&self, status: u16, code: u16) -> String {
        let body = self.json();
        assert_eq!((self.status, &body["code"]), (status, &json!(code)), "{self:?}");
        let text = text(&body["error"]);
        assert_eq!(self.text, format!("{{\n    \"code\": {code},\n    \"error\": {}\n}}", json!(text)), "{self:?}");
        text
    }
}

/// An application that subscribes, and the account at Stripe that it pays to.
pub(crate) struct Subscriber<'a> {
    pub(crate) world: &'a World<'a>,
    pub(crate) stripe: StripeAccount,
}

impl<'a> Subscriber<'a> {
    pub(crate) fn new(world: &'a World<'a>) -> Self {
        Self { world, stripe: StripeAccount::of(world.stack) }
    }

    /// A request to an endpoint, without credentials.
    pub(crate) fn bare(&self, method: &str, endpoint: &str) -> RequestBuilder {
        let url = format!("{}/1/billing/{endpoint}.json", self.world.stack.url);
        self.world.http.request(method.parse().expect("a method"), url)
    }

    /// A request to an endpoint, with the application's key pair.
    pub(crate) fn request(&self, method: &str, endpoint: &str) -> RequestBuilder {
        let keys = &self.world.keys;
        let request = self.bare(method, endpoint).header("x-api-key", &keys.api_key);
        request.header("x-api-secret", &keys.api_secret)
    }

    /// Posts a form.
    pub(crate) async fn post(&self, endpoint: &str, params: &[(&str, &str)]) -> Answer {
        Answer::to(Encoding::Form.write(self.request("POST", endpoint), params)).await
    }

    /// Posts a form under an idempotency key.
    pub(crate) async fn post_as(&self, key: &str, endpoint: &str, params: &[(&str, &str)]) -> Answer {
        let request = self.request("POST", endpoint).header("idempotency-key", key);
        Answer::to(Encoding::Form.write(request, params)).await
    }

    /// Posts a form, which succeeds: as clients do, again if it is put off, as a function that has just started may have to.
    #[track_caller]
    pub(crate) fn done(&self, endpoint: &str, params: &[(&str, &str)]) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let mut answer = self.post(endpoint, params).await;
            for _ in 0..PUT_OFF {
                if answer.status != 503 {
                    break;
                }
                look_again().await;
                answer = self.post(endpoint, params).await;
            }
            assert_eq!((answer.status, answer.text.as_str()), (200, SUCCESS), "at {caller}: {answer:?}");
        }
    }

    /// The subscriptions of a product, as the API answers.
    pub(crate) async fn shown(&self, product: &str) -> Vec<Value> {
        let answer = Answer::to(self.request("GET", RETRIEVE).query(&[("product", product)])).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let body = answer.json();
        assert_eq!(body["success"], true, "{body}");
        body["data"]["subscriptions"].as_array().cloned().expect("a list")
    }

    /// The only subscription of a product, as the API answers.
    pub(crate) async fn only(&self, product: &str) -> Value {
        let mut shown = self.shown(product).await;
        assert_eq!(shown.len(), 1, "{shown:?}");
        shown.remove(0)
    }

    /// The application's customer at Stripe.
    pub(crate) async fn customer(&self) -> String {
        let found = self.stripe.customer_of(&self.world.keys.application_id).await;
        found.expect("the application has a customer")
    }

    /// The only live subscription of a product, as Stripe has it.
    pub(crate) async fn remote(&self, product: &str) -> Value {
        let all = self.stripe.subscriptions(&self.customer().await).await;
        let mut live: Vec<Value> = all.into_iter().filter(|it| is_live(it) && product_of(it) == product).collect();
        assert_eq!(live.len(), 1, "{live:?}");
        live.remove(0)
    }

    /// What the API has to answer of a product, from what Stripe has.
    pub(crate) async fn truth(&self, product: &str) -> Vec<Value> {
        let Some(customer) = self.stripe.customer_of(&self.world.keys.application_id).await else { return Vec::new() };
        let all = self.stripe.subscriptions(&customer).await;
        all.iter().filter(|it| is_live(it) && product_of(it) == product).map(as_shown).collect()
    }

    /// Waits until what the API answers of all products is what Stripe has.
    pub(crate) async fn settled(&self) {
        for product in PRODUCTS {
            let what = format!("what is known of {product} is what Stripe has");
            until(&what, async || (self.shown(product).await == self.truth(product).await).then_some(())).await;
        }
    }

    /// The types of the notifications of billing so far, oldest first, each with its plan.
    pub(crate) async fn published(&self) -> Vec<(String, String)> {
        let page = self.world.get("/api/v1/Notification/Messages?limit=100&type=billing.*").await;
        let mut all = page["items"].as_array().cloned().unwrap_or_default();
        all.sort_by_key(|it| it["sequence"].as_u64());
        all.iter().map(|it| (text(&it["type"]), text(&it["data"]["plan"]))).collect()
    }
}

/// Whether a subscription of Stripe's is live.
pub(crate) fn is_live(subscription: &Value) -> bool {
    let live = ["trialing", "active", "past_due", "unpaid", "paused", "incomplete"];
    live.contains(&text(&subscription["status"]).as_str())
}

/// The parts of the only price's id: `price_{product}_{plan}_{cycle}`.
fn price_of(subscription: &Value) -> (String, String, String) {
    let id = text(&subscription["items"]["data"][0]["price"]["id"]);
    let parts: Vec<&str> = id.split('_').collect();
    let [_, product, plan @ .., cycle] = parts.as_slice() else { panic!("{id} is no price of the stack's") };
    ((*product).to_owned(), plan.join("-"), (*cycle).to_owned())
}

pub(crate) fn product_of(subscription: &Value) -> String {
    price_of(subscription).0
}

/// A subscription of Stripe's in the published shape.
fn as_shown(subscription: &Value) -> Value {
    let (_, plan, cycle) = price_of(subscription);
    let (item, status) = (&subscription["items"]["data"][0], text(&subscription["status"]));
    let is_trialing = status == "trialing";
    json!({
        "plan_name": plan, "quantity": item["quantity"], "cycle": cycle, "current_period_end": item["current_period_end"],
        "cancel_at_period_end": subscription["cancel_at_period_end"] == true || subscription["cancel_at"].is_i64(),
        "is_paying": status == "active" || status == "past_due", "is_trialing": is_trialing, "is_trial": is_trialing,
    })
}
