//! An item's next state and the news of it, in one transaction.

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, CancellationReason, TransactWriteItem};
use domain::id::sha256_hex;
use domain::item::Item;
use domain::notification::{NewNotification, Stream, next_position};
use domain::processing::ItemTransition;
use domain::{AppId, ItemId};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::streams::{MAX_ATTEMPTS, back_off, encode_stream_row};
use crate::{Attributes, CAPACITY, Row, Table, TableError, codec, items};

/// What became of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitOutcome {
    Committed,
    /// The item is not any more what the plan was made from; nothing was written.
    Conflict,
}

/// The item whose bytes lie at a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Content {
    item: ItemId,
    sha256: String,
}

impl Table {
    /// Writes a plan. Of two plans from the same state, one is done.
    pub async fn commit(&self, plan: &ItemTransition, now: OffsetDateTime) -> Result<CommitOutcome, TableError> {
        let Some(news) = &plan.notification else { return self.put_item_if_unchanged(&plan.item).await };
        let mut rows = vec![self.item_put(&plan.item)?];
        if let Some(results) = &plan.item.results {
            let content = Content { item: plan.item.id, sha256: results.sha256.clone() };
            let always = "attribute_not_exists(PK) OR attribute_exists(PK)";
            rows.push(self.transaction_put(&content_row(&plan.item), &content, Attributes::new(), always)?);
        }
        let rows = rows.into_iter().map(|it| TransactWriteItem::builder().put(it).build()).collect();
        let item = &plan.item;
        match self.write_and_publish(&Row::Item(item.id), item.app, rows, std::slice::from_ref(news), now).await? {
            CommitOutcome::Committed => Ok(CommitOutcome::Committed),
            CommitOutcome::Conflict => self.resolve_conflict(item).await,
        }
    }

    /// Writes rows, the first under a condition, and tells news of it in the application's stream, together. `Overtaken`
    /// if the condition does not hold.
    pub(crate) async fn write_and_publish(
        &self,
        row: &Row,
        app: AppId,
        rows: Vec<TransactWriteItem>,
        news: &[NewNotification],
        now: OffsetDateTime,
    ) -> Result<CommitOutcome, TableError> {
        for attempt in 0..MAX_ATTEMPTS {
            let place = next_position(now, self.head(app, &Stream::App).await?);
            let (told, body, extra) = encode_stream_row(app, &Stream::App, place, news, now)?;
            let told = self.transaction_put(&told, &body, extra, "attribute_not_exists(PK)")?;
            let mut writes = rows.clone();
            writes.push(TransactWriteItem::builder().put(told).build());
            // the same writes have the same token: the SDK's own repeats are absorbed for ten minutes
            let token = sha256_hex(format!("{writes:?}").as_bytes());
            let all = self.client.transact_write_items().set_transact_items(Some(writes));
            let all = all.client_request_token(&token[..36]).return_consumed_capacity(CAPACITY);
            match all.send().await.map_err(|it| it.into_service_error()) {
                Ok(_) => return Ok(CommitOutcome::Committed),
                Err(TransactWriteItemsError::TransactionCanceledException(why)) => {
                    let first = why.cancellation_reasons().first().and_then(CancellationReason::code);
                    if first == Some("ConditionalCheckFailed") {
                        return Ok(CommitOutcome::Conflict);
                    }
                    back_off(attempt).await; // another writer took the number
                }
                Err(source) => return Err(TableError::write(row, source)),
            }
        }
        Err(TableError::conflict(row))
    }

    /// The item that was last completed for the key of this one, if its bytes were the same.
    pub async fn same_content(&self, item: &Item, sha256: &str) -> Result<Option<ItemId>, TableError> {
        let there: Option<Content> = self.get(&content_row(item)).await?;
        Ok(there.filter(|it| it.sha256 == sha256 && it.item != item.id).map(|it| it.item))
    }

    async fn put_item_if_unchanged(&self, item: &Item) -> Result<CommitOutcome, TableError> {
        let put = self.client.put_item().table_name(&self.name).return_consumed_capacity(CAPACITY);
        let put = put.set_item(Some(codec::encode(&Row::Item(item.id), item, items::open_index_attributes(item))?));
        let put = put
            .condition_expression("revision = :before")
            .expression_attribute_values(":before", previous_revision(item));
        match put.send().await.map_err(|it| it.into_service_error()) {
            Ok(_) => Ok(CommitOutcome::Committed),
            Err(it) if it.is_conditional_check_failed_exception() => self.resolve_conflict(item).await,
            Err(source) => Err(TableError::write(&Row::Item(item.id), source)),
        }
    }

    /// The condition also fails on our own write, when its answer was lost and the SDK tried again.
    async fn resolve_conflict(&self, item: &Item) -> Result<CommitOutcome, TableError> {
        let there = self.item(item.id).await?;
        Ok(if there.as_ref() == Some(item) { CommitOutcome::Committed } else { CommitOutcome::Conflict })
    }

    fn item_put(&self, item: &Item) -> Result<aws_sdk_dynamodb::types::Put, TableError> {
        let put = aws_sdk_dynamodb::types::Put::builder().table_name(&self.name);
        let put = put.set_item(Some(codec::encode(&Row::Item(item.id), item, items::open_index_attributes(item))?));
        let put = put
            .condition_expression("revision = :before")
            .expression_attribute_values(":before", previous_revision(item));
        put.build().map_err(|it| TableError::write(&Row::Item(item.id), it))
    }
}

fn previous_revision(item: &Item) -> AttributeValue {
    AttributeValue::N(item.revision.saturating_sub(1).to_string())
}

fn content_row(item: &Item) -> Row {
    let bucket = item.bucket_id.map(|it| it.to_string()).unwrap_or_default();
    let place = format!("{bucket}|{}|{}", item.bucket, item.key);
    Row::Content(item.app, domain::id::sha256_hex(place.as_bytes()))
}
