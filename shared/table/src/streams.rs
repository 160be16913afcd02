//! Streams of notifications: numbers without gaps, one row per write.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::AppId;
use domain::notification::{
    Head, NewNotification, Notification, Position, Stream, WriteKey, next_position, published_from,
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::codec::{self, Attributes};
use crate::error::TableError;
use crate::keys::{self, Row};
use crate::table::{RangeQuery, Table};

/// How long a notification is kept (realtime, R-8: at least 30 days).
pub(crate) const RETENTION: time::Duration = time::Duration::days(30);

/// Rows that one request reads when a write is looked for. Few writers come between the reading of the head and the put.
const MAX_SEARCHED_ROWS: i32 = 20;

/// How much earlier than its place in the stream the time of a row may be, in milliseconds: writers take it when they begin,
/// wait for each other, and their clocks differ. A function that writes runs for less than 30 seconds (API Gateway's
/// integration timeout).
const MAX_WRITE_DELAY_MS: i64 = 60_000;

/// Tries that follow each other at once, at the number after the row that was in the way.
const IMMEDIATE_TRIES: usize = 3;

/// How often a write is tried while other writers take the stream's next number.
pub(crate) const MAX_ATTEMPTS: usize = 30;

/// A row of a stream: one notification in clear, or up to 100 packed ones. Their numbers are consecutive from
/// `first` on.
#[derive(Serialize, Deserialize)]
pub(crate) struct StreamRow {
    pub(crate) epoch: i64,
    pub(crate) first: u64,
    pub(crate) count: u64,
    pub(crate) at: i64,
    pub(crate) app: AppId,
    pub(crate) stream: String,
    /// The only notification of the row, as JSON.
    #[serde(default, rename = "news", skip_serializing_if = "Option::is_none")]
    pub(crate) notification: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ttl: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) write_id: Option<String>,
    #[serde(flatten)]
    pub(crate) handled: WriterWork,
}

/// The write of a row.
#[derive(Deserialize)]
struct WriteRow {
    app: AppId,
    epoch: i64,
    first: u64,
    #[serde(default)]
    write_id: Option<String>,
}

/// What the writer of notifications does itself, so that `dispatch` need not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriterWork {
    /// Their deliveries were queued before the notifications were stored.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub queued: bool,
    /// Until when the writer pushes them to open sockets, in milliseconds since 1970. What was pushed is recorded
    /// ([`Table::record_pushed`]); without the record after this time, the writer has failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push_until: Option<i64>,
}

/// The notifications of one row.
#[derive(Debug, Clone, PartialEq)]
pub struct NotificationBatch {
    pub app: AppId,
    pub notifications: Vec<Notification>,
    pub handled: WriterWork,
    /// The write that stored them: its time in milliseconds since 1970, and its id.
    pub write: WriteKey,
}

impl NotificationBatch {
    /// The stream of the notifications; `None` if there are none.
    pub fn stream(&self) -> Option<&Stream> {
        self.notifications.first().map(|it| &it.id.stream)
    }
}

impl Table {
    /// Publishes notifications, at most 100: gives them the stream's next numbers in one put, and returns the position of
    /// the first. `write_id` makes the SDK's repeats of the put safe, not a repeated call.
    ///
    /// # Errors
    /// `Conflict` if other writers were faster in every try.
    pub async fn append(
        &self,
        app: AppId,
        stream: &Stream,
        notifications: &[NewNotification],
        write_id: &str,
        now: OffsetDateTime,
    ) -> Result<Position, TableError> {
        let first = self.next_position(app, stream, now).await?;
        self.append_at(app, stream, first, notifications, write_id, WriterWork::default(), now).await
    }

    /// Where the next notification of a stream is expected: after the last one if this environment alone writes, or else read
    /// eventually consistent, at half the price. If the number is taken meanwhile, the put fails and the next is tried.
    ///
    /// # Errors
    /// If the table cannot be read.
    pub async fn next_position(
        &self,
        app: AppId,
        stream: &Stream,
        now: OffsetDateTime,
    ) -> Result<Position, TableError> {
        let remembered = self.heads.get(app, stream, now);
        let head = match remembered {
            Some(head) => Some(head),
            None => {
                let read = self.read_head(app, stream, false).await?;
                self.heads.confirm(app, stream, read);
                read
            }
        };
        match head {
            Some(head) => Ok(next_position(now, Some(head))),
            None => self.next_position_consistent(app, stream, now).await,
        }
    }

    async fn next_position_consistent(
        &self,
        app: AppId,
        stream: &Stream,
        now: OffsetDateTime,
    ) -> Result<Position, TableError> {
        let head = self.head(app, stream).await?;
        if let (None, Stream::User(user)) = (head, stream) {
            // all has expired, or there never was a notification: numbers begin anew, and old ranges must not apply
            self.reset_read_state(app, user, now).await?;
        }
        Ok(next_position(now, head))
    }

    /// Publishes notifications as [`Table::append`] does, at `first` or at the next number that is free. `handled` is stored
    /// with them.
    ///
    /// # Errors
    /// `Conflict` if other writers were faster in every try.
    #[expect(clippy::too_many_arguments, reason = "a row has these parts")]
    pub async fn append_at(
        &self,
        app: AppId,
        stream: &Stream,
        first: Position,
        notifications: &[NewNotification],
        write_id: &str,
        handled: WriterWork,
        now: OffsetDateTime,
    ) -> Result<Position, TableError> {
        let mut position = first;
        for attempt in 0..MAX_ATTEMPTS {
            let (row, mut body, extra) = encode_stream_row(app, stream, position, notifications, now)?;
            body.handled = handled;
            let Some(other) = self.put_or_read(&row, &body, write_id, extra).await? else {
                let last = Position { sequence: position.sequence + notifications.len() as u64 - 1, ..position };
                self.heads.remember(app, stream, Head { last, expires: now + RETENTION });
                return Ok(position);
            };
            self.heads.forget(app, stream);
            // the row that was in the way says where it ends; many writers need more than the next number
            position = if attempt < IMMEDIATE_TRIES {
                next_position(now, Some(decode_head(other)?))
            } else {
                back_off(attempt - IMMEDIATE_TRIES).await;
                self.next_position_consistent(app, stream, now).await?
            };
        }
        Err(TableError::conflict(&Row::Notification(app, stream.clone(), 0)))
    }

    /// The position of the first notification of a write, if it is stored: looked for from `from` on, where the writer
    /// expected it.
    ///
    /// # Errors
    /// If the table cannot be read.
    pub async fn find_write(
        &self,
        app: AppId,
        stream: &Stream,
        from: u64,
        write_id: &str,
    ) -> Result<Option<Position>, TableError> {
        let (partition, mut from) = (keys::stream_partition(app, stream), from);
        loop {
            let start = keys::sequence_key(from);
            let range = RangeQuery {
                partition: &partition,
                from: &start,
                to: "~",
                forward: true,
                consistent: true,
                limit: MAX_SEARCHED_ROWS,
            };
            let rows = self.query_range(range).await?;
            let Some(last) = rows.last() else { return Ok(None) };
            from = codec::decode::<StreamRow>("notification", last.clone())?.first + 1;
            for row in rows {
                let row: StreamRow = codec::decode("notification", row)?;
                if row.write_id.as_deref() == Some(write_id) {
                    return Ok(Some(Position { epoch: row.epoch, sequence: row.first }));
                }
            }
        }
    }

    /// Of writes to the applications' own streams, those that are stored at the number that their writers expected, by
    /// application and id, with their epochs; eventually consistent.
    ///
    /// # Errors
    /// If the table cannot be read.
    pub async fn stored_writes(
        &self,
        expected: &[(AppId, u64)],
    ) -> Result<HashMap<(AppId, String), Position>, TableError> {
        let rows: Vec<Row> = expected.iter().map(|(app, first)| Row::Notification(*app, Stream::App, *first)).collect();
        let found: Vec<WriteRow> = self.get_many(&rows, Some("app,epoch,first,write_id")).await?;
        let keyed = found
            .into_iter()
            .filter_map(|row| Some(((row.app, row.write_id?), Position { epoch: row.epoch, sequence: row.first })));
        Ok(keyed.collect())
    }

    /// The newest number of a stream; `None` if it is empty.
    pub async fn head(&self, app: AppId, stream: &Stream) -> Result<Option<Head>, TableError> {
        self.read_head(app, stream, true).await
    }

    async fn read_head(&self, app: AppId, stream: &Stream, consistent: bool) -> Result<Option<Head>, TableError> {
        let partition = keys::stream_partition(app, stream);
        let range = RangeQuery { partition: &partition, from: "0", to: "~", forward: false, consistent, limit: 1 };
        let Some(row) = self.query_range(range).await?.pop() else { return Ok(None) };
        decode_head(row).map(Some)
    }

    /// The writes that a request has made which began at a time (milliseconds since 1970), among others, by their `write_id`,
    /// each with its first position.
    pub async fn published_since(
        &self,
        app: AppId,
        stream: &Stream,
        at: i64,
    ) -> Result<HashMap<String, Position>, TableError> {
        let partition = keys::stream_partition(app, stream);
        let (mut to, mut writes) = ("~".to_owned(), HashMap::new());
        loop {
            let range =
                RangeQuery { partition: &partition, from: "0", to: &to, forward: false, consistent: true, limit: 100 };
            let rows = self.query_range(range).await?;
            if rows.is_empty() {
                return Ok(writes);
            }
            for row in rows {
                let row: StreamRow = codec::decode("notification", row)?;
                if row.at < at - MAX_WRITE_DELAY_MS || row.first == 0 {
                    return Ok(writes);
                }
                to = keys::sequence_key(row.first - 1);
                let position = Position { epoch: row.epoch, sequence: row.first };
                writes.extend(row.write_id.map(|it| (it, position)));
            }
        }
    }
}

/// The end of a stream whose newest row this is.
fn decode_head(row: Attributes) -> Result<Head, TableError> {
    let row: StreamRow = codec::decode("notification", row)?;
    let last = Position { epoch: row.epoch, sequence: row.first + row.count - 1 };
    let expires =
        OffsetDateTime::from_unix_timestamp(row.ttl.unwrap_or(i64::MAX)).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    Ok(Head { last, expires })
}

/// The row of notifications at a position: its key, its body and its other attributes.
pub(crate) fn encode_stream_row(
    app: AppId,
    stream: &Stream,
    position: Position,
    notifications: &[NewNotification],
    now: OffsetDateTime,
) -> Result<(Row, StreamRow, Attributes), TableError> {
    let row = Row::Notification(app, stream.clone(), position.sequence);
    let mut body = StreamRow {
        epoch: position.epoch,
        first: position.sequence,
        count: notifications.len() as u64,
        at: domain::millis(now),
        app,
        stream: stream.to_string(),
        notification: None,
        ttl: None,
        write_id: None,
        handled: WriterWork::default(),
    };
    let mut extra = codec::ttl((now + RETENTION).unix_timestamp());
    match notifications {
        [one] => body.notification = Some(serde_json::to_string(one).map_err(|it| TableError::write(&row, it))?),
        many => {
            extra.insert("packed".into(), AttributeValue::B(codec::pack(&row, &many)?));
        }
    }
    Ok((row, body, extra))
}

/// Decodes the notifications of a stream's row.
pub(crate) fn decode_batch(mut row: Attributes) -> Result<NotificationBatch, TableError> {
    let packed = row.remove("packed");
    let row: StreamRow = codec::decode("notification", row)?;
    let corrupt = |source: Box<dyn std::error::Error + Send + Sync>| TableError::Corrupt {
        kind: "notification",
        key: format!("{} {}", row.app, row.first),
        source,
    };
    let contents: Vec<NewNotification> = match (&row.notification, packed) {
        (Some(one), _) => vec![serde_json::from_str(one).map_err(|it| corrupt(it.into()))?],
        (None, Some(AttributeValue::B(packed))) => codec::unpack(&packed).map_err(|it| corrupt(it.into()))?,
        (None, _) => return Err(corrupt("the row has no notifications".into())),
    };
    let stream: Stream = row.stream.parse().map_err(|()| corrupt("the row's stream is unknown".into()))?;
    let first = Position { epoch: row.epoch, sequence: row.first };
    let notifications = published_from(&stream, first, contents, domain::from_millis(row.at));
    let write = WriteKey::new(row.at, row.write_id.as_deref().unwrap_or_default(), &stream);
    Ok(NotificationBatch { app: row.app, notifications, handled: row.handled, write })
}

/// Waits before the next try for a random time of up to 4, 8, 16, 32, then 64 ms, so that writers that collide drift apart
/// ("full jitter", AWS Architecture Blog, "Exponential Backoff And Jitter").
#[expect(clippy::disallowed_methods, reason = "a back-off has no condition to wait for")]
pub(crate) async fn back_off(attempt: usize) {
    let most_us = 4_000 << attempt.min(4);
    // each `RandomState` has other keys
    let random = RandomState::new().build_hasher().finish();
    tokio::time::sleep(Duration::from_micros(random % most_us)).await;
}
