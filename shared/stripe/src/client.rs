//! Requests to Stripe: authentication, version, idempotency keys, repeats.

use std::time::Duration;

use domain::id::sha256_hex;
use domain::ssrf::AllowedNetworks;
use entry::{Meter, clock};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde::de::DeserializeOwned;

use crate::error::StripeError;
use crate::form::Form;

/// The version of the API that these requests and answers are of. An account's own version may be any other.
pub const VERSION: &str = "2026-09-30.endive";

/// The time limit of one request.
const TIMEOUT: Duration = Duration::from_secs(8);
/// How often a request is sent.
const MAX_ATTEMPTS: u32 = 3;
/// The largest response that is read.
const MAX_RESPONSE_BYTES: usize = 4 << 20;
/// The characters of an id that stay as they are in a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'-');

/// A client of Stripe, with the deployment's secret key.
#[derive(Clone)]
pub struct Stripe {
    http: guard::Client,
    url: String,
    secret_key: String,
    meter: Meter,
}

/// How Stripe knows a request again.
#[derive(Clone, Copy)]
pub(crate) enum RequestKey<'a> {
    /// By this key.
    Exact(&'a str),
    /// By this text together with the request itself, so that another request has another key.
    Derived(&'a str),
}

/// One request.
struct Call<'a> {
    method: Method,
    path: &'a str,
    form: Form,
    idempotency_key: Option<String>,
}

impl Stripe {
    /// A client of the API at `url`. No request is sent.
    ///
    /// # Errors
    /// If the system has no root certificates.
    pub fn new(url: &str, secret_key: String, allowed: &AllowedNetworks, meter: Meter) -> Result<Self, StripeError> {
        let http = guard::client(allowed, Some(TIMEOUT)).map_err(unreachable)?;
        Ok(Self { http, url: url.trim_end_matches('/').to_owned(), secret_key, meter })
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str, query: Form) -> Result<T, StripeError> {
        self.send(Call { method: Method::GET, path, form: query, idempotency_key: None }).await
    }

    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        form: Form,
        key: RequestKey<'_>,
    ) -> Result<T, StripeError> {
        let key = match key {
            RequestKey::Exact(key) => key.to_owned(),
            RequestKey::Derived(seed) => sha256_hex(format!("{seed}|{path}|{}", form.encoded()).as_bytes()),
        };
        self.send(Call { method: Method::POST, path, form, idempotency_key: Some(key) }).await
    }

    pub(crate) async fn delete<T: DeserializeOwned>(&self, path: &str, query: Form) -> Result<T, StripeError> {
        self.send(Call { method: Method::DELETE, path, form: query, idempotency_key: None }).await
    }

    /// Sends a request, up to three times as long as that can help. The repeats have the same idempotency key: Stripe does
    /// what they ask for once.
    async fn send<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, StripeError> {
        let mut attempt = 1;
        loop {
            let error = match self.attempt(&call).await {
                Ok(body) => return serde_json::from_slice(&body).map_err(|it| unreadable(&it)),
                Err(error) => error,
            };
            if attempt == MAX_ATTEMPTS || !error.is_worth_a_repeat() {
                return Err(error);
            }
            tracing::debug!(attempt, path = call.path, "the request to Stripe is repeated: {error}");
            // 250 and 500 ms, each longer by up to a half at random
            let pause = Duration::from_millis(250 << (attempt - 1));
            clock::pause(pause.mul_f64(1.0 + clock::random_fraction() / 2.0)).await;
            attempt += 1;
        }
    }

    async fn attempt(&self, call: &Call<'_>) -> Result<Vec<u8>, StripeError> {
        self.meter.count("stripe_requests");
        let (mut url, is_post) = (format!("{}{}", self.url, call.path), call.method == Method::POST);
        if !is_post && !call.form.is_empty() {
            url = format!("{url}?{}", call.form.encoded());
        }
        let request = self.http.request(call.method.clone(), url).header("stripe-version", VERSION);
        let mut request = request.bearer_auth(&self.secret_key);
        if let Some(key) = &call.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        if is_post {
            let kind = "application/x-www-form-urlencoded";
            request = request.header(CONTENT_TYPE, kind).body(call.form.encoded());
        }
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let replayed = response.headers().get("idempotent-replayed").is_some_and(|it| it == "true");
        let body = read_body(response).await;
        if status.is_success() {
            return body;
        }
        // the status counts even without its body
        Err(StripeError::from_response(status.as_u16(), replayed, &body.unwrap_or_default()))
    }
}

/// A path with an id in it.
pub(crate) fn path_of(collection: &str, id: &str) -> String {
    format!("/v1/{collection}/{}", utf8_percent_encode(id, SEGMENT))
}

async fn read_body(mut response: reqwest::Response) -> Result<Vec<u8>, StripeError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MAX_RESPONSE_BYTES {
            return Err(StripeError::Unreadable(format!("it has more than {MAX_RESPONSE_BYTES} bytes")));
        }
    }
    Ok(bytes)
}

/// A request that did not get a whole answer, with the text of the innermost cause.
fn unreachable(error: reqwest::Error) -> StripeError {
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    StripeError::Unreachable(cause.to_string().chars().take(200).collect())
}

/// An answer that does not have the documented form. What it holds is not said: it may be a secret.
fn unreadable(error: &serde_json::Error) -> StripeError {
    StripeError::Unreadable(format!("{:?} at column {} of line {}", error.classify(), error.column(), error.line()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_stays_one_segment_of_a_path() {
        for (id, want) in
            [("sub_1Ab-c", "/v1/subscriptions/sub_1Ab-c"), ("a/../b?c#d", "/v1/subscriptions/a%2F%2E%2E%2Fb%3Fc%23d")]
        {
            assert_eq!(path_of("subscriptions", id), want);
        }
    }
}
