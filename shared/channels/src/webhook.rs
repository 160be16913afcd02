//! One attempt to deliver a webhook to a receiver that may be hostile (realtime, section 4).

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use domain::channel::CHALLENGE;
use domain::delivery::DeliveryOutcome;
use domain::ssrf::{AllowedNetworks, check_url};
use guard::{ConnectError, ForbiddenAddressError, PostClient, PostError, PostResponse, PostTimeouts};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use time::OffsetDateTime;

use crate::message::{AttemptOutcome, Message};
use crate::sign::{SigningKeyPair, sign};

/// How long a response body is waited for after its headers. It is only stored, so it does not make a quick receiver slow:
/// less than `circuit_breaker::QUICK_MS`.
pub(crate) const RESPONSE_BODY_TIMEOUT: Duration = Duration::from_millis(200);

/// Posts to webhooks.
pub struct WebhookClient {
    http: PostClient,
    allowed: AllowedNetworks,
}

/// A webhook's address, and the keys that sign for it.
pub struct Receiver {
    pub url: String,
    /// The bytes of all signing secrets that are valid now.
    pub keys: Vec<Vec<u8>>,
    /// The application's `v1a` key pair.
    pub pair: Arc<SigningKeyPair>,
}

impl WebhookClient {
    pub fn new(allowed: AllowedNetworks) -> Self {
        Self { http: PostClient::new(allowed.clone()), allowed }
    }

    /// One attempt. `None` if there was no response within `timeout`; without it, [`guard::TOTAL_TIMEOUT`] is a
    /// failure.
    pub async fn send(
        &self,
        to: &Receiver,
        message: &Message,
        sent_at: OffsetDateTime,
        timeout: Option<Duration>,
    ) -> Option<AttemptOutcome> {
        // literal addresses do not reach the resolver's check, so they are checked before each attempt
        let url = match check_url(&to.url, &self.allowed) {
            Ok(url) => url,
            Err(error) => return Some(DeliveryOutcome::Forbidden { why: error.to_string() }.into()),
        };
        let headers = match headers(to, message, sent_at) {
            Ok(headers) => headers,
            Err(error) => return Some(DeliveryOutcome::Unreachable { why: format!("no header: {error}") }.into()),
        };
        let is_challenge = message.kind == CHALLENGE;
        let limit = timeout.unwrap_or(guard::TOTAL_TIMEOUT);
        // a challenge is confirmed by the response body
        let timeouts = PostTimeouts { response: limit, body: if is_challenge { limit } else { RESPONSE_BODY_TIMEOUT } };
        match self.http.post(&url, headers, message.body.clone().into(), timeouts).await {
            Ok(response) if is_challenge && response.status.is_success() && !response.complete && timeout.is_some() => {
                None
            }
            Ok(response) => Some(AttemptOutcome::with_response(response_outcome(&response, sent_at), &response.body)),
            Err(PostError::Timeout) if timeout.is_some() => None,
            Err(error) => Some(error_outcome(&error, limit).into()),
        }
    }
}

fn headers(
    to: &Receiver,
    message: &Message,
    sent_at: OffsetDateTime,
) -> Result<HeaderMap, reqwest::header::InvalidHeaderValue> {
    let timestamp = sent_at.unix_timestamp();
    let signature = sign(&to.keys, Some(&to.pair), &message.id, timestamp, &message.body);
    let mut all = HeaderMap::new();
    all.insert(ACCEPT, HeaderValue::from_static("*/*"));
    all.insert(CONTENT_TYPE, HeaderValue::from_static(message.content_type));
    all.insert(HeaderName::from_static("webhook-id"), HeaderValue::from_str(&message.id)?);
    all.insert(HeaderName::from_static("webhook-timestamp"), HeaderValue::from(timestamp));
    all.insert(HeaderName::from_static("webhook-signature"), HeaderValue::from_str(&signature)?);
    for (name, value) in message.trace.iter().flat_map(|it| it.headers()) {
        all.insert(HeaderName::from_static(name), HeaderValue::from_str(value)?);
    }
    Ok(all)
}

/// The outcome of a response: its status and the header `webhook-delivery` decide (realtime, section 3.1), not its
/// body.
fn response_outcome(response: &PostResponse, now: OffsetDateTime) -> DeliveryOutcome {
    let status = response.status.as_u16();
    match (status, response.headers.get("webhook-delivery").and_then(|it| it.to_str().ok())) {
        (410, _) | (_, Some("disable")) => DeliveryOutcome::Gone,
        (200..=299, _) => DeliveryOutcome::Delivered { status },
        (_, Some("abort-message")) => DeliveryOutcome::Aborted,
        _ => DeliveryOutcome::Refused { status, retry_after: guard::retry_after(&response.headers, now) },
    }
}

fn error_outcome(error: &PostError, waited: Duration) -> DeliveryOutcome {
    let why = match error {
        PostError::Connect(ConnectError::Forbidden(it)) => return DeliveryOutcome::Forbidden { why: it.to_string() },
        PostError::Connect(it @ (ConnectError::Tcp(_) | ConnectError::Timeout(_))) => it.to_string(),
        PostError::Connect(it) => format!("no connection: {it}"),
        PostError::Transport(it) => format!("no whole answer: {it}"),
        PostError::Timeout => format!("no answer within {} seconds", waited.as_secs()),
    };
    DeliveryOutcome::Unreachable { why }
}

/// The outcome of a request that failed. The text is that of the innermost cause: the error itself may name a URL with
/// secrets.
pub(crate) fn request_error_outcome(error: &reqwest::Error) -> DeliveryOutcome {
    let mut cause: Option<&dyn Error> = Some(error);
    let mut last = String::new();
    while let Some(current) = cause {
        if let Some(forbidden) = current.downcast_ref::<ForbiddenAddressError>() {
            return DeliveryOutcome::Forbidden { why: forbidden.to_string() };
        }
        last = current.to_string();
        cause = current.source();
    }
    let stage = if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "no whole answer"
    };
    DeliveryOutcome::Unreachable { why: format!("{stage}: {}", last.chars().take(200).collect::<String>()) }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn answers_are_judged_by_status_and_control_header() {
        let now = datetime!(2026-11-21 12:00 UTC);
        let check = |status: u16, headers: &[(&'static str, &str)], want: DeliveryOutcome| {
            let headers: HeaderMap =
                headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
            let status = status.try_into().unwrap();
            let answer = PostResponse { status, headers, body: Vec::new(), complete: false };
            assert_eq!(response_outcome(&answer, now), want, "{answer:?}");
        };
        let refused = |status, retry_after| DeliveryOutcome::Refused { status, retry_after };
        check(204, &[], DeliveryOutcome::Delivered { status: 204 });
        check(301, &[], refused(301, None));
        check(410, &[], DeliveryOutcome::Gone);
        check(200, &[("webhook-delivery", "disable")], DeliveryOutcome::Gone);
        check(500, &[("webhook-delivery", "abort-message")], DeliveryOutcome::Aborted);
        check(429, &[("retry-after", "7")], refused(429, Some(7)));
        check(503, &[("retry-after", "Saturday, 21-Nov-26 12:01:00 GMT")], refused(503, Some(60)));
        check(503, &[("retry-after", "soon")], refused(503, None));
    }
}
