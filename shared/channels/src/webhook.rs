//! One attempt to deliver a webhook to a receiver that may be hostile (realtime, section 4).

use std::error::Error;

use domain::address::{Allowed, judge};
use domain::delivery::Outcome;
use guard::Forbidden;
use reqwest::Response;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use time::OffsetDateTime;

use crate::message::{Message, Sent};
use crate::sign::{Pair, sign};

/// So much of an answer's body is read, and no more (realtime, H-2).
const MOST_BODY: usize = 16 << 10;

/// Calls webhooks.
pub struct Webhooks {
    pub client: reqwest::Client,
    pub allowed: Allowed,
}

/// A receiver.
pub struct Receiver {
    pub url: String,
    /// The signing secrets' bytes, all that are good now.
    pub keys: Vec<Vec<u8>>,
    pub pair: Pair,
}

impl Webhooks {
    /// One attempt.
    pub async fn send(&self, to: &Receiver, message: &Message, sent_at: OffsetDateTime) -> Sent {
        // literal addresses never meet the resolver: they are judged before each attempt
        let url = match judge(&to.url, &self.allowed) {
            Ok(url) => url,
            Err(why) => return Outcome::Forbidden { why: why.to_string() }.into(),
        };
        let timestamp = sent_at.unix_timestamp();
        let request = self.client.post(url).header(CONTENT_TYPE, "application/json");
        let request = request
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", sign(&to.keys, Some(&to.pair), &message.id, timestamp, &message.body));
        // the client's own deadline ends with the headers of an endless answer; this one covers the body too
        let whole = attempt(request.body(message.body.clone()), sent_at);
        match tokio::time::timeout(guard::TOTAL, whole).await {
            Ok(sent) => sent,
            Err(_) => {
                let why = format!("no whole answer within {} seconds", guard::TOTAL.as_secs());
                Outcome::Unreachable { why }.into()
            }
        }
    }
}

async fn attempt(request: reqwest::RequestBuilder, now: OffsetDateTime) -> Sent {
    let mut answer = match request.send().await {
        Ok(answer) => answer,
        Err(error) => return unreachable(&error).into(),
    };
    let outcome = judged(answer.status().as_u16(), answer.headers(), now);
    match drain(&mut answer).await {
        Ok(body) => Sent::answered(outcome, &body),
        Err(error) => unreachable(&error).into(),
    }
}

/// Reads the body up to its cap, so that the connection can be used again; what is longer is cut off.
async fn drain(answer: &mut Response) -> reqwest::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        body.extend_from_slice(&chunk[..chunk.len().min(MOST_BODY - body.len())]);
        if body.len() == MOST_BODY {
            break;
        }
    }
    Ok(body)
}

fn judged(status: u16, headers: &HeaderMap, now: OffsetDateTime) -> Outcome {
    let header = |name: &str| headers.get(name).and_then(|it| it.to_str().ok());
    match (status, header("webhook-delivery")) {
        (410, _) | (_, Some("disable")) => Outcome::Gone,
        (200..=299, _) => Outcome::Delivered { status },
        (_, Some("abort-message")) => Outcome::Aborted,
        _ => Outcome::Refused { status, retry_after: header("retry-after").and_then(|it| seconds(it, now)) },
    }
}

/// `Retry-After`: seconds (a fraction is rounded up) or a date; the past is 0.
fn seconds(text: &str, now: OffsetDateTime) -> Option<u64> {
    if let Ok(number) = text.trim().parse::<f64>() {
        return (number >= 0.0).then(|| number.ceil() as u64);
    }
    let date = OffsetDateTime::parse(text.trim(), &time::format_description::well_known::Rfc2822).ok()?;
    u64::try_from((date - now).whole_seconds().max(0)).ok()
}

pub(crate) fn unreachable(error: &reqwest::Error) -> Outcome {
    let mut cause: Option<&dyn Error> = Some(error);
    let mut last = String::new();
    while let Some(it) = cause {
        if let Some(forbidden) = it.downcast_ref::<Forbidden>() {
            return Outcome::Forbidden { why: forbidden.to_string() };
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
    Outcome::Unreachable { why: format!("{stage}: {}", last.chars().take(200).collect::<String>()) }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn answers_are_judged_by_status_and_control_header() {
        let now = datetime!(2026-11-21 12:00 UTC);
        let check = |status: u16, headers: &[(&'static str, &str)], want: Outcome| {
            let headers: HeaderMap =
                headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
            assert_eq!(judged(status, &headers, now), want, "{status} {headers:?}");
        };
        let refused = |status, retry_after| Outcome::Refused { status, retry_after };
        check(204, &[], Outcome::Delivered { status: 204 });
        check(301, &[], refused(301, None));
        check(410, &[], Outcome::Gone);
        check(200, &[("webhook-delivery", "disable")], Outcome::Gone);
        check(500, &[("webhook-delivery", "abort-message")], Outcome::Aborted);
        check(429, &[("retry-after", "7")], refused(429, Some(7)));
        check(429, &[("retry-after", "1.2")], refused(429, Some(2)));
        check(503, &[("retry-after", "Sat, 21 Nov 2026 12:01:00 GMT")], refused(503, Some(60)));
        check(503, &[("retry-after", "Sat, 21 Nov 2020 12:01:00 GMT")], refused(503, Some(0)));
        check(503, &[("retry-after", "-1")], refused(503, None));
        check(503, &[("retry-after", "soon")], refused(503, None));
        check(503, &[("retry-after", "1e300")], refused(503, Some(u64::MAX)));
    }
}
