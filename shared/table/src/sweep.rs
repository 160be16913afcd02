//! What the sweep looks at: the sparse index `open`, and its own mark.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{AppId, BucketId, ItemId};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{Attributes, CAPACITY, Row, Table, TableError, codec, due, keys};

/// How far the sweep has come, in milliseconds: everything due before has been queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepCheckpoint {
    pub scans: i64,
    pub due: i64,
}

/// An item whose lease has run out, as the index knows it.
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
    pub async fn sweep_checkpoint(&self) -> Result<Option<SweepCheckpoint>, TableError> {
        self.get(&Row::SweepCheckpoint).await
    }

    pub async fn put_sweep_checkpoint(&self, mark: &SweepCheckpoint) -> Result<(), TableError> {
        self.put(&Row::SweepCheckpoint, mark, Attributes::new()).await
    }

    /// The ids of all active buckets, of all applications.
    pub async fn active_buckets(&self) -> Result<Vec<(AppId, BucketId)>, TableError> {
        let open: Vec<BucketIndexRow> = self.query_open_index("BUCKETS", "~", "bucket", i32::MAX).await?;
        Ok(open.into_iter().map(|it| (it.app, it.id)).collect())
    }

    /// Items whose lease ran out by `now`, at most 1,000.
    pub async fn expired_leases(&self, now: OffsetDateTime) -> Result<Vec<ExpiredLease>, TableError> {
        self.query_open_index("LEASES", &keys::time_key(domain::millis(now), "~"), "item", 1_000).await
    }

    /// The slots of the due index between two times.
    pub fn due_slots(from: i64, to: i64) -> std::ops::RangeInclusive<u64> {
        due::slot(from)..=due::slot(to)
    }

    pub(crate) async fn query_open_index<T: serde::de::DeserializeOwned>(
        &self,
        what: &str,
        to: &str,
        kind: &'static str,
        most: i32,
    ) -> Result<Vec<T>, TableError> {
        let (mut all, mut start) = (Vec::new(), None);
        loop {
            let query =
                self.client.query().table_name(&self.name).index_name("open").return_consumed_capacity(CAPACITY);
            let query = query
                .key_condition_expression("#open = :what AND open_at <= :to")
                .expression_attribute_names("#open", "open")
                .expression_attribute_values(":what", AttributeValue::S(what.to_owned()))
                .expression_attribute_values(":to", AttributeValue::S(to.to_owned()))
                .set_exclusive_start_key(start);
            let answer = query
                .send()
                .await
                .map_err(|it| TableError::Read { row: format!("open {what}"), source: Box::new(it) })?;
            for it in answer.items.unwrap_or_default() {
                all.push(codec::decode(kind, it)?);
            }
            start = answer.last_evaluated_key;
            if start.is_none() || all.len() >= usize::try_from(most).unwrap_or(usize::MAX) {
                return Ok(all);
            }
        }
    }
}
