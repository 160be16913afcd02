//! The channel API, as a customer's program calls it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use crate::{World, text};

/// Where channel configurations are.
pub const CHANNELS: &str = "/api/v1/Notification/ChannelConfiguration";

/// A client at an address of its own (RFC 1918), as API Gateway would see it: wrong credentials are counted by address,
/// and what one test tries is held against no other.
#[expect(clippy::disallowed_methods, reason = "the client of the tests' own servers")]
pub fn http() -> reqwest::Client {
    static CLIENTS: AtomicU32 = AtomicU32::new(1);
    let [_, a, b, c] = CLIENTS.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let address = HeaderValue::from_str(&format!("10.{a}.{b}.{c}")).expect("an address");
    reqwest::Client::builder()
        .default_headers(HeaderMap::from_iter([(HeaderName::from_static("x-forwarded-for"), address)]))
        .timeout(Duration::from_secs(60))
        .redirect(reqwest::redirect::Policy::none())
        .tls_certs_only([]) // nothing here speaks TLS: the system's certificates are not read for each client
        .build()
        .expect("a client")
}

impl World<'_> {
    /// Asks the channel API; every path gets the application's id. Answers status and body.
    pub async fn channels(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        form: Option<&[(&str, &str)]>,
    ) -> (u16, Value) {
        let request = self.http.request(method, format!("{}{path}", self.stack.url));
        let request = request.query(&[("applicationId", &self.keys.application_id)]).query(query);
        let request = request.header("x-api-key", &self.keys.api_key).header("x-api-secret", &self.keys.api_secret);
        let request = request.header("x-extended", "true");
        let answer = match form {
            Some(form) => request.form(form),
            None => request,
        };
        let answer = answer.send().await.expect("the API answers");
        let (status, body) = (answer.status().as_u16(), answer.text().await.expect("a body"));
        (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
    }

    /// Sends a test message to a channel; answers the notification's id.
    pub async fn send_test(&self, channel: &str) -> String {
        let path = format!("{CHANNELS}/Test");
        let (status, told) = self.channels(Method::POST, &path, &[("configurationId", channel)], None).await;
        assert_eq!(status, 202, "{told}");
        text(&told["notification"])
    }

    /// The record of a delivery, once it is in a state.
    pub async fn delivery(&self, channel: &str, notification: &str, state: &str) -> Value {
        let query = [("configurationId", channel), ("notification", notification)];
        self.until(&format!("the delivery is {state}"), async || {
            let (_, all) = self.channels(Method::GET, "/api/v1/Notification/Deliveries", &query, None).await;
            (all[0]["state"] == state).then(|| all[0].clone())
        })
        .await
    }

    /// Why a notification did or did not reach a channel.
    pub async fn explain(&self, channel: &str, notification: &str) -> Value {
        let query = [("configurationId", channel), ("notification", notification)];
        let (status, why) = self.channels(Method::GET, "/api/v1/Notification/Explain", &query, None).await;
        assert_eq!(status, 200, "{why}");
        why
    }
}

/// The outcomes of a delivery's attempts, in order.
pub fn outcomes(delivery: &Value) -> Vec<String> {
    let attempts = delivery["attempts"].as_array().cloned().unwrap_or_default();
    attempts.iter().map(|it| text(&it["outcome"])).collect()
}

impl World<'_> {
    /// Writes to the table behind the product's back, as an operator could: an operation of DynamoDB with its parameters.
    pub async fn write_row(&self, operation: &str, parameters: &Value) {
        let request = self.http.post(&self.stack.dynamodb_url).header("content-type", "application/x-amz-json-1.0");
        let request = request.header("x-amz-target", format!("DynamoDB_20120810.{operation}"));
        let request = request.header("x-amz-date", "20260101T000000Z").header("authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0");
        let answer = request.body(parameters.to_string()).send().await.expect("the table answers");
        assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap_or_default());
    }
}
