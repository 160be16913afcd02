//! Requests to Iconik: headers, turns, repeats, errors.

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

use crate::rate_limit::{RateLimiter, sleep};

/// Tries of a request that can be repeated.
const MAX_ATTEMPTS: u32 = 4;
/// An answer is read to this size.
const MAX_RESPONSE_BYTES: usize = 16 << 20;
/// A request takes at most so long; Iconik's own limit for callbacks is 10 s.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// A connection to Iconik for one application.
pub struct Iconik {
    pub(crate) http: reqwest::Client,
    pub(crate) allowed: AllowedNetworks,
    host: String,
    app_id: String,
    token: String,
    rate_limiter: Arc<RateLimiter>,
    meter: Meter,
}

/// What went wrong at Iconik's end, in words for its user.
#[derive(Debug, thiserror::Error)]
pub enum IconikError {
    /// Never tried again (section 3.17, 9): a token is a user, and every further call would fail as well.
    #[error("Iconik refuses the credentials: {0}")]
    Unauthorized(String),
    #[error("Iconik does not know this any more")]
    NotFound,
    #[error("Iconik is asked too much; the next turn is in {} s", .0.whole_seconds())]
    RateLimited(time::Duration),
    #[error("Iconik answered {status}: {text}")]
    Response { status: u16, text: String },
    #[error("Iconik could not be reached: {0}")]
    Unreachable(String),
    #[error("Iconik is not set up for this application: {0}")]
    NotConfigured(String),
    #[error("could not keep the pace of requests")]
    Table(#[from] TableError),
}

impl IconikError {
    /// Whether the same may work later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::RateLimited(_) | Self::Unreachable(_) | Self::Table(_) => true,
            Self::Response { status, .. } => *status >= 500,
            Self::Unauthorized(_) | Self::NotFound | Self::NotConfigured(_) => false,
        }
    }
}

/// Opens the connection that an application's settings describe.
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
    let token = token.map_err(|it| IconikError::NotConfigured(entry::Chain(&it).to_string()))?;
    let token = String::from_utf8(token).map_err(|_| missing("a readable iconik_access_token"))?;
    let host = strip_api_suffix(url).to_owned();
    check_url(&host, allowed).map_err(|why| IconikError::NotConfigured(format!("iconik_url is refused: {why}")))?;
    let http = guard::client(allowed, None).map_err(|it| IconikError::Unreachable(it.to_string()))?;
    let pace = Arc::new(RateLimiter::new(table.clone(), &host, &app_id, settings.iconik_requests_per_second));
    Ok(Iconik { http, allowed: allowed.clone(), host, app_id, token, rate_limiter: pace, meter: meter.clone() })
}

impl Iconik {
    /// The host that items name as their place: `app.iconik.io`.
    pub fn host_name(&self) -> &str {
        self.host.split_once("://").map_or(self.host.as_str(), |it| it.1)
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value, IconikError> {
        self.send_with_retries(Method::GET, path, None).await
    }

    /// For writes that do the same when they come twice.
    pub(crate) async fn put(&self, path: &str, body: &Value) -> Result<Value, IconikError> {
        self.send_with_retries(Method::PUT, path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Result<Value, IconikError> {
        self.send_with_retries(Method::PATCH, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str, body: Option<&Value>) -> Result<Value, IconikError> {
        self.send_with_retries(Method::DELETE, path, body).await
    }

    /// For writes that make another thing each time: sent again only if it certainly was not taken.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value, IconikError> {
        let mut wait = time::Duration::milliseconds(250);
        for attempt in 1..=MAX_ATTEMPTS {
            match self.send(Method::POST, path, Some(body)).await {
                Err(IconikError::RateLimited(stay)) if attempt < MAX_ATTEMPTS && stay <= time::Duration::seconds(8) => {
                    wait = stay
                }
                other => return other,
            }
            sleep(wait.unsigned_abs()).await;
        }
        Err(IconikError::RateLimited(wait))
    }

    /// For reads that are asked with a body.
    pub(crate) async fn post_query(&self, path: &str, body: &Value) -> Result<Value, IconikError> {
        self.send_with_retries(Method::POST, path, Some(body)).await
    }

    async fn send_with_retries(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, IconikError> {
        let mut attempt = 1;
        loop {
            let error = match self.send(method.clone(), path, body).await {
                Ok(it) => return Ok(it),
                Err(error) => error,
            };
            // 250 ms, 500 ms, 1 s, each by half as much again at random
            let pause = 250 * (1 << (attempt - 1));
            let wait = match &error {
                IconikError::RateLimited(stay) if *stay > time::Duration::seconds(8) => return Err(error),
                IconikError::RateLimited(stay) => stay.unsigned_abs(),
                it if it.is_transient() => Duration::from_millis(pause).mul_f64(1.0 + clock::random_fraction() / 2.0),
                _ => return Err(error),
            };
            if attempt == MAX_ATTEMPTS {
                return Err(error);
            }
            tracing::debug!(attempt, path, "asking Iconik again: {error}");
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
        let removes = method == Method::DELETE;
        let answer = request.send().await.map_err(unreachable)?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let (bytes, end) = read_body(answer).await;
        if remaining(&headers).is_some_and(|it| it < 50) {
            self.rate_limiter.halve_permits().await;
        }
        match status {
            // nobody reads what Iconik says of a thing that is gone
            it if it.is_success() && removes => Ok(Value::Null),
            it if it.is_success() && bytes.len() > MAX_RESPONSE_BYTES => {
                Err(IconikError::Response { status: it.as_u16(), text: "far too much".to_owned() })
            }
            it if it.is_success() && end.is_err() => end.map(|()| Value::Null),
            // 204 comes with an empty body
            it if it.is_success() && bytes.is_empty() => Ok(Value::Null),
            it if it.is_success() => serde_json::from_slice(&bytes).map_err(|_| IconikError::Response {
                status: it.as_u16(),
                text: "something that is no JSON".to_owned(),
            }),
            StatusCode::UNAUTHORIZED => Err(IconikError::Unauthorized(error_text(&bytes))),
            StatusCode::NOT_FOUND => Err(IconikError::NotFound),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE if has_retry_delay(status, &headers) => {
                let stay = retry_delay(&headers, clock::now());
                self.rate_limiter.pause(stay).await?;
                Err(IconikError::RateLimited(stay))
            }
            it => Err(IconikError::Response { status: it.as_u16(), text: error_text(&bytes) }),
        }
    }
}

/// What an error body tells, in either of its shapes (section 3.1.6).
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

/// Whether Iconik says when to come back; with 429 it always does, at least in effect.
fn has_retry_delay(status: StatusCode, headers: &HeaderMap) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || headers.contains_key(RETRY_AFTER)
}

/// How long everybody stays away: as Iconik says, five minutes at most, or two seconds.
fn retry_delay(headers: &HeaderMap, now: OffsetDateTime) -> time::Duration {
    let seconds = guard::retry_after(headers, now).unwrap_or(2).clamp(1, 300);
    time::Duration::seconds(seconds as i64)
}

/// A body as far as it came, and whether it came to its end. What the status says, it says without it.
async fn read_body(mut answer: reqwest::Response) -> (Vec<u8>, Result<(), IconikError>) {
    let mut bytes = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => return (bytes, Ok(())),
            Err(error) => return (bytes, Err(unreachable(error))),
        }
        if bytes.len() > MAX_RESPONSE_BYTES {
            return (bytes, Ok(()));
        }
    }
}

pub(crate) fn unreachable(error: reqwest::Error) -> IconikError {
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    // a signed link may stand in the error's own text, not in that of its cause
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
