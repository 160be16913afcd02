//! Image processes.

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use domain::AppId;
use domain::image::RenderProcess;
use domain::notification::NewNotification;
use time::OffsetDateTime;

use crate::{CommitOutcome, PutOutcome, RangeQuery, Row, Table, TableError, codec, keys};

/// How long a process is kept, in seconds: 30 days.
const RETENTION_SECONDS: i64 = 30 * 86_400;

impl Table {
    /// Stores a process: that is the order to work on it.
    pub async fn put_process(&self, it: &RenderProcess) -> Result<PutOutcome, TableError> {
        let ttl = codec::ttl(it.created_at.unix_timestamp() + RETENTION_SECONDS);
        self.put_new(&Row::Process(it.app, it.id.clone()), it, &it.id, ttl).await
    }

    pub async fn process(&self, app: AppId, id: &str) -> Result<Option<RenderProcess>, TableError> {
        self.get(&Row::Process(app, id.to_owned())).await
    }

    /// An application's processes, newest first (their ids grow with time), of the last 30 days, at most 200.
    pub async fn processes(&self, app: AppId) -> Result<Vec<RenderProcess>, TableError> {
        let partition = keys::processes(app);
        let ask =
            RangeQuery { partition: &partition, from: "!", to: "~", forward: false, consistent: true, limit: 200 };
        self.query_range(ask).await?.into_iter().map(|it| codec::decode("process", it)).collect()
    }

    /// Stores a process in its next state and tells the news of it, together.
    pub async fn commit_process(
        &self,
        it: &RenderProcess,
        news: &[NewNotification],
        now: OffsetDateTime,
    ) -> Result<CommitOutcome, TableError> {
        let row = Row::Process(it.app, it.id.clone());
        let ttl = codec::ttl(it.created_at.unix_timestamp() + RETENTION_SECONDS);
        let process = aws_sdk_dynamodb::types::Put::builder()
            .table_name(&self.name)
            .set_item(Some(codec::encode(&row, it, ttl)?))
            .condition_expression("revision = :before")
            .expression_attribute_values(":before", AttributeValue::N(it.revision.saturating_sub(1).to_string()));
        let process = process.build().map_err(|it| TableError::write(&row, it))?;
        let write = TransactWriteItem::builder().put(process).build();
        self.write_and_publish(&row, it.app, vec![write], news, now).await
    }
}
