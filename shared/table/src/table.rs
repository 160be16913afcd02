//! The table's client, and the requests that every kind of row uses.

use std::collections::HashSet;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::delete_item::builders::DeleteItemFluentBuilder;
use aws_sdk_dynamodb::operation::get_item::builders::GetItemFluentBuilder;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::transact_write_items::builders::TransactWriteItemsFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, Delete, KeysAndAttributes, Put, ReturnConsumedCapacity, ReturnValue,
    ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use domain::AppId;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec::{self, Attributes};
use crate::error::TableError;
use crate::heads::Heads;
use crate::keys::{self, Row};

/// Every request reports its capacity units, which the meter counts.
const CAPACITY: ReturnConsumedCapacity = ReturnConsumedCapacity::Total;

/// The condition that a row does not exist, and that it does.
pub(crate) const IF_ABSENT: &str = "attribute_not_exists(PK)";
pub(crate) const IF_PRESENT: &str = "attribute_exists(PK)";
/// The condition of optimistic locking: the row is absent, or has the revision `:before`.
pub(crate) const IF_REVISION: &str = "attribute_not_exists(PK) OR revision = :before";

/// The table, through one client.
#[derive(Clone)]
pub struct Table {
    client: Client,
    name: String,
    pub(crate) heads: Arc<Heads>,
}

/// The outcome of a put of a new row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutOutcome {
    /// The row is stored, by this request or by an earlier try of it.
    Stored,
    /// Another row has this key. Nothing was written.
    AlreadyExists,
}

/// A query for a range of a partition; `from` and `to` are sort keys and included.
pub(crate) struct RangeQuery<'a> {
    pub(crate) partition: &'a str,
    pub(crate) from: &'a str,
    pub(crate) to: &'a str,
    pub(crate) forward: bool,
    pub(crate) consistent: bool,
    pub(crate) limit: i32,
}

impl Table {
    /// The table of this name.
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self { client, name: name.into(), heads: Arc::default() }
    }

    /// Reads a row, strongly consistent.
    pub(crate) async fn get<T: DeserializeOwned>(&self, row: &Row) -> Result<Option<T>, TableError> {
        self.get_row(row).await?.map(|it| codec::decode(row.kind(), it)).transpose()
    }

    /// The attributes of a row, strongly consistent.
    pub(crate) async fn get_row(&self, row: &Row) -> Result<Option<Attributes>, TableError> {
        let response = self.get_item(row).consistent_read(true).send().await;
        Ok(response.map_err(|it| TableError::read(row, it))?.item)
    }

    /// Reads a row, eventually consistent: half the read units, and the latest write may be missing.
    pub(crate) async fn get_eventual<T: DeserializeOwned>(&self, row: &Row) -> Result<Option<T>, TableError> {
        let response = self.get_item(row).send().await.map_err(|it| TableError::read(row, it))?;
        response.item.map(|it| codec::decode(row.kind(), it)).transpose()
    }

    /// The rows that exist, in no order, each one time (DynamoDB refuses a batch that names a key twice). `fields` are
    /// the attributes to read, separated by commas; all by default. Keys that DynamoDB leaves unprocessed are asked for
    /// again.
    pub(crate) async fn get_many<T: DeserializeOwned>(
        &self,
        rows: &[Row],
        fields: Option<&str>,
    ) -> Result<Vec<T>, TableError> {
        let mut found = Vec::with_capacity(rows.len());
        let mut requested = HashSet::new();
        let rows: Vec<(&Row, (String, String))> =
            rows.iter().map(|it| (it, it.key())).filter(|it| requested.insert(it.1.clone())).collect();
        for chunk in rows.chunks(domain::MAX_BATCH) {
            let first = chunk[0].0;
            let keys = chunk.iter().map(|(_, (pk, sk))| {
                [("PK".to_owned(), AttributeValue::S(pk.clone())), ("SK".to_owned(), AttributeValue::S(sk.clone()))]
                    .into()
            });
            let mut request = KeysAndAttributes::builder().set_keys(Some(keys.collect()));
            let names = fields.unwrap_or_default().split(',').filter(|it| !it.is_empty());
            for (index, name) in names.clone().enumerate() {
                request = request.expression_attribute_names(format!("#f{index}"), name);
            }
            if fields.is_some() {
                let list: Vec<String> = names.enumerate().map(|(index, _)| format!("#f{index}")).collect();
                request = request.projection_expression(list.join(","));
            }
            let request = request.build().map_err(|it| TableError::read(first, it))?;
            let mut unprocessed = Some([(self.name.clone(), request)].into());
            while let Some(keys) = unprocessed.take() {
                let batch =
                    self.client.batch_get_item().set_request_items(Some(keys)).return_consumed_capacity(CAPACITY);
                let response = batch.send().await.map_err(|it| TableError::read(first, it))?;
                for row in response.responses.unwrap_or_default().into_values().flatten() {
                    found.push(codec::decode(first.kind(), row)?);
                }
                unprocessed = response.unprocessed_keys.filter(|it| !it.is_empty());
            }
        }
        Ok(found)
    }

    /// Puts a row, whatever was there.
    pub(crate) async fn put<T: Serialize>(&self, row: &Row, body: &T, extra: Attributes) -> Result<(), TableError> {
        let put = self.put_item().set_item(Some(codec::encode(row, body, extra)?));
        put.send().await.map(drop).map_err(|it| TableError::write(row, it))
    }

    /// Puts a row that must not exist yet. The SDK tries again when an answer is lost; a row with our own `write_id` is
    /// therefore ours.
    pub(crate) async fn put_new<T: Serialize>(
        &self,
        row: &Row,
        body: &T,
        write_id: &str,
        extra: Attributes,
    ) -> Result<PutOutcome, TableError> {
        let other = self.put_or_read(row, body, write_id, extra).await?;
        Ok(if other.is_none() { PutOutcome::Stored } else { PutOutcome::AlreadyExists })
    }

    /// Puts a row as [`Table::put_new`] does; the row that has the key already, if it is another's.
    pub(crate) async fn put_or_read<T: Serialize>(
        &self,
        row: &Row,
        body: &T,
        write_id: &str,
        extra: Attributes,
    ) -> Result<Option<Attributes>, TableError> {
        let mut item = codec::encode(row, body, extra)?;
        item.insert("write_id".into(), AttributeValue::S(write_id.to_owned()));
        let put = self
            .put_item()
            .set_item(Some(item))
            .condition_expression(IF_ABSENT)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match put.send().await.map_err(|it| it.into_service_error()) {
            Ok(_) => Ok(None),
            Err(PutItemError::ConditionalCheckFailedException(failure)) => {
                let existing = failure.item.unwrap_or_default();
                let ours = existing.get("write_id").and_then(|it| it.as_s().ok()).is_some_and(|it| it == write_id);
                Ok((!ours).then_some(existing))
            }
            Err(source) => Err(TableError::write(row, source)),
        }
    }

    /// Replaces a row; `false` if it does not exist.
    pub(crate) async fn replace<T: Serialize>(
        &self,
        row: &Row,
        body: &T,
        extra: Attributes,
    ) -> Result<bool, TableError> {
        let put = self.put_item().set_item(Some(codec::encode(row, body, extra)?));
        condition_held(row, put.condition_expression(IF_PRESENT).send().await)
    }

    /// Deletes a row; `false` if it did not exist.
    pub(crate) async fn delete(&self, row: &Row) -> Result<bool, TableError> {
        let response = self.delete_item(row).return_values(ReturnValue::AllOld).send().await;
        Ok(response.map_err(|it| TableError::write(row, it))?.attributes.is_some_and(|it| !it.is_empty()))
    }

    /// One page of a partition.
    pub(crate) async fn query_range(&self, range: RangeQuery<'_>) -> Result<Vec<Attributes>, TableError> {
        if range.from > range.to {
            return Ok(Vec::new()); // DynamoDB refuses a BETWEEN whose bounds are crossed
        }
        send_query(&range, self.range_request(&range)).await
    }

    /// The next page of a partition on the way from the newest row to the oldest. `before` is the sort key before which it begins,
    /// at first one that is beyond all rows, and is moved to the page's end. At the end of the partition the page is empty.
    pub(crate) async fn older_page(
        &self,
        (partition, from): (&str, &str),
        before: &mut String,
        consistent: bool,
        limit: i32,
    ) -> Result<Vec<Attributes>, TableError> {
        let range = RangeQuery { partition, from, to: before, forward: false, consistent, limit };
        let mut page = self.query_range(range).await?;
        page.retain(|it| codec::sort_key(it) != *before); // a query includes its bounds
        if let Some(last) = page.last() {
            *before = codec::sort_key(last);
        }
        Ok(page)
    }

    /// One page of a partition as [`Table::query_range`] reads it, with the sort key and one more attribute alone. It takes
    /// as many read units, and less time.
    pub(crate) async fn query_range_of(
        &self,
        range: RangeQuery<'_>,
        attribute: &str,
    ) -> Result<Vec<Attributes>, TableError> {
        let query = self.range_request(&range).projection_expression("SK, #attribute");
        send_query(&range, query.expression_attribute_names("#attribute", attribute)).await
    }

    fn range_request(&self, range: &RangeQuery<'_>) -> QueryFluentBuilder {
        let query = self.client.query().table_name(&self.name).return_consumed_capacity(CAPACITY);
        query
            .key_condition_expression("PK = :pk AND SK BETWEEN :from AND :to")
            .expression_attribute_values(":pk", AttributeValue::S(range.partition.to_owned()))
            .expression_attribute_values(":from", AttributeValue::S(range.from.to_owned()))
            .expression_attribute_values(":to", AttributeValue::S(range.to.to_owned()))
            .scan_index_forward(range.forward)
            .consistent_read(range.consistent)
            .limit(range.limit)
    }

    /// The newest `limit` rows of a partition, whatever their sort keys; eventually consistent.
    pub(crate) async fn query_newest(&self, partition: String, limit: i32) -> Result<Vec<Attributes>, TableError> {
        let query = self.client.query().table_name(&self.name).return_consumed_capacity(CAPACITY).limit(limit);
        let query = query
            .key_condition_expression("PK = :pk")
            .expression_attribute_values(":pk", AttributeValue::S(partition.clone()))
            .scan_index_forward(false);
        let response = query.send().await.map_err(|it| TableError::Read { row: partition, source: Box::new(it) })?;
        Ok(response.items.unwrap_or_default())
    }

    /// Every row of an application's partition whose sort key begins with `prefix`.
    pub(crate) async fn query_by_prefix<T: DeserializeOwned>(
        &self,
        app: AppId,
        prefix: &str,
        kind: &'static str,
    ) -> Result<Vec<T>, TableError> {
        self.query_all(&keys::application(app), format!("{prefix}#"), &format!("{prefix}#~"), kind).await
    }

    /// Every row of a partition from one sort key to another, both included.
    pub(crate) async fn query_all<T: DeserializeOwned>(
        &self,
        partition: &str,
        mut from: String,
        to: &str,
        kind: &'static str,
    ) -> Result<Vec<T>, TableError> {
        let mut all = Vec::new();
        loop {
            let range = RangeQuery { partition, from: &from, to, forward: true, consistent: true, limit: 200 };
            let rows = self.query_range(range).await?;
            let Some(last) = rows.last().map(codec::sort_key) else { return Ok(all) };
            from = format!("{last}\u{1}"); // the next possible key
            all.extend(rows.into_iter().map(|it| codec::decode(kind, it)).collect::<Result<Vec<T>, _>>()?);
        }
    }

    /// Rows of a partition of the sparse index `open`, up to the sort key `to`: pages are read until there are `limit`
    /// rows or no more.
    pub(crate) async fn query_open_index<T: DeserializeOwned>(
        &self,
        partition: &str,
        to: &str,
        kind: &'static str,
        limit: usize,
    ) -> Result<Vec<T>, TableError> {
        let (mut all, mut start) = (Vec::new(), None);
        loop {
            let query =
                self.client.query().table_name(&self.name).index_name("open").return_consumed_capacity(CAPACITY);
            let query = query
                .key_condition_expression("#open = :open AND open_at <= :to")
                .expression_attribute_names("#open", "open")
                .expression_attribute_values(":open", AttributeValue::S(partition.to_owned()))
                .expression_attribute_values(":to", AttributeValue::S(to.to_owned()))
                .set_exclusive_start_key(start);
            let response = query
                .send()
                .await
                .map_err(|it| TableError::Read { row: format!("open {partition}"), source: Box::new(it) })?;
            for row in response.items.unwrap_or_default() {
                all.push(codec::decode(kind, row)?);
            }
            start = response.last_evaluated_key;
            if start.is_none() || all.len() >= limit {
                return Ok(all);
            }
        }
    }

    fn get_item(&self, row: &Row) -> GetItemFluentBuilder {
        let (pk, sk) = row.key();
        let get = self.client.get_item().table_name(&self.name).return_consumed_capacity(CAPACITY);
        get.key("PK", AttributeValue::S(pk)).key("SK", AttributeValue::S(sk))
    }

    /// A `PutItem` request, without its item.
    pub(crate) fn put_item(&self) -> PutItemFluentBuilder {
        self.client.put_item().table_name(&self.name).return_consumed_capacity(CAPACITY)
    }

    /// An `UpdateItem` request for a row, without its expressions.
    pub(crate) fn update_item(&self, row: &Row) -> UpdateItemFluentBuilder {
        let (pk, sk) = row.key();
        let update = self.client.update_item().table_name(&self.name).return_consumed_capacity(CAPACITY);
        update.key("PK", AttributeValue::S(pk)).key("SK", AttributeValue::S(sk))
    }

    /// A `DeleteItem` request for a row.
    pub(crate) fn delete_item(&self, row: &Row) -> DeleteItemFluentBuilder {
        let (pk, sk) = row.key();
        let delete = self.client.delete_item().table_name(&self.name).return_consumed_capacity(CAPACITY);
        delete.key("PK", AttributeValue::S(pk)).key("SK", AttributeValue::S(sk))
    }

    /// A `TransactWriteItems` request.
    pub(crate) fn transaction(&self, writes: Vec<TransactWriteItem>) -> TransactWriteItemsFluentBuilder {
        self.client.transact_write_items().set_transact_items(Some(writes)).return_consumed_capacity(CAPACITY)
    }

    /// A put of a row under a condition, as part of a transaction.
    pub(crate) fn transaction_put<T: Serialize>(
        &self,
        row: &Row,
        body: &T,
        extra: Attributes,
        condition: &str,
    ) -> Result<Put, TableError> {
        let put = Put::builder().table_name(&self.name).set_item(Some(codec::encode(row, body, extra)?));
        put.condition_expression(condition).build().map_err(|it| TableError::write(row, it))
    }

    /// A delete of a row, as part of a transaction.
    pub(crate) fn transaction_delete(&self, row: &Row) -> Result<Delete, TableError> {
        let (pk, sk) = row.key();
        let delete = Delete::builder().table_name(&self.name).key("PK", AttributeValue::S(pk));
        delete.key("SK", AttributeValue::S(sk)).build().map_err(|it| TableError::write(row, it))
    }

    /// The table's name, for a part of a transaction that is built elsewhere.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

async fn send_query(range: &RangeQuery<'_>, query: QueryFluentBuilder) -> Result<Vec<Attributes>, TableError> {
    let response = query.send().await;
    let response = response.map_err(|it| TableError::Read { row: range.partition.to_owned(), source: Box::new(it) })?;
    Ok(response.items.unwrap_or_default())
}

/// Whether the condition of a write held; `Write` if it failed otherwise.
pub(crate) fn condition_held<T, E>(row: &Row, outcome: Result<T, SdkError<E>>) -> Result<bool, TableError>
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    match outcome {
        Ok(_) => Ok(true),
        Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(false),
        Err(error) => Err(TableError::write(row, error)),
    }
}

/// The revision that a row had before the one that is written, as the value of `:before`.
pub(crate) fn revision_before(revision: impl Into<u64>) -> AttributeValue {
    AttributeValue::N(revision.into().saturating_sub(1).to_string())
}
