//! The list of an application's recent inbox notifications, of all users.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::AppId;
use domain::notification::Notification;
use serde::Serialize;

use crate::codec;
use crate::error::TableError;
use crate::keys::{self, Row};
use crate::table::{RangeQuery, Table};

/// The most bytes of notifications in a row before they are packed: a DynamoDB item has at most 400 KB, even if nothing
/// can be compressed.
const MAX_ROW_BYTES: usize = 300_000;
/// Rows that are read at a time.
const PAGE_ROWS: i32 = 200;
/// How long the rows are kept: 30 days.
const RETENTION_SECONDS: i64 = 30 * 86_400;

/// What a row holds beside its packed notifications.
#[derive(Serialize)]
struct RecentRow {
    app: AppId,
    count: usize,
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
            let row = Row::RecentNotifications(app, at, format!("{batch}.{index}"));
            let packed = codec::pack(&row, &part)?;
            let mut extra = codec::ttl(at / 1_000 + RETENTION_SECONDS);
            extra.insert("packed".into(), AttributeValue::B(packed));
            self.put(&row, &RecentRow { app, count: part.len() }, extra).await?;
        }
        Ok(())
    }

    /// The newest inbox notifications of an application, of all users: at most `limit`, newest first.
    pub async fn recent(&self, app: AppId, limit: usize) -> Result<Vec<Notification>, TableError> {
        let partition = keys::recent_notifications(app);
        let (mut to, mut all) = ("9~".to_owned(), Vec::new());
        while all.len() < limit {
            let range = RangeQuery {
                partition: &partition,
                from: "0",
                to: &to,
                forward: false,
                consistent: true,
                limit: PAGE_ROWS,
            };
            let before = to.clone();
            for mut row in self.query_range(range).await? {
                let key = codec::sort_key(&row);
                if key == before {
                    continue; // the last row of the page before
                }
                to.clone_from(&key);
                let Some(AttributeValue::B(packed)) = row.remove("packed") else { continue };
                let corrupt = |it: std::io::Error| TableError::Corrupt { kind: "told", key, source: it.into() };
                let mut notifications: Vec<Notification> = codec::unpack(&packed).map_err(corrupt)?;
                notifications.reverse();
                all.extend(notifications);
            }
            if to == before {
                break;
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
