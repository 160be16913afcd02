//! Writes that publish a notification, in one transaction: an item's next state and its notification.

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use domain::id::sha256_hex;
use domain::item::{Item, ItemStatus};
use domain::notification::{NewNotification, Position, Stream, next_position};
use domain::processing::ItemTransition;
use domain::{AppId, ItemId};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::codec::{self, Attributes};
use crate::error::TableError;
use crate::items;
use crate::keys::Row;
use crate::streams::{MAX_ATTEMPTS, back_off, encode_stream_row};
use crate::table::{IF_ABSENT, Table, condition_held, revision_before};

/// The outcome of a write under a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitOutcome {
    /// Everything is written.
    Committed,
    /// The row has changed since it was read. Nothing was written.
    Conflict,
}

/// The item whose bytes lie at a key of a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Content {
    item: ItemId,
    sha256: String,
}

impl Table {
    /// Writes a transition of an item. Of two transitions from the same state, one is committed.
    pub async fn commit(&self, transition: &ItemTransition, now: OffsetDateTime) -> Result<CommitOutcome, TableError> {
        let item = &transition.item;
        if transition.notifications.is_empty() {
            return self.put_item_if_unchanged(item).await;
        }
        let mut rows = vec![self.item_put(item)?];
        // of an item with several processors, all that have a result have looked at the same bytes
        let mut completed = item.all_jobs().filter(|_| item.status == ItemStatus::Completed);
        if let Some(results) = completed.find_map(|it| it.results) {
            let content = Content { item: item.id, sha256: results.sha256 };
            let always = "attribute_not_exists(PK) OR attribute_exists(PK)";
            rows.push(self.transaction_put(&content_row(item), &content, Attributes::new(), always)?);
        }
        let writes = rows.into_iter().map(|it| TransactWriteItem::builder().put(it).build()).collect();
        let row = Row::Item(item.id);
        let published = self.write_and_publish(&row, item.app, writes, &transition.notifications, now);
        match published.await? {
            CommitOutcome::Committed => Ok(CommitOutcome::Committed),
            CommitOutcome::Conflict => self.resolve_conflict(item).await,
        }
    }

    /// Makes writes under conditions and publishes notifications in the application's stream, in one transaction. `Conflict` if
    /// a condition does not hold.
    ///
    /// # Errors
    /// `Conflict` if other writers took the stream's next number in every try. It names `row`.
    pub(crate) async fn write_and_publish(
        &self,
        row: &Row,
        app: AppId,
        writes: Vec<TransactWriteItem>,
        notifications: &[NewNotification],
        now: OffsetDateTime,
    ) -> Result<CommitOutcome, TableError> {
        let same = |_: Position| Ok(writes.clone());
        let position = self.write_and_publish_at(row, app, &Stream::App, same, notifications, now).await?;
        Ok(if position.is_some() { CommitOutcome::Committed } else { CommitOutcome::Conflict })
    }

    /// Makes writes as [`Table::write_and_publish`] does, which know the position of the first notification; that position, or
    /// `None` if a condition does not hold.
    pub(crate) async fn write_and_publish_at(
        &self,
        row: &Row,
        app: AppId,
        stream: &Stream,
        writes: impl Fn(Position) -> Result<Vec<TransactWriteItem>, TableError>,
        notifications: &[NewNotification],
        now: OffsetDateTime,
    ) -> Result<Option<Position>, TableError> {
        for attempt in 0..MAX_ATTEMPTS {
            let position = next_position(now, self.head(app, stream).await?);
            let (stream_row, body, extra) = encode_stream_row(app, stream, position, notifications, now)?;
            let publish = self.transaction_put(&stream_row, &body, extra, IF_ABSENT)?;
            let mut writes = writes(position)?;
            writes.push(TransactWriteItem::builder().put(publish).build());
            // the same writes have the same token: for ten minutes DynamoDB ignores what the SDK repeats
            let token = sha256_hex(format!("{writes:?}").as_bytes());
            let transaction = self.transaction(writes).client_request_token(&token[..36]);
            match transaction.send().await.map_err(|it| it.into_service_error()) {
                Ok(_) => return Ok(Some(position)),
                Err(TransactWriteItemsError::TransactionCanceledException(canceled)) => {
                    // one for each write, in their order: the last is the number's, which another writer may have taken
                    let reasons = canceled.cancellation_reasons().split_last().map(|it| it.1).unwrap_or_default();
                    if reasons.iter().any(|it| it.code() == Some("ConditionalCheckFailed")) {
                        return Ok(None);
                    }
                    back_off(attempt).await;
                }
                Err(source) => return Err(TableError::write(row, source)),
            }
        }
        Err(TableError::conflict(row))
    }

    /// The item that was last completed for the key of this one, if its bytes were the same.
    pub async fn same_content(&self, item: &Item, sha256: &str) -> Result<Option<ItemId>, TableError> {
        let content: Option<Content> = self.get(&content_row(item)).await?;
        Ok(content.filter(|it| it.sha256 == sha256 && it.item != item.id).map(|it| it.item))
    }

    async fn put_item_if_unchanged(&self, item: &Item) -> Result<CommitOutcome, TableError> {
        let row = Row::Item(item.id);
        let put = self
            .put_item()
            .set_item(Some(codec::encode(&row, item, items::open_index_attributes(item))?))
            .condition_expression("revision = :before")
            .expression_attribute_values(":before", revision_before(item.revision));
        if condition_held(&row, put.send().await)? {
            return Ok(CommitOutcome::Committed);
        }
        self.resolve_conflict(item).await
    }

    /// The condition also fails on our own write, when its answer was lost and the SDK tried again.
    async fn resolve_conflict(&self, item: &Item) -> Result<CommitOutcome, TableError> {
        let stored = self.item(item.id).await?;
        Ok(if stored.as_ref() == Some(item) { CommitOutcome::Committed } else { CommitOutcome::Conflict })
    }

    fn item_put(&self, item: &Item) -> Result<Put, TableError> {
        let row = Row::Item(item.id);
        let put = Put::builder()
            .table_name(self.name())
            .set_item(Some(codec::encode(&row, item, items::open_index_attributes(item))?))
            .condition_expression("revision = :before")
            .expression_attribute_values(":before", revision_before(item.revision));
        put.build().map_err(|it| TableError::write(&row, it))
    }
}

fn content_row(item: &Item) -> Row {
    let bucket = item.bucket_id.map(|it| it.to_string()).unwrap_or_default();
    let location = format!("{bucket}|{}|{}", item.bucket, item.key);
    Row::Content(item.app, sha256_hex(location.as_bytes()))
}
