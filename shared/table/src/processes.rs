//! Image processes.

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, CancellationReason, TransactWriteItem};
use domain::AppId;
use domain::image::Process;
use domain::notification::{News, Stream, next};
use time::OffsetDateTime;

use crate::streams::{TRIES, stream_row, yield_to_others};
use crate::{COUNTED, Committed, Put, Range, Row, Table, TableError, codec, keys};

/// How long a process is kept, in seconds: 30 days.
const KEPT: i64 = 30 * 86_400;

impl Table {
    /// Stores a process: that is the order to work on it.
    pub async fn put_process(&self, it: &Process) -> Result<Put, TableError> {
        let ttl = codec::ttl(it.created_at.unix_timestamp() + KEPT);
        self.put_new(&Row::Process(it.app, it.id.clone()), it, &it.id, ttl).await
    }

    pub async fn process(&self, app: AppId, id: &str) -> Result<Option<Process>, TableError> {
        self.get(&Row::Process(app, id.to_owned())).await
    }

    /// An application's processes, newest first, of the last 30 days, at most 200.
    pub async fn processes(&self, app: AppId) -> Result<Vec<Process>, TableError> {
        let partition = keys::processes(app);
        let ask = Range { partition: &partition, from: "!", to: "~", forward: true, consistent: true, limit: 200 };
        let rows = self.range(ask).await?.into_iter();
        let mut all = rows.map(|it| codec::decode::<Process>("process", it)).collect::<Result<Vec<_>, _>>()?;
        all.sort_by_key(|it| std::cmp::Reverse(it.created_at));
        Ok(all)
    }

    /// Stores a process in its next state and tells the news of it, together.
    pub async fn commit_process(
        &self,
        it: &Process,
        news: &[News],
        now: OffsetDateTime,
    ) -> Result<Committed, TableError> {
        let row = Row::Process(it.app, it.id.clone());
        let ttl = codec::ttl(it.created_at.unix_timestamp() + KEPT);
        for attempt in 0..TRIES {
            let place = next(now, self.head(it.app, &Stream::App).await?);
            let (told, body, extra) = stream_row(it.app, &Stream::App, place, news, now)?;
            let process = aws_sdk_dynamodb::types::Put::builder()
                .table_name(&self.name)
                .set_item(Some(codec::encode(&row, it, ttl.clone())?))
                .condition_expression("revision = :before")
                .expression_attribute_values(":before", AttributeValue::N(it.revision.saturating_sub(1).to_string()));
            let rows = [
                process.build().map_err(|it| TableError::write(&row, it))?,
                self.put_row(&told, &body, extra, "attribute_not_exists(PK)")?,
            ];
            let rows = rows.map(|it| TransactWriteItem::builder().put(it).build());
            let write = self.client.transact_write_items().set_transact_items(Some(rows.into()));
            // a token per try of a place: the SDK's own repeats are absorbed for ten minutes
            let token = format!("{}-{}", &it.id[..it.id.len().min(20)], place.sequence % 1_000_000_000);
            let write = write.client_request_token(token).return_consumed_capacity(COUNTED);
            match write.send().await.map_err(|it| it.into_service_error()) {
                Ok(_) => return Ok(Committed::Done),
                Err(TransactWriteItemsError::TransactionCanceledException(why)) => {
                    let first = why.cancellation_reasons().first().and_then(CancellationReason::code);
                    if first == Some("ConditionalCheckFailed") {
                        return Ok(Committed::Overtaken);
                    }
                    yield_to_others(attempt).await; // another writer took the number
                }
                Err(source) => return Err(TableError::write(&row, source)),
            }
        }
        Err(TableError::conflict(&row))
    }
}
