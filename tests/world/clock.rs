//! Times, as APIs take and give them.

use std::time::Duration;

/// A time so many seconds from now, as APIs take it.
#[expect(clippy::disallowed_methods, reason = "what expires needs a time")]
pub fn in_seconds(seconds: i64) -> String {
    let at = time::OffsetDateTime::now_utc() + time::Duration::seconds(seconds);
    at.format(&time::format_description::well_known::Rfc3339).expect("a time")
}

/// How long ago a time of RFC 3339 was; nothing for what is none, or is to come.
#[expect(clippy::disallowed_methods, reason = "how long something took")]
pub fn since(text: &str) -> Duration {
    let at = time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339);
    at.ok().and_then(|it| (time::OffsetDateTime::now_utc() - it).try_into().ok()).unwrap_or_default()
}

/// The time, in seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "what is signed has a time")]
pub(crate) fn unix_seconds() -> i64 {
    time::OffsetDateTime::now_utc().unix_timestamp()
}
