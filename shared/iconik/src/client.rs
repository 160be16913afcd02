//! Requests to Iconik: headers, rate limit, retries, errors.

use std::sync::Arc;
use std::time::Duration;

use domain::AppId;
use domain::settings::{Settings, strip_api_suffix};
use domain::ssrf::{AllowedNetworks, check_url};
use entry::{Meter, Secrets, clock};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use table::{Table, TableError};
use time::OffsetDateTime;

use crate::rate_limit::{MAX_WAIT, RateLimiter, sleep};

/// Attempts of a request that can be repeated.
const MAX_ATTEMPTS: u32 = 4;
/// The largest response that is read.
const MAX_RESPONSE_BYTES: usize = 16 << 20;
/// The time limit of a request. Iconik's own limit for callbacks is 10 s.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// A client of Iconik for one application.
pub struct Iconik {
    pub(crate) http: reqwest::Client,
    pub(crate) allowed: AllowedNetworks,
    host: String,
    app_id: String,
    token: String,
    rate_limiter: Arc<RateLimiter>,
    meter: Meter,
}

/// Why a request to Iconik failed. The texts are shown to users.
#[derive(Debug, thiserror::Error)]
pub enum IconikError {
    /// 401. Never retried (section 3.17, 9): a token belongs to a user, and every further request would fail as well.
    #[error("Iconik refuses the credentials: {0}")]
    Unauthorized(String),
    #[error("Iconik does not know this any more")]
    NotFound,
    /// The rate limit is reached, ours or Iconik's own; a request is possible after this time.
    #[error("Iconik's rate limit is reached; the next request is possible in {} s", .0.whole_seconds())]
    RateLimited(time::Duration),
    #[error("Iconik answered {status}: {text}")]
    Response { status: u16, text: String },
    #[error("Iconik could not be reached: {0}")]
    Unreachable(String),
    #[error("Iconik is not set up for this application: {0}")]
    NotConfigured(String),
    #[error("could not read the rate limit of requests")]
    Table(#[from] TableError),
}

impl IconikError {
    /// Whether the same request may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::RateLimited(_) | Self::Unreachable(_) | Self::Table(_) => true,
            Self::Response { status, .. } => *status >= 500,
            Self::Unauthorized(_) | Self::NotFound | Self::NotConfigured(_) => false,
        }
    }
}

/// Makes the client that an application's settings describe. No request is sent.
///
/// # Errors
/// `NotConfigured` if a setting is missing or its address is refused.
pub async fn open(
    app: AppId,
    settings: &Settings,
    secrets: &Secrets,
    table: &Table,
    allowed: &AllowedNetworks,
    meter: &Meter,
) -> Result<Iconik, IconikError> {
    let missing = |what: &str| IconikError::NotConfigured(format!("{what} is missing"));
    let url = settings.iconik_url.as_deref().ok_or_else(|| missing("iconik_url"))?;
    let app_id = settings.iconik_app_id.clone().ok_or_else(|| missing("iconik_app_id"))?;
    let sealed = settings.iconik_access_token.as_ref().ok_or_else(|| missing("iconik_access_token"))?;
    let token = secrets.open(app, entry::secrets::ICONIK_TOKEN, sealed).await;
    let token = token.map_err(|error| IconikError::NotConfigured(entry::Chain(&error).to_string()))?;
    let token = String::from_utf8(token).map_err(|_| missing("a readable iconik_access_token"))?;
    let host = strip_api_suffix(url).to_owned();
    check_url(&host, allowed).map_err(|error| IconikError::NotConfigured(format!("iconik_url is refused: {error}")))?;
    let http = guard::client(allowed, None).map_err(|it| IconikError::Unreachable(it.to_string()))?;
    let pace = Arc::new(RateLimiter::new(table.clone(), &host, &app_id, settings.iconik_requests_per_second));
    Ok(Iconik { http, allowed: allowed.clone(), host, app_id, token, rate_limiter: pace, meter: meter.clone() })
}

impl Iconik {
    /// The name of the host, as items store it: `app.iconik.io`.
    pub fn host_name(&self) -> &str {
        self.host.split_once("://").map_or(self.host.as_str(), |it| it.1)
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value, IconikError> {
        self.send_with_retries(Method::GET, path, None).await
    }

    /// `None` if Iconik does not know what is asked for (any more).
    pub(crate) async fn get_optional(&self, path: &str) -> Result<Option<Value>, IconikError> {
        match self.get(path).await {
            Ok(answer) => Ok(Some(answer)),
            Err(IconikError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// For idempotent writes.
    pub(crate) async fn put(&self, path: &str, body: &Value) -> Result<Value, IconikError> {
        self.send_with_retries(Method::PUT, path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Result<Value, IconikError> {
        self.send_with_retries(Method::PATCH, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str, body: Option<&Value>) -> Result<Value, IconikError> {
        self.send_with_retries(Method::DELETE, path, body).await
    }

    /// For writes that create something each time: retried only after a response that says the request was not
    /// accepted.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value, IconikError> {
        let mut wait = time::Duration::milliseconds(250);
        for attempt in 1..=MAX_ATTEMPTS {
            match self.send(Method::POST, path, Some(body)).await {
                Err(IconikError::RateLimited(delay)) if attempt < MAX_ATTEMPTS && delay <= MAX_WAIT => wait = delay,
                result => return result,
            }
            sleep(wait.unsigned_abs()).await;
        }
        Err(IconikError::RateLimited(wait))
    }

    /// For reads whose parameters are a body.
    pub(crate) async fn post_query(&self, path: &str, body: &Value) -> Result<Value, IconikError> {
        self.send_with_retries(Method::POST, path, Some(body)).await
    }

    async fn send_with_retries(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, IconikError> {
        let mut attempt = 1;
        loop {
            let error = match self.send(method.clone(), path, body).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            // 250 ms, 500 ms, 1 s, each longer by up to a half at random
            let pause = 250 * (1 << (attempt - 1));
            let wait = match &error {
                IconikError::RateLimited(delay) if *delay > MAX_WAIT => return Err(error),
                IconikError::RateLimited(delay) => delay.unsigned_abs(),
                error if error.is_transient() => {
                    Duration::from_millis(pause).mul_f64(1.0 + clock::random_fraction() / 2.0)
                }
                _ => return Err(error),
            };
            if attempt == MAX_ATTEMPTS {
                return Err(error);
            }
            tracing::debug!(attempt, path, "the request to Iconik is retried: {error}");
            sleep(wait).await;
            attempt += 1;
        }
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, IconikError> {
        self.rate_limiter.acquire().await?.map_err(IconikError::RateLimited)?;
        self.meter.count("iconik_requests");
        let request = self.http.request(method.clone(), format!("{}{path}", self.host)).timeout(REQUEST_TIMEOUT);
        let request = request.header("app-id", &self.app_id).header("auth-token", &self.token);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let is_delete = method == Method::DELETE;
        let response = request.send().await.map_err(unreachable)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let (bytes, end) = read_body(response).await;
        if remaining(&headers).is_some_and(|it| it < 50) {
            self.rate_limiter.halve_permits().await;
        }
        match status {
            // the body of a deletion is not used
            status if status.is_success() && is_delete => Ok(Value::Null),
            status if status.is_success() && bytes.len() > MAX_RESPONSE_BYTES => {
                let text = format!("more than {MAX_RESPONSE_BYTES} bytes");
                Err(IconikError::Response { status: status.as_u16(), text })
            }
            status if status.is_success() && end.is_err() => end.map(|()| Value::Null),
            // a 204 has no body
            status if status.is_success() && bytes.is_empty() => Ok(Value::Null),
            status if status.is_success() => serde_json::from_slice(&bytes).map_err(|_| IconikError::Response {
                status: status.as_u16(),
                text: "something that is no JSON".to_owned(),
            }),
            StatusCode::UNAUTHORIZED => Err(IconikError::Unauthorized(error_text(&bytes))),
            StatusCode::NOT_FOUND => Err(IconikError::NotFound),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE if has_retry_delay(status, &headers) => {
                let delay = retry_delay(&headers, clock::now());
                self.rate_limiter.pause(delay).await?;
                Err(IconikError::RateLimited(delay))
            }
            status => Err(IconikError::Response { status: status.as_u16(), text: error_text(&bytes) }),
        }
    }
}

/// The messages of an error body, in either of its shapes (section 3.1.6), cut to 200 characters.
fn error_text(body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let texts: Vec<String> = match &body["errors"] {
        Value::Array(all) => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Value::Object(all) => {
            all.iter().map(|(field, it)| format!("{field}: {}", it.as_str().unwrap_or("wrong"))).collect()
        }
        _ => Vec::new(),
    };
    let text = if texts.is_empty() { "no reason given".to_owned() } else { texts.join("; ") };
    text.chars().take(200).collect()
}

fn remaining(headers: &HeaderMap) -> Option<u32> {
    headers.get("ratelimit-remaining")?.to_str().ok()?.trim().parse().ok()
}

/// Whether the response asks for a delay: a 429 always does, a 503 if it has `Retry-After`.
fn has_retry_delay(status: StatusCode, headers: &HeaderMap) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || headers.contains_key(RETRY_AFTER)
}

/// How long no request is sent: `Retry-After`, from 1 second to 5 minutes; by default 2 seconds.
fn retry_delay(headers: &HeaderMap, now: OffsetDateTime) -> time::Duration {
    let seconds = guard::retry_after(headers, now).unwrap_or(2).clamp(1, 300);
    time::Duration::seconds(seconds as i64)
}

/// A body as far as it was received, and whether it was received whole. An error status counts even without its body.
async fn read_body(mut response: reqwest::Response) -> (Vec<u8>, Result<(), IconikError>) {
    let mut bytes = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => return (bytes, Ok(())),
            Err(error) => return (bytes, Err(unreachable(error))),
        }
        if bytes.len() > MAX_RESPONSE_BYTES {
            return (bytes, Ok(()));
        }
    }
}

/// An answer with status 200 that does not have the documented form.
pub(crate) fn unreadable(what: &str, why: &dyn std::fmt::Display) -> IconikError {
    IconikError::Response { status: 200, text: format!("{what} that cannot be read: {why}") }
}

/// A request that did not get a whole answer. The text is that of the innermost cause: the error itself may name a
/// signed link.
pub(crate) fn unreachable(error: reqwest::Error) -> IconikError {
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    IconikError::Unreachable(cause.to_string().chars().take(200).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_shapes_of_errors_are_told() {
        assert_eq!(error_text(br#"{"errors":["Token is invalid"]}"#), "Token is invalid");
        assert_eq!(error_text(br#"{"errors":{"title":"required"}}"#), "title: required");
        assert_eq!(error_text(b"<html>"), "no reason given");
    }

    #[test]
    fn limits_are_read_from_headers() {
        let headers: HeaderMap = [("ratelimit-remaining", "7"), ("retry-after", "3")]
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .into_iter()
            .collect();
        let now = OffsetDateTime::UNIX_EPOCH;
        assert_eq!((remaining(&headers), retry_delay(&headers, now)), (Some(7), time::Duration::seconds(3)));
        assert_eq!(retry_delay(&HeaderMap::new(), now), time::Duration::seconds(2));
        for (value, want) in [("0", 1), ("86400", 300), ("Thu, 01 Jan 1970 00:00:30 GMT", 30), ("nonsense", 2)] {
            let headers: HeaderMap = [(RETRY_AFTER, value.parse().unwrap())].into_iter().collect();
            assert_eq!(retry_delay(&headers, now), time::Duration::seconds(want), "{value}");
        }
        for (status, headers, want) in
            [(429, &HeaderMap::new(), true), (503, &headers, true), (503, &HeaderMap::new(), false)]
        {
            assert_eq!(has_retry_delay(StatusCode::from_u16(status).unwrap(), headers), want, "{status}");
        }
    }
}
