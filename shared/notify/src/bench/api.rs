//! Calls of the API by a benchmark.

use local::demo::ApplicationKeys;
use reqwest::Method;
use serde_json::Value;

use crate::client::{http_client, poll_delay, send_request};
use crate::error::CliError;

pub(super) const CHANNELS: &str = "/api/v1/Notification/ChannelConfiguration";
pub(super) const MESSAGES: &str = "/api/v1/Notification/Messages";

/// The API of a stack, with the keys of an application.
pub(super) struct Api {
    http: reqwest::Client,
    pub(super) url: String,
    pub(super) keys: ApplicationKeys,
}

impl Api {
    pub(super) fn new(url: String, keys: ApplicationKeys) -> Result<Self, CliError> {
        Ok(Self { http: http_client()?, url, keys })
    }

    /// Calls once; a body of `null` sends none.
    pub(super) async fn call(&self, method: &str, path: &str, body: &Value) -> Result<Value, CliError> {
        self.send(method, path, body, None).await
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        body: &Value,
        idempotency_key: Option<&str>,
    ) -> Result<Value, CliError> {
        let method = method.parse().unwrap_or(Method::GET);
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        request = request.header("x-api-key", &self.keys.api_key).header("x-api-secret", &self.keys.api_secret);
        request = request.header("x-extended", "true");
        if let Some(key) = idempotency_key {
            request = request.header("idempotency-key", key);
        }
        if !body.is_null() {
            request = request.json(body);
        }
        send_request(&self.url, "", path, request).await
    }

    /// Calls until the answer is neither that nobody is there nor that the server is busy or has failed. With a key a
    /// repeated POST changes nothing more.
    pub(super) async fn call_until_answered(
        &self,
        method: &str,
        path: &str,
        body: &Value,
        idempotency_key: Option<&str>,
    ) -> Result<Value, CliError> {
        loop {
            match self.send(method, path, body, idempotency_key).await {
                Err(CliError::Unreachable { .. }) => {}
                // 409: the first request with this key is still under way
                Err(CliError::ErrorResponse { status: 409 | 429 | 500.., .. }) => {}
                answered => return answered,
            }
            poll_delay().await;
        }
    }
}
