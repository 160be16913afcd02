//! Nouns and decisions of the Notifications API: no I/O, no async, no clock, no vendor's name.
//!
//! A decision takes `now`, the stored state and what happened, and returns data; whoever calls it does the work.

pub mod adcreative;
pub mod amqp_uri;
pub mod application;
pub mod asset_manager;
pub mod bucket;
pub mod channel;
pub mod circuit_breaker;
pub mod command;
pub mod content_sniffing;
pub mod cursor;
pub mod delivery;
pub mod expiry;
pub mod filter;
pub mod id;
pub mod image;
pub mod inbox;
pub mod ingest;
pub mod item;
pub mod masking;
pub mod media_type;
pub mod notification;
pub mod origin;
pub mod processing;
pub mod result;
pub mod scanning;
pub mod schedule;
pub mod settings;
pub mod settings_secret;
pub mod socket;
pub mod ssrf;
pub mod timecode;
pub mod tracks;

pub use id::{AppId, BucketId, ChannelId, ItemId};

/// The length of a segment, a page or a batch that is meant for one request: at most 100 entries (DynamoDB's
/// `BatchGetItem` and `TransactWriteItems` limit).
pub const MAX_BATCH: usize = 100;

/// A list in parts of at most so many entries, each small enough: `size` is an entry's own, in bytes. One that is too
/// large by itself is a part alone.
pub fn parts<T>(all: &[T], max_bytes: usize, max_len: usize, size: impl Fn(&T) -> usize) -> Vec<&[T]> {
    let (mut parts, mut start, mut bytes) = (Vec::new(), 0, 0);
    for (index, it) in all.iter().enumerate() {
        let size = size(it);
        if index > start && (bytes + size > max_bytes || index - start == max_len) {
            parts.push(&all[start..index]);
            (start, bytes) = (index, 0);
        }
        bytes += size;
    }
    if start < all.len() {
        parts.push(&all[start..]);
    }
    parts
}

/// Prints a time as RFC 3339 in UTC with microseconds at most, trailing zeros dropped: `2026-11-21T09:41:37.5Z`.
pub fn rfc3339(at: time::OffsetDateTime) -> String {
    let at = at.to_offset(time::UtcOffset::UTC);
    let micros = at.nanosecond() / 1_000;
    let at = at.replace_nanosecond(micros * 1_000).unwrap_or(at);
    at.format(&time::format_description::well_known::Rfc3339).unwrap_or_default()
}

/// Milliseconds since 1970, the form in which keys and queue messages carry a time.
pub fn millis(at: time::OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

/// The time of so many milliseconds since 1970; out of range is 1970 itself.
pub fn from_millis(ms: i64) -> time::OffsetDateTime {
    time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000)
        .unwrap_or(time::OffsetDateTime::UNIX_EPOCH)
}
