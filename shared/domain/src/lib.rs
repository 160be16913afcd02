//! Domain types and decisions of the Notifications API. No I/O, no async, no clock, no vendor SDK.
//!
//! A decision is a pure function: it takes `now`, the stored state and the event, and returns data. The caller performs
//! the effects.

pub mod adcreative;
pub mod amqp_uri;
pub mod application;
pub mod asset_manager;
pub mod billing;
pub mod bucket;
pub mod byte_range;
pub mod channel;
pub mod circuit_breaker;
pub mod command;
pub mod content_sniffing;
pub mod cursor;
pub mod dead_letter;
pub mod delivery;
pub mod event;
pub mod expiry;
pub mod filter;
pub mod id;
pub mod image;
pub mod inbox;
pub mod ingest;
pub mod item;
pub mod job;
pub mod list_price;
pub mod masking;
pub mod media_type;
pub mod message_store;
pub mod notification;
pub mod notification_channel;
pub mod origin;
mod outcome;
mod priority;
mod process_command;
pub mod processing;
pub mod processor;
pub mod processor_endpoint;
pub mod queue_watch;
mod read_state;
pub mod received_result;
pub mod result;
pub mod scanning;
pub mod schedule;
mod sequence_ranges;
pub mod settings;
pub mod settings_secret;
pub mod socket;
pub mod ssrf;
pub mod timecode;
pub mod trace_context;
pub mod tracks;
pub mod transcript;

pub use id::{AppId, BucketId, ChannelId, EventListId, ItemId, JobId};

/// The maximum number of entries in a segment, a page or a batch that one request handles (the limit of DynamoDB's
/// `BatchGetItem` and `TransactWriteItems`).
pub const MAX_BATCH: usize = 100;

/// Splits a list into chunks of at most `max_len` entries and `max_bytes` bytes each. `size` returns the size of an
/// entry in bytes. An entry that is larger than `max_bytes` gets a chunk of its own.
pub fn split_by_size<T>(all: &[T], max_bytes: usize, max_len: usize, size: impl Fn(&T) -> usize) -> Vec<&[T]> {
    let (mut chunks, mut start, mut bytes) = (Vec::new(), 0, 0);
    for (index, entry) in all.iter().enumerate() {
        let size = size(entry);
        if index > start && (bytes + size > max_bytes || index - start == max_len) {
            chunks.push(&all[start..index]);
            (start, bytes) = (index, 0);
        }
        bytes += size;
    }
    if start < all.len() {
        chunks.push(&all[start..]);
    }
    chunks
}

/// Formats a time as RFC 3339 in UTC, with microsecond precision and without trailing zeros: `2026-11-21T09:41:37.5Z`.
pub fn rfc3339(at: time::OffsetDateTime) -> String {
    let at = at.to_offset(time::UtcOffset::UTC);
    let micros = at.nanosecond() / 1_000;
    let at = at.replace_nanosecond(micros * 1_000).unwrap_or(at);
    at.format(&time::format_description::well_known::Rfc3339).unwrap_or_default()
}

/// Converts a time to milliseconds since 1970, the form that keys and queue messages use.
pub fn millis(at: time::OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

/// Converts milliseconds since 1970 to a time. A value out of range becomes 1970-01-01T00:00:00Z.
pub fn from_millis(ms: i64) -> time::OffsetDateTime {
    time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000)
        .unwrap_or(time::OffsetDateTime::UNIX_EPOCH)
}
