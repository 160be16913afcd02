//! Streams of notifications: appended without gaps, read from a place on.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::AppId;
use domain::notification::{Head, NewNotification, Notification, NotificationId, Position, Stream, next_position};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{Attributes, PutOutcome, RangeQuery, Row, Table, TableError, codec, keys};

/// How long a notification is kept (realtime, R-8: at least 30 days).
pub(crate) const RETENTION: time::Duration = time::Duration::days(30);

/// How often a number is tried for while other writers are faster.
pub(crate) const MAX_ATTEMPTS: usize = 30;

/// A stream's row: one notification in clear, or up to 100 packed together with consecutive numbers from `first` on.
#[derive(Serialize, Deserialize)]
pub(crate) struct StreamRow {
    pub(crate) epoch: i64,
    pub(crate) first: u64,
    pub(crate) count: u64,
    pub(crate) at: i64,
    pub(crate) app: AppId,
    pub(crate) stream: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) news: Option<String>,
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
    /// The stream that they stand in.
    pub fn stream(&self) -> Option<&Stream> {
        self.notifications.first().map(|it| &it.id.stream)
    }
}

impl Table {
    /// Tells news, at most 100 at once: takes the stream's next numbers in one put. `write_id` makes a repeated try of
    /// this request safe, not a repeated call.
    pub async fn append(
        &self,
        app: AppId,
        stream: &Stream,
        news: &[NewNotification],
        write_id: &str,
        now: OffsetDateTime,
    ) -> Result<Position, TableError> {
        for attempt in 0..MAX_ATTEMPTS {
            // the first look may be a moment old, at half the price: a number that is taken by then is not given again
            let mut head = self.read_head(app, stream, attempt > 0).await?;
            if head.is_none() {
                head = self.head(app, stream).await?;
                if let (None, Stream::User(user)) = (head, stream) {
                    // all has expired, or nothing was ever told: numbers begin anew, and old marks must not fit them
                    self.reset_read_state(app, user, now).await?;
                }
            }
            let place = next_position(now, head);
            let (row, body, extra) = encode_stream_row(app, stream, place, news, now)?;
            if self.put_new(&row, &body, write_id, extra).await? == PutOutcome::Stored {
                return Ok(place);
            }
            back_off(attempt).await;
        }
        Err(TableError::conflict(&Row::Notification(app, stream.clone(), 0)))
    }

    /// The newest number of a stream; `None` if it never had one.
    pub async fn head(&self, app: AppId, stream: &Stream) -> Result<Option<Head>, TableError> {
        self.read_head(app, stream, true).await
    }

    async fn read_head(&self, app: AppId, stream: &Stream, consistent: bool) -> Result<Option<Head>, TableError> {
        let partition = keys::stream_partition(app, stream);
        let ask = RangeQuery { partition: &partition, from: "0", to: "~", forward: false, consistent, limit: 1 };
        let Some(row) = self.query_range(ask).await?.pop() else { return Ok(None) };
        let row: StreamRow = codec::decode("notification", row)?;
        let last = Position { epoch: row.epoch, sequence: row.first + row.count - 1 };
        let expires =
            OffsetDateTime::from_unix_timestamp(row.ttl.unwrap_or(i64::MAX)).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        Ok(Some(Head { last, expires }))
    }

    /// The writes that were told at or after a time, in milliseconds, by their ids, each with its first place.
    pub async fn published_since(
        &self,
        app: AppId,
        stream: &Stream,
        at: i64,
    ) -> Result<HashMap<String, Position>, TableError> {
        let partition = keys::stream_partition(app, stream);
        let (mut to, mut told) = ("~".to_owned(), HashMap::new());
        loop {
            let ask =
                RangeQuery { partition: &partition, from: "0", to: &to, forward: false, consistent: true, limit: 100 };
            let rows = self.query_range(ask).await?;
            if rows.is_empty() {
                return Ok(told);
            }
            for it in rows {
                let row: StreamRow = codec::decode("notification", it)?;
                if row.at < at || row.first == 0 {
                    return Ok(told);
                }
                to = keys::sequence_key(row.first - 1);
                let place = Position { epoch: row.epoch, sequence: row.first };
                told.extend(row.write_id.map(|it| (it, place)));
            }
        }
    }
}

pub(crate) fn encode_stream_row(
    app: AppId,
    stream: &Stream,
    place: Position,
    news: &[NewNotification],
    now: OffsetDateTime,
) -> Result<(Row, StreamRow, Attributes), TableError> {
    let row = Row::Notification(app, stream.clone(), place.sequence);
    let mut body = StreamRow {
        epoch: place.epoch,
        first: place.sequence,
        count: news.len() as u64,
        at: domain::millis(now),
        app,
        stream: stream.to_string(),
        news: None,
        ttl: None,
        write_id: None,
    };
    let mut extra = codec::ttl((now + RETENTION).unix_timestamp());
    match news {
        [one] => body.news = Some(serde_json::to_string(one).map_err(|it| TableError::write(&row, it))?),
        many => {
            let packed = codec::pack(&many).map_err(|it| TableError::write(&row, it))?;
            extra.insert("packed".into(), AttributeValue::B(Blob::new(packed)));
        }
    }
    Ok((row, body, extra))
}

/// Reads the notifications of a stream's row.
pub(crate) fn decode_batch(mut row: Attributes) -> Result<NotificationBatch, TableError> {
    let packed = row.remove("packed");
    let row: StreamRow = codec::decode("notification", row)?;
    let corrupt = |source: Box<dyn std::error::Error + Send + Sync>| TableError::Corrupt {
        kind: "notification",
        key: format!("{} {}", row.app, row.first),
        source,
    };
    let news: Vec<NewNotification> = match (&row.news, packed) {
        (Some(one), _) => vec![serde_json::from_str(one).map_err(|it| corrupt(it.into()))?],
        (None, Some(AttributeValue::B(packed))) => codec::unpack(packed.as_ref()).map_err(|it| corrupt(it.into()))?,
        (None, _) => return Err(corrupt("the row holds no news".into())),
    };
    let stream: Stream = row.stream.parse().map_err(|()| corrupt("the row is of no known stream".into()))?;
    let number = |(index, it): (usize, NewNotification)| Notification {
        id: NotificationId { stream: stream.clone(), epoch: row.epoch, sequence: row.first + index as u64 },
        kind: it.kind,
        timestamp: domain::from_millis(row.at),
        data: it.data,
    };
    Ok(NotificationBatch { app: row.app, notifications: news.into_iter().enumerate().map(number).collect() })
}

/// Lets faster writers pass: a few milliseconds, more the longer it takes.
#[expect(clippy::disallowed_methods, reason = "writers that collide must drift apart, and no condition tells when")]
pub(crate) async fn back_off(attempt: usize) {
    tokio::time::sleep(Duration::from_millis((attempt as u64 * 7) % 50 + 3)).await;
}
