//! Buckets and the state of their scans.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::bucket::{Bucket, ScanState};
use domain::{AppId, BucketId};

use crate::{Attributes, PutOutcome, RangeQuery, Row, Table, TableError, codec, keys};

impl Table {
    /// Stores a new bucket. `Taken` cannot happen with a random id, but for a repeat of the request.
    pub async fn put_bucket(&self, bucket: &Bucket) -> Result<PutOutcome, TableError> {
        self.put_new(&Row::Bucket(bucket.app, bucket.id), bucket, &bucket.id.to_string(), open_index_attributes(bucket))
            .await
    }

    /// Replaces a bucket; `false` if it is gone.
    pub async fn replace_bucket(&self, bucket: &Bucket) -> Result<bool, TableError> {
        self.replace(&Row::Bucket(bucket.app, bucket.id), bucket, open_index_attributes(bucket)).await
    }

    pub async fn bucket(&self, app: AppId, id: BucketId) -> Result<Option<Bucket>, TableError> {
        self.get(&Row::Bucket(app, id)).await
    }

    /// All buckets of an application, by id.
    pub async fn buckets(&self, app: AppId) -> Result<Vec<Bucket>, TableError> {
        self.query_by_prefix(app, "BUCKET", "bucket").await
    }

    /// Removes a bucket and the state of its scans. Its items stay.
    pub async fn delete_bucket(&self, app: AppId, id: BucketId) -> Result<bool, TableError> {
        let was_there = self.delete(&Row::Bucket(app, id)).await?;
        self.delete(&Row::Scan(app, id)).await?;
        Ok(was_there)
    }

    pub async fn scan_state(&self, app: AppId, id: BucketId) -> Result<ScanState, TableError> {
        Ok(self.get(&Row::Scan(app, id)).await?.unwrap_or_default())
    }

    /// Stores the state of a bucket's scans.
    pub async fn put_scan_state(&self, app: AppId, id: BucketId, state: &ScanState) -> Result<(), TableError> {
        self.put(&Row::Scan(app, id), state, Attributes::new()).await
    }

    /// The buckets with these ids that are still there.
    pub async fn buckets_by_id(&self, ids: &[(AppId, BucketId)]) -> Result<Vec<Bucket>, TableError> {
        let rows: Vec<Row> = ids.iter().map(|(app, id)| Row::Bucket(*app, *id)).collect();
        self.get_many(&rows, None).await
    }

    /// Every row of one kind in an application's partition.
    pub(crate) async fn query_by_prefix<T: serde::de::DeserializeOwned>(
        &self,
        app: AppId,
        prefix: &str,
        kind: &'static str,
    ) -> Result<Vec<T>, TableError> {
        let (partition, end) = (keys::application(app), format!("{prefix}#~"));
        let (mut from, mut all) = (format!("{prefix}#"), Vec::new());
        loop {
            let ask = RangeQuery {
                partition: &partition,
                from: &from,
                to: &end,
                forward: true,
                consistent: true,
                limit: 200,
            };
            let rows = self.query_range(ask).await?;
            let Some(last) = rows.last().and_then(|it| it.get("SK")?.as_s().ok()) else { return Ok(all) };
            from = format!("{last}\u{1}"); // the next key after the last
            all.extend(rows.into_iter().map(|it| codec::decode(kind, it)).collect::<Result<Vec<T>, _>>()?);
        }
    }
}

fn open_index_attributes(bucket: &Bucket) -> Attributes {
    if !bucket.active {
        return Attributes::new();
    }
    let open = [("open", "BUCKETS".to_owned()), ("open_at", bucket.id.to_string())];
    open.map(|(name, value)| (name.to_owned(), AttributeValue::S(value))).into()
}
