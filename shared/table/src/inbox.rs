//! Inboxes: a user's stream read from a place on, what was done with it, and what was sent once by its key.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::AppId;
use domain::notification::{Notification, NotificationId, Position, Stream};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::streams::{StreamRow, decode_batch};
use crate::{Attributes, PutOutcome, RangeQuery, Row, Table, TableError, codec, keys};

/// A row of a stream holds so many notifications at most: a page begins so far before its first number.
const MAX_PER_ROW: u64 = domain::MAX_BATCH as u64;
/// How long a key makes a request safe to repeat (realtime, D-13), and how long one may be under way.
const IDEMPOTENCY_KEY_RETENTION: Duration = Duration::hours(24);
/// What a row of the list of everything holds at most, in bytes before they are packed.
const MAX_ROW_BYTES: usize = 300_000;
/// Rows of the list of everything that are read at once.
const RECENT_PAGE_ROWS: i32 = 200;
/// How long the list of everything is kept.
const RECENT_RETENTION_SECONDS: i64 = 30 * 86_400;

/// What a request with a key did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IdempotencyRecord {
    /// SHA-256 of its body.
    pub body: String,
    /// The answer, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// When it began, in milliseconds.
    pub at: i64,
}

/// Notifications as rows hold them: at most 100, and small enough for a row (400 KB) even if nothing can be packed.
fn split_into_rows(all: &[Notification]) -> Vec<&[Notification]> {
    domain::split_by_size(all, MAX_ROW_BYTES, domain::MAX_BATCH, |it| it.data.to_string().len() + 500)
}

/// A notification, with when it was told in a list of everything.
#[derive(Serialize)]
struct RecentRow {
    app: AppId,
    count: usize,
}

impl Table {
    /// The oldest number that a stream still has; `None` if it has none.
    pub async fn oldest_position(&self, app: AppId, stream: &Stream) -> Result<Option<Position>, TableError> {
        let partition = keys::stream_partition(app, stream);
        let ask = RangeQuery { partition: &partition, from: "0", to: "~", forward: true, consistent: true, limit: 1 };
        let Some(row) = self.query_range(ask).await?.pop() else { return Ok(None) };
        let row: StreamRow = codec::decode("notification", row)?;
        Ok(Some(Position { epoch: row.epoch, sequence: row.first }))
    }

    /// Notifications with numbers above `after`, oldest first.
    pub async fn notifications_after(
        &self,
        app: AppId,
        stream: &Stream,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Notification>, TableError> {
        let mut from = after.saturating_sub(MAX_PER_ROW - 2);
        // rows before the first that counts come along, at most all but one of a whole row's length
        let most = limit + MAX_PER_ROW as usize;
        loop {
            let mut found = self.read_notifications(app, stream, &keys::sequence_key(from), "~", true, most).await?;
            let Some(last) = found.last().map(|it| it.id.sequence) else { return Ok(found) };
            found.retain(|it| it.id.sequence > after);
            if !found.is_empty() {
                found.truncate(limit);
                return Ok(found);
            }
            // large rows fill a page of 1 MB before the first that counts
            from = last + 1;
        }
    }

    /// Notifications with numbers up to `to`, newest first.
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
        most: usize,
    ) -> Result<Vec<Notification>, TableError> {
        let partition = keys::stream_partition(app, stream);
        let limit = i32::try_from(most.clamp(1, 200)).unwrap_or(200);
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

    /// Begins a request with a key; `Some` with what an earlier one with this key has done.
    pub async fn begin_idempotent(
        &self,
        app: AppId,
        key: &str,
        body: &str,
        write_id: &str,
        now: OffsetDateTime,
    ) -> Result<Option<IdempotencyRecord>, TableError> {
        let row = Row::IdempotencyKey(app, key.to_owned());
        let once = IdempotencyRecord { body: body.to_owned(), answer: None, at: domain::millis(now) };
        let put =
            self.put_new(&row, &once, write_id, codec::ttl((now + IDEMPOTENCY_KEY_RETENTION).unix_timestamp())).await?;
        if put == PutOutcome::Stored { Ok(None) } else { self.get(&row).await }
    }

    /// Keeps the answer to a request with a key.
    pub async fn finish_idempotent(&self, app: AppId, key: &str, once: &IdempotencyRecord) -> Result<(), TableError> {
        let expires = domain::from_millis(once.at) + IDEMPOTENCY_KEY_RETENTION;
        self.put(&Row::IdempotencyKey(app, key.to_owned()), once, codec::ttl(expires.unix_timestamp())).await
    }

    /// Lists inbox notifications of one batch of the stream, for the view of everything. The same batch again replaces
    /// its row.
    pub async fn put_recent(&self, app: AppId, told: &[Notification], at: i64, batch: &str) -> Result<(), TableError> {
        for (index, some) in split_into_rows(told).into_iter().enumerate() {
            let row = Row::RecentNotifications(app, at, format!("{batch}.{index}"));
            let packed = codec::pack(&some).map_err(|it| TableError::write(&row, it))?;
            let mut extra = codec::ttl(at / 1_000 + RECENT_RETENTION_SECONDS);
            extra.insert("packed".into(), AttributeValue::B(Blob::new(packed)));
            self.put(&row, &RecentRow { app, count: some.len() }, extra).await?;
        }
        Ok(())
    }

    /// The newest inbox notifications of an application, of all users: at most `most`, newest first.
    pub async fn recent(&self, app: AppId, most: usize) -> Result<Vec<Notification>, TableError> {
        let partition = keys::recent_notifications(app);
        let (mut to, mut all) = ("9~".to_owned(), Vec::new());
        while all.len() < most {
            let ask = RangeQuery {
                partition: &partition,
                from: "0",
                to: &to,
                forward: false,
                consistent: true,
                limit: RECENT_PAGE_ROWS,
            };
            let before = to.clone();
            for mut row in self.query_range(ask).await? {
                let key = row.get("SK").and_then(|it| it.as_s().ok()).cloned().unwrap_or_default();
                if key == before {
                    continue; // the last one of the page before
                }
                to.clone_from(&key);
                let Some(AttributeValue::B(packed)) = row.remove("packed") else { continue };
                let corrupt = |it: std::io::Error| TableError::Corrupt { kind: "told", key, source: it.into() };
                let mut some: Vec<Notification> = codec::unpack(packed.as_ref()).map_err(corrupt)?;
                some.reverse();
                all.extend(some);
            }
            if to == before {
                break;
            }
        }
        all.truncate(most);
        Ok(all)
    }

    /// The application whose inbox needs no credentials, if there is one.
    pub async fn open_inbox(&self) -> Result<Option<AppId>, TableError> {
        Ok(self.get::<OpenInboxRow>(&Row::OpenInbox).await?.map(|it| it.app))
    }

    pub async fn put_open_inbox(&self, app: AppId) -> Result<(), TableError> {
        self.put(&Row::OpenInbox, &OpenInboxRow { app }, Attributes::new()).await
    }
}

#[derive(Serialize, Deserialize)]
struct OpenInboxRow {
    app: AppId,
}
