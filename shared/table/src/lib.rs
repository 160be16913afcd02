//! The single table: the only place that spells a key, and that reads or writes a row.

mod applications;
mod asset_manager;
mod buckets;
mod channels;
mod codec;
mod commit;
mod connections;
mod deliveries;
mod due;
mod error;
mod inbox;
mod items;
mod keys;
mod origins;
mod processes;
mod read_state;
mod revise;
mod settings;
mod stream_records;
mod streams;
mod sweep;
mod tally;

use std::collections::HashSet;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, Delete, KeysAndAttributes, Put as PutRow, ReturnConsumedCapacity,
    ReturnValuesOnConditionCheckFailure,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use applications::{ApplicationSummary, RefreshOutcome, RefreshToken};
pub use asset_manager::AcquireOutcome;
pub use codec::Attributes;
pub use commit::CommitOutcome;
pub use connections::TICKET_LIFETIME;
pub use deliveries::{DeliveryAttempt, FailedDelivery};
pub use due::{DueEntry, DueWork};
pub use error::TableError;
pub use inbox::IdempotencyRecord;
pub use items::{ItemFilter, ItemPage, PageCursor};
pub use keys::Row;
pub use revise::ReviseOutcome;
pub use settings::IconikWebhook;
pub use stream_records::{ItemChange, ReadStateChange, StreamRecord, read as read_record};
pub use streams::NotificationBatch;
pub use sweep::{ExpiredLease, SweepCheckpoint};
pub use tally::Tally;

/// The table, through one client.
#[derive(Clone)]
pub struct Table {
    client: Client,
    name: String,
}

/// What became of a conditional put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutOutcome {
    /// Ours is there, by this request or an earlier try of it.
    Stored,
    /// Another row was there before.
    AlreadyExists,
}

const CAPACITY: ReturnConsumedCapacity = ReturnConsumedCapacity::Total;

impl Table {
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self { client, name: name.into() }
    }

    async fn get<T: DeserializeOwned>(&self, row: &Row) -> Result<Option<T>, TableError> {
        self.get_row(row).await?.map(|it| codec::decode(row.kind(), it)).transpose()
    }

    async fn get_row(&self, row: &Row) -> Result<Option<Attributes>, TableError> {
        let (pk, sk) = row.key();
        let answer = self.client.get_item().table_name(&self.name).return_consumed_capacity(CAPACITY);
        let answer = answer.key("PK", AttributeValue::S(pk)).key("SK", AttributeValue::S(sk)).consistent_read(true);
        Ok(answer.send().await.map_err(|it| TableError::read(row, it))?.item)
    }

    /// A row as it was a moment ago at the latest, at half the price.
    async fn get_eventual<T: DeserializeOwned>(&self, row: &Row) -> Result<Option<T>, TableError> {
        let (pk, sk) = row.key();
        let get = self.client.get_item().table_name(&self.name).return_consumed_capacity(CAPACITY);
        let get = get.key("PK", AttributeValue::S(pk)).key("SK", AttributeValue::S(sk));
        let answer = get.send().await.map_err(|it| TableError::read(row, it))?;
        answer.item.map(|it| codec::decode(row.kind(), it)).transpose()
    }

    /// Rows that are there, in no order, each once: DynamoDB refuses a batch that names a key twice. Asks again for what
    /// it left over.
    async fn get_many<T: DeserializeOwned>(&self, rows: &[Row], fields: Option<&str>) -> Result<Vec<T>, TableError> {
        let mut found = Vec::with_capacity(rows.len());
        let mut named = HashSet::new();
        let rows: Vec<(&Row, (String, String))> =
            rows.iter().map(|it| (it, it.key())).filter(|it| named.insert(it.1.clone())).collect();
        for hundred in rows.chunks(domain::MAX_BATCH) {
            let first = hundred[0].0;
            let mut wanted = KeysAndAttributes::builder();
            for (_, (pk, sk)) in hundred {
                let (pk, sk) = (pk.clone(), sk.clone());
                wanted =
                    wanted.keys([("PK".into(), AttributeValue::S(pk)), ("SK".into(), AttributeValue::S(sk))].into());
            }
            let names = fields.unwrap_or_default().split(',').filter(|it| !it.is_empty());
            for (index, name) in names.clone().enumerate() {
                wanted = wanted.expression_attribute_names(format!("#f{index}"), name);
            }
            if fields.is_some() {
                let list: Vec<String> = names.enumerate().map(|(index, _)| format!("#f{index}")).collect();
                wanted = wanted.projection_expression(list.join(","));
            }
            let wanted = wanted.build().map_err(|it| TableError::read(first, it))?;
            let mut left = Some([(self.name.clone(), wanted)].into());
            while let Some(keys) = left.take() {
                let answer =
                    self.client.batch_get_item().set_request_items(Some(keys)).return_consumed_capacity(CAPACITY);
                let answer = answer.send().await.map_err(|it| TableError::read(first, it))?;
                for it in answer.responses.unwrap_or_default().into_values().flatten() {
                    found.push(codec::decode(first.kind(), it)?);
                }
                left = answer.unprocessed_keys.filter(|it| !it.is_empty());
            }
        }
        Ok(found)
    }

    /// Puts a row, whatever was there.
    async fn put<T: Serialize>(&self, row: &Row, body: &T, extra: Attributes) -> Result<(), TableError> {
        let put = self.client.put_item().table_name(&self.name).return_consumed_capacity(CAPACITY);
        put.set_item(Some(codec::encode(row, body, extra)?)).send().await.map_err(|it| TableError::write(row, it))?;
        Ok(())
    }

    /// Puts a row that must not be there yet. The SDK tries again when an answer is lost; a row with our own
    /// `write_id` is therefore ours.
    async fn put_new<T: Serialize>(
        &self,
        row: &Row,
        body: &T,
        write_id: &str,
        extra: Attributes,
    ) -> Result<PutOutcome, TableError> {
        let mut item = codec::encode(row, body, extra)?;
        item.insert("write_id".into(), AttributeValue::S(write_id.to_owned()));
        let put = self.client.put_item().table_name(&self.name).return_consumed_capacity(CAPACITY).set_item(Some(item));
        let put = put
            .condition_expression("attribute_not_exists(PK)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match put.send().await.map_err(|it| it.into_service_error()) {
            Ok(_) => Ok(PutOutcome::Stored),
            Err(PutItemError::ConditionalCheckFailedException(it)) => {
                let there = it.item.unwrap_or_default();
                let ours = there.get("write_id").and_then(|it| it.as_s().ok()).is_some_and(|it| it == write_id);
                Ok(if ours { PutOutcome::Stored } else { PutOutcome::AlreadyExists })
            }
            Err(source) => Err(TableError::write(row, source)),
        }
    }

    /// Replaces a row that must be there; `false` if it is not.
    async fn replace<T: Serialize>(&self, row: &Row, body: &T, extra: Attributes) -> Result<bool, TableError> {
        let put = self.client.put_item().table_name(&self.name).return_consumed_capacity(CAPACITY);
        let put = put.set_item(Some(codec::encode(row, body, extra)?)).condition_expression("attribute_exists(PK)");
        match put.send().await.map_err(|it| it.into_service_error()) {
            Ok(_) => Ok(true),
            Err(PutItemError::ConditionalCheckFailedException(_)) => Ok(false),
            Err(source) => Err(TableError::write(row, source)),
        }
    }

    /// Deletes a row; `false` if there was none.
    async fn delete(&self, row: &Row) -> Result<bool, TableError> {
        let (pk, sk) = row.key();
        let delete = self.client.delete_item().table_name(&self.name).return_consumed_capacity(CAPACITY);
        let delete = delete.key("PK", AttributeValue::S(pk)).key("SK", AttributeValue::S(sk));
        let answer = delete.return_values(aws_sdk_dynamodb::types::ReturnValue::AllOld).send().await;
        Ok(answer.map_err(|it| TableError::write(row, it))?.attributes.is_some_and(|it| !it.is_empty()))
    }

    /// One page of a partition, keys between `from` and `to`, both included.
    async fn query_range(&self, ask: RangeQuery<'_>) -> Result<Vec<Attributes>, TableError> {
        if ask.from > ask.to {
            return Ok(Vec::new()); // DynamoDB refuses a BETWEEN whose bounds are crossed
        }
        let query = self.client.query().table_name(&self.name).return_consumed_capacity(CAPACITY);
        let query = query
            .key_condition_expression("PK = :pk AND SK BETWEEN :from AND :to")
            .expression_attribute_values(":pk", AttributeValue::S(ask.partition.to_owned()))
            .expression_attribute_values(":from", AttributeValue::S(ask.from.to_owned()))
            .expression_attribute_values(":to", AttributeValue::S(ask.to.to_owned()))
            .scan_index_forward(ask.forward)
            .consistent_read(ask.consistent)
            .limit(ask.limit);
        let answer = query.send().await;
        Ok(answer
            .map_err(|it| TableError::Read { row: ask.partition.to_owned(), source: Box::new(it) })?
            .items
            .unwrap_or_default())
    }

    fn transaction_put<T: Serialize>(
        &self,
        row: &Row,
        body: &T,
        extra: Attributes,
        condition: &str,
    ) -> Result<PutRow, TableError> {
        let put = PutRow::builder().table_name(&self.name).set_item(Some(codec::encode(row, body, extra)?));
        put.condition_expression(condition).build().map_err(|it| TableError::write(row, it))
    }

    fn transaction_delete(&self, row: &Row) -> Result<Delete, TableError> {
        let (pk, sk) = row.key();
        let delete = Delete::builder().table_name(&self.name).key("PK", AttributeValue::S(pk));
        delete.key("SK", AttributeValue::S(sk)).build().map_err(|it| TableError::write(row, it))
    }
}

/// A query for a range of a partition.
struct RangeQuery<'a> {
    partition: &'a str,
    from: &'a str,
    to: &'a str,
    forward: bool,
    consistent: bool,
    limit: i32,
}
