//! Image processes: requests to render images, and their state.

use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use domain::AppId;
use domain::image::RenderProcess;
use domain::notification::NewNotification;
use time::OffsetDateTime;

use crate::codec;
use crate::commit::CommitOutcome;
use crate::error::TableError;
use crate::keys::{self, Row};
use crate::table::{PutOutcome, RangeQuery, Table, revision_before};

/// How long a process is kept: 30 days.
const RETENTION_SECONDS: i64 = 30 * 86_400;

impl Table {
    /// Stores a new process. `dispatch` finds it in the table's stream and queues its tasks.
    pub async fn put_process(&self, process: &RenderProcess) -> Result<PutOutcome, TableError> {
        let row = Row::Process(process.app, process.id.clone());
        let ttl = codec::ttl(process.created_at.unix_timestamp() + RETENTION_SECONDS);
        self.put_new(&row, process, &process.id, ttl).await
    }

    /// A process by its id.
    pub async fn process(&self, app: AppId, id: &str) -> Result<Option<RenderProcess>, TableError> {
        self.get(&Row::Process(app, id.to_owned())).await
    }

    /// An application's processes, newest first (their ids grow with time), of the last 30 days, at most 200.
    pub async fn processes(&self, app: AppId) -> Result<Vec<RenderProcess>, TableError> {
        let partition = keys::processes(app);
        let range =
            RangeQuery { partition: &partition, from: "!", to: "~", forward: false, consistent: true, limit: 200 };
        self.query_range(range).await?.into_iter().map(|it| codec::decode("process", it)).collect()
    }

    /// Stores a process in its next state and publishes notifications of it, in one transaction.
    pub async fn commit_process(
        &self,
        process: &RenderProcess,
        notifications: &[NewNotification],
        now: OffsetDateTime,
    ) -> Result<CommitOutcome, TableError> {
        let row = Row::Process(process.app, process.id.clone());
        let ttl = codec::ttl(process.created_at.unix_timestamp() + RETENTION_SECONDS);
        let put = Put::builder()
            .table_name(self.name())
            .set_item(Some(codec::encode(&row, process, ttl)?))
            .condition_expression("revision = :before")
            .expression_attribute_values(":before", revision_before(process.revision));
        let put = put.build().map_err(|it| TableError::write(&row, it))?;
        let write = TransactWriteItem::builder().put(put).build();
        self.write_and_publish(&row, process.app, vec![write], notifications, now).await
    }
}
