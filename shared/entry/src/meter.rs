//! The meter: counts every request to AWS by operation and by units, in production and in tests.
//!
//! At the end of each invocation it prints the counts as one line of the log, which CloudWatch Logs Insights sums up. They
//! are no metrics of CloudWatch: each of those has its price, and two stacks would count together.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_dynamodb::operation::batch_get_item::BatchGetItemOutput;
use aws_sdk_dynamodb::operation::batch_write_item::BatchWriteItemOutput;
use aws_sdk_dynamodb::operation::delete_item::{DeleteItemError, DeleteItemOutput};
use aws_sdk_dynamodb::operation::get_item::GetItemOutput;
use aws_sdk_dynamodb::operation::put_item::{PutItemError, PutItemOutput};
use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_dynamodb::operation::transact_write_items::{TransactWriteItemsInput, TransactWriteItemsOutput};
use aws_sdk_dynamodb::operation::update_item::{UpdateItemError, UpdateItemOutput};
use aws_sdk_dynamodb::types::{ConsumedCapacity, TransactWriteItem};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    AfterDeserializationInterceptorContextRef, BeforeSerializationInterceptorContextRef,
    BeforeTransmitInterceptorContextRef, Error, Input, Output,
};
use aws_smithy_runtime_api::client::orchestrator::{Metadata, OrchestratorError};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use serde_json::json;
use time::format_description::well_known::Rfc3339;

use crate::clock;

/// Counts since the last report, by name: `dynamodb.PutItem`, `dynamodb.transact.PutItem` (a part of a transaction),
/// `write_units`, `sqs_requests`, …
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<Mutex<BTreeMap<String, f64>>>);

impl Meter {
    /// An interceptor for an AWS client that counts its requests as they are sent, retries included.
    pub fn counter(&self, service: &'static str) -> RequestCounter {
        RequestCounter { service, meter: self.clone() }
    }

    /// Counts a request that is not made by an AWS client.
    pub fn count(&self, name: &str) {
        self.add(name, 1.0);
    }

    fn add(&self, name: impl Into<String>, units: f64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(name.into()).or_default() += units;
    }

    /// Runs an invocation, then prints its counts.
    pub(crate) async fn measure_invocation<T>(&self, run: impl Future<Output = T>) -> T {
        let outcome = run.await;
        if let Some(line) = self.report(clock::now()) {
            println!("{line}");
        }
        outcome
    }

    /// Takes the counts as one line of the log, with the level and the time by which Lambda filters (AWS Lambda, advanced
    /// logging controls); `None` if there are none.
    fn report(&self, now: time::OffsetDateTime) -> Option<String> {
        let counts = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if counts.is_empty() {
            return None;
        }
        let time = now.format(&Rfc3339).unwrap_or_default();
        Some(json!({ "timestamp": time, "level": "INFO", "message": "used", "meter": counts }).to_string())
    }
}

/// An interceptor that counts the requests of one client.
#[derive(Debug, Clone)]
pub struct RequestCounter {
    service: &'static str,
    meter: Meter,
}

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl Intercept for RequestCounter {
    fn name(&self) -> &'static str {
        "meter"
    }

    fn read_before_serialization(
        &self,
        context: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        for part in transaction_parts(context.input()) {
            self.meter.add(format!("{}.transact.{}", self.service, action(part)), 1.0);
        }
        Ok(())
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let operation = config.load::<Metadata>().map_or("unknown", |it| it.name());
        self.meter.add(format!("{}.{operation}", self.service), 1.0);
        // SQS bills each chunk of 64 KB as a request; the body is most of the payload
        let chunks = context.request().body().bytes().map_or(1, |it| it.len().div_ceil(65_536).max(1));
        let requests = if self.service == "sqs" { chunks as f64 } else { 1.0 };
        self.meter.add(format!("{}_requests", self.service), requests);
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if self.service == "dynamodb" {
            let consumed = match context.output_or_error() {
                Ok(output) => consumed_units(output),
                Err(error) => units_of_failure(error),
            };
            if let Some((name, units)) = consumed {
                self.meter.add(name, units);
            }
        }
        Ok(())
    }
}

/// The parts of a request, if it is a transaction of writes.
fn transaction_parts(input: &Input) -> &[TransactWriteItem] {
    input.downcast_ref::<TransactWriteItemsInput>().map_or(&[], TransactWriteItemsInput::transact_items)
}

/// The action that a role has to allow for a part of a transaction; the transaction itself has none (Amazon DynamoDB, "Using
/// IAM with DynamoDB transactions").
fn action(part: &TransactWriteItem) -> &'static str {
    if part.put().is_some() {
        "PutItem"
    } else if part.update().is_some() {
        "UpdateItem"
    } else if part.delete().is_some() {
        "DeleteItem"
    } else {
        "ConditionCheckItem"
    }
}

/// The counter of an operation of DynamoDB, and the capacity units that its response reports. They are taken from the
/// response as the client has read it: to read its text again for one number would cost as much as the first time.
/// `None` for an operation that the product does not use.
fn consumed_units(output: &Output) -> Option<(&'static str, f64)> {
    fn total<'a>(reports: impl IntoIterator<Item = &'a ConsumedCapacity>) -> f64 {
        reports.into_iter().filter_map(ConsumedCapacity::capacity_units).sum::<f64>() + 0.0 // an empty sum is -0
    }
    fn units<T: std::fmt::Debug + Send + Sync + 'static>(output: &Output, read: fn(&T) -> f64) -> Option<f64> {
        output.downcast_ref::<T>().map(read)
    }
    let reads = units(output, |it: &GetItemOutput| total(it.consumed_capacity()))
        .or_else(|| units(output, |it: &QueryOutput| total(it.consumed_capacity())))
        .or_else(|| units(output, |it: &BatchGetItemOutput| total(it.consumed_capacity())));
    let writes = || {
        units(output, |it: &PutItemOutput| total(it.consumed_capacity()))
            .or_else(|| units(output, |it: &UpdateItemOutput| total(it.consumed_capacity())))
            .or_else(|| units(output, |it: &DeleteItemOutput| total(it.consumed_capacity())))
            .or_else(|| units(output, |it: &TransactWriteItemsOutput| total(it.consumed_capacity())))
            .or_else(|| units(output, |it: &BatchWriteItemOutput| total(it.consumed_capacity())))
    };
    reads.map(|it| ("read_units", it)).or_else(|| writes().map(|it| ("write_units", it)))
}

/// The units of a request that failed. A write whose condition does not hold consumes capacity too, by the size
/// of the item, and its response does not say how much (Amazon DynamoDB, "Working with items"): it is counted as one
/// unit, the least that a write takes.
fn units_of_failure(error: &OrchestratorError<Error>) -> Option<(&'static str, f64)> {
    let failed_condition = error.as_operation_error().is_some_and(|failure| {
        failure.downcast_ref().is_some_and(PutItemError::is_conditional_check_failed_exception)
            || failure.downcast_ref().is_some_and(UpdateItemError::is_conditional_check_failed_exception)
            || failure.downcast_ref().is_some_and(DeleteItemError::is_conditional_check_failed_exception)
    });
    failed_condition.then_some(("write_units", 1.0))
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::types::error::{ConditionalCheckFailedException, ResourceNotFoundException};
    use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Delete, Put, Update};

    use super::*;

    fn capacity(units: f64) -> ConsumedCapacity {
        ConsumedCapacity::builder().table_name("t").capacity_units(units).build()
    }

    #[test]
    fn the_units_of_each_operation_are_counted_by_their_kind() {
        let (half, one, two) = (capacity(0.5), capacity(1.0), capacity(2.0));
        let lists = Some(vec![two.clone(), one.clone()]);
        let outputs = [
            (Output::erase(GetItemOutput::builder().consumed_capacity(half.clone()).build()), "read_units", 0.5),
            (Output::erase(QueryOutput::builder().consumed_capacity(half).build()), "read_units", 0.5),
            (
                Output::erase(BatchGetItemOutput::builder().set_consumed_capacity(lists.clone()).build()),
                "read_units",
                3.0,
            ),
            (Output::erase(PutItemOutput::builder().consumed_capacity(one.clone()).build()), "write_units", 1.0),
            (Output::erase(UpdateItemOutput::builder().consumed_capacity(two).build()), "write_units", 2.0),
            (Output::erase(DeleteItemOutput::builder().consumed_capacity(one).build()), "write_units", 1.0),
            (
                Output::erase(TransactWriteItemsOutput::builder().set_consumed_capacity(lists.clone()).build()),
                "write_units",
                3.0,
            ),
            (Output::erase(BatchWriteItemOutput::builder().set_consumed_capacity(lists).build()), "write_units", 3.0),
            (Output::erase(PutItemOutput::builder().build()), "write_units", 0.0),
        ];
        for (output, name, units) in outputs {
            assert_eq!(consumed_units(&output), Some((name, units)), "{output:?}");
        }
        assert_eq!(consumed_units(&Output::erase(())), None);
    }

    #[test]
    fn a_condition_that_does_not_hold_costs_a_unit_and_other_failures_none() {
        let condition = || ConditionalCheckFailedException::builder().build();
        let missing = || ResourceNotFoundException::builder().build();
        let failures = [
            (Error::erase(PutItemError::ConditionalCheckFailedException(condition())), Some(("write_units", 1.0))),
            (Error::erase(UpdateItemError::ConditionalCheckFailedException(condition())), Some(("write_units", 1.0))),
            (Error::erase(DeleteItemError::ConditionalCheckFailedException(condition())), Some(("write_units", 1.0))),
            (Error::erase(PutItemError::ResourceNotFoundException(missing())), None),
            (Error::erase(std::io::Error::other("no answer")), None),
        ];
        for (failure, units) in failures {
            assert_eq!(units_of_failure(&OrchestratorError::operation(failure)), units);
        }
        assert_eq!(units_of_failure(&OrchestratorError::timeout("no answer".into())), None);
    }

    #[test]
    fn the_parts_of_a_transaction_are_told_apart() {
        let key = |it: &str| (it.to_owned(), AttributeValue::S("k".to_owned()));
        let put = Put::builder().table_name("t").set_item(Some([key("PK")].into())).build().unwrap();
        let update = Update::builder().table_name("t").set_key(Some([key("PK")].into())).update_expression("SET a = b");
        let delete = Delete::builder().table_name("t").set_key(Some([key("PK")].into())).build().unwrap();
        let check = ConditionCheck::builder().table_name("t").set_key(Some([key("PK")].into()));
        let check = check.condition_expression("attribute_exists(PK)").build().unwrap();
        let transaction = TransactWriteItemsInput::builder()
            .transact_items(TransactWriteItem::builder().put(put).build())
            .transact_items(TransactWriteItem::builder().update(update.build().unwrap()).build())
            .transact_items(TransactWriteItem::builder().delete(delete).build())
            .transact_items(TransactWriteItem::builder().condition_check(check).build());
        let input = Input::erase(transaction.build().unwrap());
        let actions: Vec<&str> = transaction_parts(&input).iter().map(action).collect();
        assert_eq!(actions, ["PutItem", "UpdateItem", "DeleteItem", "ConditionCheckItem"]);
        assert!(transaction_parts(&Input::erase(())).is_empty());
    }

    #[test]
    fn a_report_takes_what_it_reports() {
        let meter = Meter::default();
        meter.add("sqs.SendMessage", 1.0);
        meter.add("sqs_requests", 1.0);
        let line = meter.report(time::OffsetDateTime::UNIX_EPOCH).unwrap();
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["meter"], json!({ "sqs.SendMessage": 1.0, "sqs_requests": 1.0 }));
        assert_eq!((&line["timestamp"], &line["level"]), (&json!("1970-01-01T00:00:00Z"), &json!("INFO")));
        assert_eq!(meter.report(time::OffsetDateTime::UNIX_EPOCH), None);
    }
}
