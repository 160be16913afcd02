//! One attempt to deliver a webhook to a receiver that may be hostile (realtime, section 4).

use std::error::Error;
use std::time::Duration;

use domain::channel::CHALLENGE;
use domain::delivery::DeliveryOutcome;
use domain::ssrf::{AllowedNetworks, check_url};
use guard::{ConnectError, ForbiddenAddressError, PostClient, PostError, PostResponse, PostTimeouts};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use time::OffsetDateTime;

use crate::message::{AttemptOutcome, Message};
use crate::sign::{SigningKeyPair, sign};

/// The body of an answer is for the record: it is waited for so long, and gets no receiver into the slow lane.
pub(crate) const RESPONSE_BODY_TIMEOUT: Duration = Duration::from_millis(500);

/// Calls webhooks.
pub struct WebhookClient {
    http: PostClient,
    allowed: AllowedNetworks,
}

/// A receiver.
pub struct Receiver {
    pub url: String,
    /// The signing secrets' bytes, all that are good now.
    pub keys: Vec<Vec<u8>>,
    pub pair: SigningKeyPair,
}

impl WebhookClient {
    pub fn new(allowed: AllowedNetworks) -> Self {
        Self { http: PostClient::new(allowed.clone()), allowed }
    }

    /// One attempt. `None` if the receiver has not answered within `patience`, and somebody else has more of it.
    pub async fn send(
        &self,
        to: &Receiver,
        message: &Message,
        sent_at: OffsetDateTime,
        patience: Option<Duration>,
    ) -> Option<AttemptOutcome> {
        // literal addresses never meet the resolver: they are judged before each attempt
        let url = match check_url(&to.url, &self.allowed) {
            Ok(url) => url,
            Err(why) => return Some(DeliveryOutcome::Forbidden { why: why.to_string() }.into()),
        };
        let headers = match headers(to, message, sent_at) {
            Ok(headers) => headers,
            Err(why) => return Some(DeliveryOutcome::Unreachable { why: format!("no header: {why}") }.into()),
        };
        let asked = message.kind == CHALLENGE;
        let answer = patience.unwrap_or(guard::TOTAL_TIMEOUT);
        // what answers a challenge is the body
        let wait = PostTimeouts { response: answer, body: if asked { answer } else { RESPONSE_BODY_TIMEOUT } };
        match self.http.post(&url, headers, message.body.clone().into(), wait).await {
            Ok(answer) if asked && answer.status.is_success() && !answer.complete && patience.is_some() => None,
            Ok(answer) => Some(AttemptOutcome::with_response(response_outcome(&answer, sent_at), &answer.body)),
            Err(PostError::Timeout) if patience.is_some() => None,
            Err(error) => Some(error_outcome(&error, answer).into()),
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
    all.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    all.insert(HeaderName::from_static("webhook-id"), HeaderValue::from_str(&message.id)?);
    all.insert(HeaderName::from_static("webhook-timestamp"), HeaderValue::from(timestamp));
    all.insert(HeaderName::from_static("webhook-signature"), HeaderValue::from_str(&signature)?);
    Ok(all)
}

/// What an answer's status and control headers say; its body says nothing.
fn response_outcome(answer: &PostResponse, now: OffsetDateTime) -> DeliveryOutcome {
    let status = answer.status.as_u16();
    match (status, answer.headers.get("webhook-delivery").and_then(|it| it.to_str().ok())) {
        (410, _) | (_, Some("disable")) => DeliveryOutcome::Gone,
        (200..=299, _) => DeliveryOutcome::Delivered { status },
        (_, Some("abort-message")) => DeliveryOutcome::Aborted,
        _ => DeliveryOutcome::Refused { status, retry_after: guard::retry_after(&answer.headers, now) },
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

pub(crate) fn request_error_outcome(error: &reqwest::Error) -> DeliveryOutcome {
    let mut cause: Option<&dyn Error> = Some(error);
    let mut last = String::new();
    while let Some(it) = cause {
        if let Some(forbidden) = it.downcast_ref::<ForbiddenAddressError>() {
            return DeliveryOutcome::Forbidden { why: forbidden.to_string() };
        }
        last = it.to_string();
        cause = it.source();
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
