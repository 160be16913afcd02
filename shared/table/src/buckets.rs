//! Buckets and the state of their scans.

use domain::bucket::{Bucket, ScanState};
use domain::{AppId, BucketId};

use crate::codec::{self, Attributes};
use crate::error::TableError;
use crate::keys::Row;
use crate::table::{PutOutcome, Table};

impl Table {
    /// Stores a new bucket. A random id is `AlreadyExists` only for a repeat of the request.
    pub async fn put_bucket(&self, bucket: &Bucket) -> Result<PutOutcome, TableError> {
        self.put_new(&Row::Bucket(bucket.app, bucket.id), bucket, &bucket.id.to_string(), open_index_attributes(bucket))
            .await
    }

    /// Replaces a bucket; `false` if it was deleted.
    pub async fn replace_bucket(&self, bucket: &Bucket) -> Result<bool, TableError> {
        self.replace(&Row::Bucket(bucket.app, bucket.id), bucket, open_index_attributes(bucket)).await
    }

    /// A bucket by its id.
    pub async fn bucket(&self, app: AppId, id: BucketId) -> Result<Option<Bucket>, TableError> {
        self.get(&Row::Bucket(app, id)).await
    }

    /// All buckets of an application, by id.
    pub async fn buckets(&self, app: AppId) -> Result<Vec<Bucket>, TableError> {
        self.query_by_prefix(app, "BUCKET", "bucket").await
    }

    /// Deletes a bucket and the state of its scans; `false` if it did not exist. Its items stay.
    pub async fn delete_bucket(&self, app: AppId, id: BucketId) -> Result<bool, TableError> {
        let existed = self.delete(&Row::Bucket(app, id)).await?;
        self.delete(&Row::Scan(app, id)).await?;
        Ok(existed)
    }

    /// The state of a bucket's scans; the default before the first.
    pub async fn scan_state(&self, app: AppId, id: BucketId) -> Result<ScanState, TableError> {
        Ok(self.get(&Row::Scan(app, id)).await?.unwrap_or_default())
    }

    /// Stores the state of a bucket's scans.
    pub async fn put_scan_state(&self, app: AppId, id: BucketId, state: &ScanState) -> Result<(), TableError> {
        self.put(&Row::Scan(app, id), state, Attributes::new()).await
    }

    /// The buckets with these ids that still exist, in no order.
    pub async fn buckets_by_id(&self, ids: &[(AppId, BucketId)]) -> Result<Vec<Bucket>, TableError> {
        let rows: Vec<Row> = ids.iter().map(|(app, id)| Row::Bucket(*app, *id)).collect();
        self.get_many(&rows, None).await
    }
}

/// An active bucket stands in the sparse index, by its id.
fn open_index_attributes(bucket: &Bucket) -> Attributes {
    if !bucket.active {
        return Attributes::new();
    }
    codec::open_index("BUCKETS", bucket.id.to_string())
}
