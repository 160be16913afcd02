//! `Retry-After` of a receiver's response: whatever it says, the wait is bounded, and a plain number of seconds is that number.

use axum::http::HeaderValue;
use axum::http::header::{DATE, HeaderMap, RETRY_AFTER};
use time::{Duration, OffsetDateTime};

/// The longest wait, in seconds.
const MAX_SECONDS: u64 = 86_400;

/// The input is the value of `Retry-After`, and after a line break that of `Date`.
pub fn check(input: &[u8]) {
    let mut lines = input.split(|it| *it == b'\n');
    let mut headers = HeaderMap::new();
    for name in [RETRY_AFTER, DATE] {
        if let Some(value) = lines.next().and_then(|it| HeaderValue::from_bytes(it).ok()) {
            headers.insert(name, value);
        }
    }
    let now = OffsetDateTime::UNIX_EPOCH + Duration::days(20_000);
    let seconds = guard::retry_after(&headers, now);
    assert!(seconds.is_none_or(|it| it <= MAX_SECONDS), "{headers:?}: {seconds:?}");
    let text = headers.get(RETRY_AFTER).and_then(|it| it.to_str().ok()).map(str::trim).unwrap_or_default();
    if (1..=9).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_digit()) {
        assert_eq!(seconds, text.parse().ok().map(|it: u64| it.min(MAX_SECONDS)));
    }
    if text.is_empty() {
        assert_eq!(seconds, None);
    }
}
