//! What an application did in a period, counted from the rows that record it anyway.

use domain::{AppId, ItemId};
use serde::Deserialize;

use crate::codec;
use crate::error::TableError;
use crate::keys;
use crate::table::{RangeQuery, Table};

/// Rows that one query reads: a page of DynamoDB's has at most 1 MB, and rows of a hundred entries some KB each.
const PAGE_ROWS: i32 = 100;
/// Pages that are read of each kind of row. More rows than these are not counted, and the counts say so.
const MAX_PAGES: usize = 100;

/// What was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PeriodCounts {
    /// Items that were found.
    pub items: u64,
    /// Deliveries that succeeded at the first attempt.
    pub deliveries: u64,
    /// Notifications in users' inboxes.
    pub inbox: u64,
    /// Whether there were more rows than were read.
    pub more: bool,
}

/// How many entries a row stands for.
#[derive(Deserialize)]
struct CountedRow {
    #[serde(default)]
    count: u64,
    /// Of the index of items, which has no `count`.
    #[serde(default)]
    ids: Vec<ItemId>,
}

impl Table {
    /// Counts what an application did from one time up to another, in milliseconds since 1970.
    pub async fn period_counts(&self, app: AppId, from: i64, to: i64) -> Result<PeriodCounts, TableError> {
        let mut counts = PeriodCounts::default();
        for (partition, total) in [
            (keys::item_index(app), &mut counts.items),
            (keys::segment(app), &mut counts.deliveries),
            (keys::recent_notifications(app), &mut counts.inbox),
        ] {
            let (count, more) = self.count_entries(&partition, from, to).await?;
            *total = count;
            counts.more |= more;
        }
        Ok(counts)
    }

    /// The entries in the rows of a partition in a period, and whether there are more rows than were read.
    async fn count_entries(&self, partition: &str, from: i64, to: i64) -> Result<(u64, bool), TableError> {
        let (mut from, to) = (keys::time_key(from, ""), keys::time_key(to, ""));
        let mut count = 0;
        for _ in 0..MAX_PAGES {
            let range =
                RangeQuery { partition, from: &from, to: &to, forward: true, consistent: false, limit: PAGE_ROWS };
            let rows = self.query_range(range).await?;
            let Some(last) = rows.last().map(codec::sort_key) else { return Ok((count, false)) };
            for mut row in rows {
                row.remove("packed");
                let row: CountedRow = codec::decode("counted", row)?;
                count += row.count + row.ids.len() as u64;
            }
            from = format!("{last}!"); // behind the last
        }
        Ok((count, true))
    }
}
