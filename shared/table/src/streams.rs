//! Streams of notifications: numbers without gaps, one row per write.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::AppId;
use domain::notification::{Head, NewNotification, Notification, NotificationId, Position, Stream, next_position};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::codec::{self, Attributes};
use crate::error::TableError;
use crate::keys::{self, Row};
use crate::table::{PutOutcome, RangeQuery, Table};

/// How long a notification is kept (realtime, R-8: at least 30 days).
pub(crate) const RETENTION: time::Duration = time::Duration::days(30);

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
    write_id: Option<String>,
}

/// The notifications of one row.
#[derive(Debug, Clone, PartialEq)]
pub struct NotificationBatch {
    pub app: AppId,
    pub notifications: Vec<Notification>,
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
        for attempt in 0..MAX_ATTEMPTS {
            // the first read is eventually consistent, at half the price: the put fails if the number is taken
            let mut head = self.read_head(app, stream, attempt > 0).await?;
            if head.is_none() {
                head = self.head(app, stream).await?;
                if let (None, Stream::User(user)) = (head, stream) {
                    // all has expired, or there never was a notification: numbers begin anew, and old ranges must not apply
                    self.reset_read_state(app, user, now).await?;
                }
            }
            let position = next_position(now, head);
            let (row, body, extra) = encode_stream_row(app, stream, position, notifications, now)?;
            if self.put_new(&row, &body, write_id, extra).await? == PutOutcome::Stored {
                return Ok(position);
            }
            back_off(attempt).await;
        }
        Err(TableError::conflict(&Row::Notification(app, stream.clone(), 0)))
    }

    /// The newest number of a stream; `None` if it is empty.
    pub async fn head(&self, app: AppId, stream: &Stream) -> Result<Option<Head>, TableError> {
        self.read_head(app, stream, true).await
    }

    async fn read_head(&self, app: AppId, stream: &Stream, consistent: bool) -> Result<Option<Head>, TableError> {
        let partition = keys::stream_partition(app, stream);
        let range = RangeQuery { partition: &partition, from: "0", to: "~", forward: false, consistent, limit: 1 };
        let Some(row) = self.query_range(range).await?.pop() else { return Ok(None) };
        let row: StreamRow = codec::decode("notification", row)?;
        let last = Position { epoch: row.epoch, sequence: row.first + row.count - 1 };
        let expires =
            OffsetDateTime::from_unix_timestamp(row.ttl.unwrap_or(i64::MAX)).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        Ok(Some(Head { last, expires }))
    }

    /// The writes at or after a time (milliseconds since 1970), by their `write_id`, each with its first position.
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
                if row.at < at || row.first == 0 {
                    return Ok(writes);
                }
                to = keys::sequence_key(row.first - 1);
                let position = Position { epoch: row.epoch, sequence: row.first };
                writes.extend(row.write_id.map(|it| (it, position)));
            }
        }
    }
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
    let numbered = |(index, content): (usize, NewNotification)| Notification {
        id: NotificationId { stream: stream.clone(), epoch: row.epoch, sequence: row.first + index as u64 },
        kind: content.kind,
        timestamp: domain::from_millis(row.at),
        data: content.data,
    };
    Ok(NotificationBatch { app: row.app, notifications: contents.into_iter().enumerate().map(numbered).collect() })
}

/// Waits for 3 to 52 ms before the next try, so that writers that collide drift apart.
#[expect(clippy::disallowed_methods, reason = "a back-off has no condition to wait for")]
pub(crate) async fn back_off(attempt: usize) {
    tokio::time::sleep(Duration::from_millis((attempt as u64 * 7) % 50 + 3)).await;
}
