//! The due index: what waits longer than a queue can delay it (15 minutes).

use aws_sdk_dynamodb::types::AttributeValue;
use domain::command::Delivery;
use domain::id::sha256_hex;
use domain::inbox::InboxEntry;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::keys::{self, DUE_SHARDS};
use crate::{Attributes, RangeQuery, Row, Table, TableError, codec};

/// Slots are five minutes long.
const SLOT_MS: i64 = 300_000;

/// What falls due at a time, in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DueEntry {
    pub at: i64,
    #[serde(flatten)]
    pub work: DueWork,
}

/// What falls due.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DueWork {
    /// The next attempt to deliver.
    Delivery(Box<Delivery>),
    /// A notification expires.
    Expire(InboxEntry),
    /// The webhooks are told, if it is still unread.
    Escalate(InboxEntry),
}

impl DueEntry {
    /// The same work is the same row: twice is once.
    fn row(&self) -> Row {
        let name = match &self.work {
            DueWork::Delivery(it) => format!("{}|{}|{}", it.channel, it.notification.id, it.attempt_key()),
            DueWork::Expire(it) => format!("expire|{}|{}", it.app, it.id),
            DueWork::Escalate(it) => format!("escalate|{}|{}", it.app, it.id),
        };
        let hash = sha256_hex(name.as_bytes());
        let shard = hash.bytes().next().unwrap_or(0) % DUE_SHARDS;
        Row::Due(slot(self.at), shard, self.at, hash)
    }
}

/// The slot that a time falls into.
pub(crate) fn slot(ms: i64) -> u64 {
    u64::try_from(ms / SLOT_MS).unwrap_or(0)
}

impl Table {
    /// Stores work until it is due.
    pub async fn put_due(&self, due: &DueEntry) -> Result<(), TableError> {
        let extra = [("due".to_owned(), AttributeValue::N(due.at.to_string()))].into();
        self.put(&due.row(), due, extra).await
    }

    /// What of a slot falls due up to `until`, at most 500 a shard.
    pub async fn due_entries(&self, slot: u64, until: OffsetDateTime) -> Result<Vec<DueEntry>, TableError> {
        let mut all = Vec::new();
        for shard in 0..DUE_SHARDS {
            let (partition, to) = (keys::due(slot, shard), keys::time_key(domain::millis(until), "~"));
            let ask =
                RangeQuery { partition: &partition, from: "0", to: &to, forward: true, consistent: true, limit: 500 };
            let rows: Vec<Attributes> = self.query_range(ask).await?;
            all.extend(rows.into_iter().map(|it| codec::decode("due", it)).collect::<Result<Vec<DueEntry>, _>>()?);
        }
        Ok(all)
    }

    /// Removes work that was done, or is on its queue again.
    pub async fn delete_due(&self, due: &DueEntry) -> Result<(), TableError> {
        self.delete(&due.row()).await.map(|_| ())
    }
}
