//! The list of an application's recent inbox notifications, of all users.

use std::collections::HashSet;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::AppId;
use domain::notification::{Notification, Stream, WriteKey};
use serde::{Deserialize, Serialize};

use crate::codec;
use crate::error::TableError;
use crate::keys::{self, Row};
use crate::table::Table;

/// The most bytes of notifications in a row before they are packed: a DynamoDB item has at most 400 KB, even if nothing
/// can be compressed.
const MAX_ROW_BYTES: usize = 300_000;
/// Rows that are read at a time.
const PAGE_ROWS: i32 = 200;
/// How long the rows are kept: 30 days.
const RETENTION_SECONDS: i64 = 30 * 86_400;

/// What a row holds beside its packed notifications.
#[derive(Serialize, Deserialize)]
struct RecentRow {
    app: AppId,
    count: usize,
    /// The batch of `dispatch`, or the write, whose notifications these are.
    batch: String,
}

impl Table {
    /// Adds inbox notifications of one batch of the table's stream to the list. `at` (milliseconds since 1970) and `batch`
    /// are the time and the sequence number of its first record. A repeat of the batch replaces its rows.
    pub async fn put_recent(
        &self,
        app: AppId,
        notifications: &[Notification],
        at: i64,
        batch: &str,
    ) -> Result<(), TableError> {
        for (index, part) in split_into_rows(notifications).into_iter().enumerate() {
            self.put_recent_row(app, at, &format!("{batch}.{index}"), part).await?;
        }
        Ok(())
    }

    /// Records that the notifications of a write were pushed to the open sockets, by its writer or in its place. Those of a
    /// user are in the list then: the record costs nothing that the list does not cost.
    ///
    /// # Errors
    /// If the table cannot be written.
    pub async fn record_pushed(
        &self,
        app: AppId,
        write: &WriteKey,
        notifications: &[Notification],
    ) -> Result<(), TableError> {
        let of_users: Vec<Notification> =
            notifications.iter().filter(|it| matches!(it.id.stream, Stream::User(_))).cloned().collect();
        if split_into_rows(&of_users).len() > 1 {
            // what does not fit into one row is listed by rows of its own, before the record says that it is done
            self.put_recent(app, &of_users, write.at, &format!("{}.part", write.id)).await?;
            return self.put_recent_row(app, write.at, &write.id, &[]).await;
        }
        self.put_recent_row(app, write.at, &write.id, &of_users).await
    }

    /// Which of these writes [`Table::record_pushed`] has recorded.
    ///
    /// # Errors
    /// If the table cannot be read.
    pub async fn pushed_writes(&self, writes: &[(AppId, WriteKey)]) -> Result<HashSet<(AppId, String)>, TableError> {
        let row_of = |(app, write): &(AppId, WriteKey)| Row::RecentNotifications(*app, write.at, write.id.clone());
        let rows: Vec<Row> = writes.iter().map(row_of).collect();
        let found: Vec<RecentRow> = self.get_many(&rows, Some("app,count,batch")).await?;
        Ok(found.into_iter().map(|row| (row.app, row.batch)).collect())
    }

    async fn put_recent_row(
        &self,
        app: AppId,
        at: i64,
        batch: &str,
        notifications: &[Notification],
    ) -> Result<(), TableError> {
        let row = Row::RecentNotifications(app, at, batch.to_owned());
        let packed = codec::pack(&row, &notifications)?;
        let mut extra = codec::ttl(at / 1_000 + RETENTION_SECONDS);
        extra.insert("packed".into(), AttributeValue::B(packed));
        let body = RecentRow { app, count: notifications.len(), batch: batch.to_owned() };
        self.put(&row, &body, extra).await
    }

    /// The newest inbox notifications of an application, of all users: at most `limit`, newest first.
    pub async fn recent(&self, app: AppId, limit: usize) -> Result<Vec<Notification>, TableError> {
        let partition = keys::recent_notifications(app);
        let (mut before, mut all) = ("9~".to_owned(), Vec::new());
        while all.len() < limit {
            let page = self.older_page((&partition, "0"), &mut before, true, PAGE_ROWS).await?;
            if page.is_empty() {
                break;
            }
            for mut row in page {
                let key = codec::sort_key(&row);
                let Some(AttributeValue::B(packed)) = row.remove("packed") else { continue };
                let corrupt = |it: std::io::Error| TableError::Corrupt { kind: "told", key, source: it.into() };
                let mut notifications: Vec<Notification> = codec::unpack(&packed).map_err(corrupt)?;
                notifications.reverse();
                all.extend(notifications);
            }
        }
        all.truncate(limit);
        Ok(all)
    }
}

/// Notifications in parts that fit into a row each.
fn split_into_rows(all: &[Notification]) -> Vec<&[Notification]> {
    domain::split_by_size(all, MAX_ROW_BYTES, domain::MAX_BATCH, |it| it.data.to_string().len() + 500)
}
