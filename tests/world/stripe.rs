//! Stripe, as a test sees it: the API of an account, and the controls that the stack's emulator has beside it.

use local::Stack;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{http, text};

/// The version of the API that the tests read.
const VERSION: &str = "2026-09-30.endive";
/// Customers that are looked through for one, in pages of a hundred.
const MAX_PAGES: usize = 100;

/// An account at Stripe, or at its emulator.
pub struct StripeAccount {
    pub url: String,
    pub secret_key: String,
    /// The secret of the stack's webhook endpoint.
    pub webhook_secret: String,
    http: reqwest::Client,
}

impl StripeAccount {
    /// The account of a stack.
    pub fn of(stack: &Stack) -> Self {
        let (url, secret_key) = (stack.stripe.url().to_owned(), stack.stripe.secret_key().to_owned());
        Self { url, secret_key, webhook_secret: stack.stripe.webhook_secret().to_owned(), http: http() }
    }

    /// The account of a key at Stripe itself.
    pub fn real(secret_key: &str) -> Self {
        let url = "https://api.stripe.com".to_owned();
        Self { url, secret_key: secret_key.to_owned(), webhook_secret: String::new(), http: http() }
    }

    /// Asks the API; answers status and body.
    pub async fn ask(&self, method: Method, path: &str, parameters: &[(&str, &str)]) -> (u16, Value) {
        let is_post = method == Method::POST;
        let request = self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.secret_key);
        let request = request.header("stripe-version", VERSION);
        let request = if is_post { request.form(parameters) } else { request.query(parameters) };
        let answer = request.send().await.expect("Stripe answers");
        (answer.status().as_u16(), answer.json().await.expect("JSON"))
    }

    /// Reads from the API.
    pub async fn get(&self, path: &str, query: &[(&str, &str)]) -> Value {
        let (status, body) = self.ask(Method::GET, path, query).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// Changes something by the API.
    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Value {
        let (status, body) = self.ask(Method::POST, path, form).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// What a control of the emulator answers.
    pub async fn control(&self, method: Method, path: &str, body: Value) -> Value {
        let request = self.http.request(method, format!("{}/_control/{path}", self.url));
        let request = if body.is_null() { request } else { request.json(&body) };
        let answer = request.send().await.expect("the emulator answers");
        let (status, body) = (answer.status(), answer.json::<Value>().await.expect("JSON"));
        assert!(status.is_success(), "{path}: {body}");
        body
    }

    /// The customer of an application, if it has one; the newest of several.
    pub async fn customer_of(&self, application: &str) -> Option<String> {
        let mut last: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let mut query = vec![("limit", "100")];
            query.extend(last.as_deref().map(|it| ("starting_after", it)));
            let page = self.get("/v1/customers", &query).await;
            let customers = page["data"].as_array().cloned().unwrap_or_default();
            if let Some(it) = customers.iter().find(|it| it["metadata"]["tenant"] == application) {
                return Some(text(&it["id"]));
            }
            last = customers.last().filter(|_| page["has_more"] == true).map(|it| text(&it["id"]));
            last.as_ref()?;
        }
        None
    }

    /// All subscriptions of a customer, oldest first.
    pub async fn subscriptions(&self, customer: &str) -> Vec<Value> {
        let query = [("customer", customer), ("status", "all"), ("limit", "100")];
        let mut all = elements(&self.get("/v1/subscriptions", &query).await["data"]);
        all.sort_by_key(|it| (it["created"].as_i64(), text(&it["id"])));
        all
    }

    /// What a customer has paid, in cents, charge by charge, oldest first.
    pub async fn paid(&self, customer: &str) -> Vec<i64> {
        let query = [("customer", customer), ("limit", "100")];
        let mut all = elements(&self.get("/v1/charges", &query).await["data"]);
        all.retain(|it| it["status"] == "succeeded");
        all.reverse();
        all.iter().filter_map(|it| it["amount"].as_i64()).collect()
    }

    /// Moves the clock of a customer, which has one of its own from then on.
    pub async fn advance(&self, customer: &str, seconds: i64) {
        self.control(Method::POST, "clock", json!({ "advance_seconds": seconds, "customer": customer })).await;
    }

    /// The requests of the API so far whose path, parameters or key contain a text.
    pub async fn requests(&self, contains: &str) -> Vec<Value> {
        elements(&self.control(Method::GET, &format!("requests?contains={contains}"), Value::Null).await["requests"])
    }
}

fn elements(it: &Value) -> Vec<Value> {
    it.as_array().cloned().unwrap_or_default()
}
