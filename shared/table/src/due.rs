//! The due index: work that waits longer than SQS can delay a message (15 minutes), in slots of five minutes.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::command::Delivery;
use domain::id::sha256_hex;
use domain::inbox::InboxEntry;
use domain::notification_channel::NotificationChannelId;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::codec;
use crate::error::TableError;
use crate::keys::{self, DUE_SHARDS, Row};
use crate::table::{RangeQuery, Table};

/// The length of a slot: five minutes.
const SLOT_MS: i64 = 300_000;

/// Work that is due at a time, in milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DueEntry {
    pub at: i64,
    #[serde(flatten)]
    pub work: DueWork,
}

/// The kinds of work that fall due.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DueWork {
    /// The next attempt to deliver.
    Delivery(Box<Delivery>),
    /// A notification expires.
    Expire(InboxEntry),
    /// The lifetime of a notification channel with an open socket may be over.
    NotificationChannel(NotificationChannelId),
    /// A notification is escalated to the webhooks if it is still unread.
    Escalate(InboxEntry),
}

impl DueEntry {
    /// The row of the entry. The same work has the same row, so that a repeated put stores it one time.
    fn row(&self) -> Row {
        let name = match &self.work {
            DueWork::Delivery(it) => format!("{}|{}|{}", it.channel, it.notification.id, it.attempt_key()),
            DueWork::Expire(it) => format!("expire|{}|{}", it.app, it.id),
            DueWork::NotificationChannel(it) => format!("channel|{}|{}|{}", it.app, it.number, it.user),
            DueWork::Escalate(it) => format!("escalate|{}|{}", it.app, it.id),
        };
        let hash = sha256_hex(name.as_bytes());
        let shard = hash.bytes().next().unwrap_or(0) % DUE_SHARDS;
        Row::Due(slot(self.at), shard, self.at, hash)
    }
}

/// The slot of a time, in milliseconds since 1970.
pub(crate) fn slot(ms: i64) -> u64 {
    u64::try_from(ms / SLOT_MS).unwrap_or(0)
}

impl Table {
    /// Stores work until it is due.
    pub async fn put_due(&self, due: &DueEntry) -> Result<(), TableError> {
        let extra = [("due".to_owned(), AttributeValue::N(due.at.to_string()))].into();
        self.put(&due.row(), due, extra).await
    }

    /// The entries of a slot that are due up to `until`, at most 500 per shard.
    pub async fn due_entries(&self, slot: u64, until: OffsetDateTime) -> Result<Vec<DueEntry>, TableError> {
        let mut all = Vec::new();
        for shard in 0..DUE_SHARDS {
            let (partition, to) = (keys::due(slot, shard), keys::time_key(domain::millis(until), "~"));
            let range =
                RangeQuery { partition: &partition, from: "0", to: &to, forward: true, consistent: true, limit: 500 };
            let rows = self.query_range(range).await?;
            all.extend(rows.into_iter().map(|it| codec::decode("due", it)).collect::<Result<Vec<DueEntry>, _>>()?);
        }
        Ok(all)
    }

    /// Deletes an entry: its work is done, or on a queue again.
    pub async fn delete_due(&self, due: &DueEntry) -> Result<(), TableError> {
        self.delete(&due.row()).await.map(drop)
    }
}
