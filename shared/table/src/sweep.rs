//! What `sweep` reads of the sparse index `open`, and its checkpoint.

use domain::queue_watch::QueueLook;
use domain::{AppId, BucketId, ItemId};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::codec::Attributes;
use crate::due;
use crate::error::TableError;
use crate::keys::{self, Row};
use crate::table::Table;

/// How far the sweep has come: everything due before these times (milliseconds since 1970) has been queued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepCheckpoint {
    pub scans: i64,
    pub due: i64,
    /// Its last look at the queues.
    #[serde(default)]
    pub queues: QueueLook,
}

/// An item whose lease has run out, as the index has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ExpiredLease {
    pub id: ItemId,
}

#[derive(Deserialize)]
struct BucketIndexRow {
    id: BucketId,
    app: AppId,
}

impl Table {
    /// The checkpoint of the last run of the sweep; `None` before the first.
    pub async fn sweep_checkpoint(&self) -> Result<Option<SweepCheckpoint>, TableError> {
        self.get(&Row::SweepCheckpoint).await
    }

    /// Stores the checkpoint of a run of the sweep.
    pub async fn put_sweep_checkpoint(&self, checkpoint: &SweepCheckpoint) -> Result<(), TableError> {
        self.put(&Row::SweepCheckpoint, checkpoint, Attributes::new()).await
    }

    /// Claims the sweep for one run until `until`; `false` if another run holds it.
    pub async fn claim_sweep(&self, run: &str, now: OffsetDateTime, until: OffsetDateTime) -> Result<bool, TableError> {
        self.claim(&Row::SweepLease, run, now, until).await
    }

    /// Ends a run's claim of the sweep.
    pub async fn release_sweep(&self, run: &str) -> Result<(), TableError> {
        self.release(&Row::SweepLease, run).await
    }

    /// The ids of all active buckets, of all applications.
    pub async fn active_buckets(&self) -> Result<Vec<(AppId, BucketId)>, TableError> {
        let buckets: Vec<BucketIndexRow> = self.query_open_index("BUCKETS", "~", "bucket", usize::MAX).await?;
        Ok(buckets.into_iter().map(|it| (it.app, it.id)).collect())
    }

    /// Items whose lease ran out by `now`: pages are read until there are 1,000.
    pub async fn expired_leases(&self, now: OffsetDateTime) -> Result<Vec<ExpiredLease>, TableError> {
        self.query_open_index("LEASES", &keys::time_key(domain::millis(now), "~"), "item", 1_000).await
    }

    /// The slots of the due index between two times, in milliseconds since 1970.
    pub fn due_slots(from: i64, to: i64) -> std::ops::RangeInclusive<u64> {
        due::slot(from)..=due::slot(to)
    }
}
