//! One attempt to deliver a webhook to a receiver that may be hostile (realtime, section 4).

use std::error::Error;
use std::time::Duration;

use domain::address::{Allowed, judge};
use domain::channel::CHALLENGE;
use domain::delivery::Outcome;
use guard::{Answer, Forbidden, PostError, Posts, Wait, WireError};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use time::OffsetDateTime;

use crate::message::{Message, Sent};
use crate::sign::{Pair, sign};

/// The body of an answer is for the record: it is waited for so long, and gets no receiver into the slow lane.
pub(crate) const FOR_THE_RECORD: Duration = Duration::from_millis(500);

/// Calls webhooks.
pub struct Webhooks {
    posts: Posts,
    allowed: Allowed,
}

/// A receiver.
pub struct Receiver {
    pub url: String,
    /// The signing secrets' bytes, all that are good now.
    pub keys: Vec<Vec<u8>>,
    pub pair: Pair,
}

impl Webhooks {
    pub fn new(allowed: Allowed) -> Self {
        Self { posts: Posts::new(allowed.clone()), allowed }
    }

    /// One attempt. `None` if the receiver has not answered within `patience`, and somebody else has more of it.
    pub async fn send(
        &self,
        to: &Receiver,
        message: &Message,
        sent_at: OffsetDateTime,
        patience: Option<Duration>,
    ) -> Option<Sent> {
        // literal addresses never meet the resolver: they are judged before each attempt
        let url = match judge(&to.url, &self.allowed) {
            Ok(url) => url,
            Err(why) => return Some(Outcome::Forbidden { why: why.to_string() }.into()),
        };
        let headers = match headers(to, message, sent_at) {
            Ok(headers) => headers,
            Err(why) => return Some(Outcome::Unreachable { why: format!("no header: {why}") }.into()),
        };
        let asked = message.kind == CHALLENGE;
        let answer = patience.unwrap_or(guard::TOTAL);
        // what answers a challenge is the body
        let wait = Wait { answer, body: if asked { answer } else { FOR_THE_RECORD } };
        match self.posts.post(&url, headers, message.body.clone().into(), wait).await {
            Ok(answer) if asked && answer.status.is_success() && !answer.whole && patience.is_some() => None,
            Ok(answer) => Some(Sent::answered(judged(&answer, sent_at), &answer.body)),
            Err(PostError::Late) if patience.is_some() => None,
            Err(error) => Some(failed(&error, answer).into()),
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
fn judged(answer: &Answer, now: OffsetDateTime) -> Outcome {
    let status = answer.status.as_u16();
    match (status, answer.headers.get("webhook-delivery").and_then(|it| it.to_str().ok())) {
        (410, _) | (_, Some("disable")) => Outcome::Gone,
        (200..=299, _) => Outcome::Delivered { status },
        (_, Some("abort-message")) => Outcome::Aborted,
        _ => Outcome::Refused { status, retry_after: guard::retry_after(&answer.headers, now) },
    }
}

fn failed(error: &PostError, waited: Duration) -> Outcome {
    let why = match error {
        PostError::Wire(WireError::Forbidden(it)) => return Outcome::Forbidden { why: it.to_string() },
        PostError::Wire(it @ (WireError::Tcp(_) | WireError::Late(_))) => it.to_string(),
        PostError::Wire(it) => format!("no connection: {it}"),
        PostError::Broken(it) => format!("no whole answer: {it}"),
        PostError::Late => format!("no answer within {} seconds", waited.as_secs()),
    };
    Outcome::Unreachable { why }
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
            let status = status.try_into().unwrap();
            let answer = Answer { status, headers, body: Vec::new(), whole: false };
            assert_eq!(judged(&answer, now), want, "{answer:?}");
        };
        let refused = |status, retry_after| Outcome::Refused { status, retry_after };
        check(204, &[], Outcome::Delivered { status: 204 });
        check(301, &[], refused(301, None));
        check(410, &[], Outcome::Gone);
        check(200, &[("webhook-delivery", "disable")], Outcome::Gone);
        check(500, &[("webhook-delivery", "abort-message")], Outcome::Aborted);
        check(429, &[("retry-after", "7")], refused(429, Some(7)));
        check(503, &[("retry-after", "Saturday, 21-Nov-26 12:01:00 GMT")], refused(503, Some(60)));
        check(503, &[("retry-after", "soon")], refused(503, None));
    }
}
