//! Reading streams by sequence number, idempotency keys of requests, and the inbox that needs no credentials.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::AppId;
use domain::notification::{Notification, NotificationId, Position, Stream};
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::codec::{self, Attributes};
use crate::error::TableError;
use crate::keys::{self, Row};
use crate::streams::{StreamRow, decode_batch};
use crate::table::{RangeQuery, Table, condition_held};

/// The most notifications in a row of a stream. A page begins so far before its first number, since a row's key is its
/// first number.
const MAX_PER_ROW: u64 = domain::MAX_BATCH as u64;
/// How long an idempotency key makes a request safe to repeat (realtime, D-13).
const IDEMPOTENCY_KEY_RETENTION: Duration = Duration::hours(24);
/// The most rows that one read takes.
const MAX_PAGE_ROWS: usize = 200;

/// The record of a request with an idempotency key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IdempotencyRecord {
    /// The SHA-256 of the request's body.
    pub body: String,
    /// The response, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// When the request began, in milliseconds since 1970.
    pub at: i64,
    /// Until when its latest attempt may be under way, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_until: Option<i64>,
    /// A text of its latest attempt's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
}

impl IdempotencyRecord {
    /// The record of a request that begins.
    pub fn new(body: String, now: OffsetDateTime) -> Self {
        Self { body, answer: None, at: domain::millis(now), lease_until: None, holder: None }
    }
}

#[derive(Serialize, Deserialize)]
struct OpenInboxRow {
    app: AppId,
}

impl Table {
    /// The oldest position that a stream still has; `None` if it is empty.
    pub async fn oldest_position(&self, app: AppId, stream: &Stream) -> Result<Option<Position>, TableError> {
        let partition = keys::stream_partition(app, stream);
        let range = RangeQuery { partition: &partition, from: "0", to: "~", forward: true, consistent: true, limit: 1 };
        let Some(row) = self.query_range(range).await?.pop() else { return Ok(None) };
        let row: StreamRow = codec::decode("notification", row)?;
        Ok(Some(Position { epoch: row.epoch, sequence: row.first }))
    }

    /// At most `limit` notifications with numbers above `after`, oldest first.
    pub async fn notifications_after(
        &self,
        app: AppId,
        stream: &Stream,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Notification>, TableError> {
        let mut from = after.saturating_sub(MAX_PER_ROW - 2);
        // the page may begin with notifications up to `after`: at most one row's length
        let max_rows = limit + MAX_PER_ROW as usize;
        loop {
            let mut found =
                self.read_notifications(app, stream, &keys::sequence_key(from), "~", true, max_rows).await?;
            let Some(last) = found.last().map(|it| it.id.sequence) else { return Ok(found) };
            found.retain(|it| it.id.sequence > after);
            if !found.is_empty() {
                found.truncate(limit);
                return Ok(found);
            }
            // rows before the first that counts fill a page (1 MB, DynamoDB limit)
            from = last + 1;
        }
    }

    /// At most `limit` notifications with numbers up to `to`, newest first.
    pub async fn notifications_up_to(
        &self,
        app: AppId,
        stream: &Stream,
        to: u64,
        limit: usize,
    ) -> Result<Vec<Notification>, TableError> {
        let mut found = self.read_notifications(app, stream, "0", &keys::sequence_key(to), false, limit).await?;
        found.sort_by_key(|it| std::cmp::Reverse(it.id.sequence));
        found.retain(|it| it.id.sequence <= to);
        found.truncate(limit);
        Ok(found)
    }

    async fn read_notifications(
        &self,
        app: AppId,
        stream: &Stream,
        from: &str,
        to: &str,
        forward: bool,
        max_rows: usize,
    ) -> Result<Vec<Notification>, TableError> {
        let partition = keys::stream_partition(app, stream);
        let limit = max_rows.clamp(1, MAX_PAGE_ROWS) as i32;
        let rows =
            self.query_range(RangeQuery { partition: &partition, from, to, forward, consistent: true, limit }).await?;
        let mut all = Vec::new();
        for row in rows {
            all.extend(decode_batch(row)?.notifications);
        }
        Ok(all)
    }

    /// A notification by its id.
    pub async fn notification(&self, app: AppId, id: &NotificationId) -> Result<Option<Notification>, TableError> {
        let found = self.notifications_up_to(app, &id.stream, id.sequence, 1).await?.into_iter().next();
        Ok(found.filter(|it| it.id == *id))
    }

    /// Begins a request with an idempotency key; `Some` if an earlier request has used the key. It is the record that was in the way,
    /// also if it is forgotten right then.
    pub async fn begin_idempotent(
        &self,
        app: AppId,
        key: &str,
        record: &IdempotencyRecord,
        write_id: &str,
    ) -> Result<Option<IdempotencyRecord>, TableError> {
        let row = Row::IdempotencyKey(app, key.to_owned());
        let other = self.put_or_read(&row, record, write_id, record_ttl(record)).await?;
        other.map(|it| codec::decode(row.kind(), it)).transpose()
    }

    /// Replaces the record of an attempt that has no response, which is `holder`'s; `false` if it is another's by now, or has a
    /// response, or is forgotten.
    pub async fn replace_idempotent(
        &self,
        app: AppId,
        key: &str,
        holder: Option<&str>,
        record: &IdempotencyRecord,
    ) -> Result<bool, TableError> {
        let row = Row::IdempotencyKey(app, key.to_owned());
        let put = self.put_item().set_item(Some(codec::encode(&row, record, record_ttl(record))?));
        let put = match holder {
            Some(holder) => put
                .condition_expression("holder = :before AND attribute_not_exists(answer)")
                .expression_attribute_values(":before", AttributeValue::S(holder.to_owned())),
            None => put.condition_expression(
                "attribute_exists(PK) AND attribute_not_exists(holder) AND attribute_not_exists(answer)",
            ),
        };
        if condition_held(&row, put.send().await)? {
            return Ok(true);
        }
        // the condition also fails on our own write, when its answer was lost and the SDK tried again
        let stored: Option<IdempotencyRecord> = self.get(&row).await?;
        Ok(stored.as_ref() == Some(record))
    }

    /// The records of requests with these idempotency keys, in their order; they are read at the same time.
    pub async fn idempotents(&self, app: AppId, keys: &[String]) -> Result<Vec<Option<IdempotencyRecord>>, TableError> {
        let rows: Vec<Row> = keys.iter().map(|it| Row::IdempotencyKey(app, it.clone())).collect();
        try_join_all(rows.iter().map(|it| self.get(it))).await
    }

    /// Stores the response to a request with an idempotency key.
    pub async fn finish_idempotent(&self, app: AppId, key: &str, record: &IdempotencyRecord) -> Result<(), TableError> {
        self.put(&Row::IdempotencyKey(app, key.to_owned()), record, record_ttl(record)).await
    }

    /// Forgets a request with an idempotency key.
    pub async fn forget_idempotent(&self, app: AppId, key: &str) -> Result<(), TableError> {
        self.delete(&Row::IdempotencyKey(app, key.to_owned())).await.map(drop)
    }

    /// The application whose inbox needs no credentials, if there is one.
    pub async fn open_inbox(&self) -> Result<Option<AppId>, TableError> {
        Ok(self.get::<OpenInboxRow>(&Row::OpenInbox).await?.map(|it| it.app))
    }

    /// Makes an application's inbox the one that needs no credentials.
    pub async fn put_open_inbox(&self, app: AppId) -> Result<(), TableError> {
        self.put(&Row::OpenInbox, &OpenInboxRow { app }, Attributes::new()).await
    }
}

/// When the record of a request ends.
fn record_ttl(record: &IdempotencyRecord) -> Attributes {
    codec::ttl((domain::from_millis(record.at) + IDEMPOTENCY_KEY_RETENTION).unix_timestamp())
}
