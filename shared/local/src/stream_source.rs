//! The event source mapping of the table's stream: order, filters, partial batch responses, bisecting, and the
//! on-failure destination.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::MissedTickBehavior;

use crate::account::{ACCOUNT, REGION};
use crate::clock::{now_ms, pause};
use crate::error::StackError;
use crate::event::EventBus;
use crate::function::{Function, records_event};
use crate::private_file::write_private;
use crate::process::InvocationOutcome;
use crate::sqs::{NewMessage, Sqs};
use crate::template::StreamEventSource;
use crate::{aws_json, stream_filter};

/// Lambda polls a shard four times a second (AWS Lambda, "Using AWS Lambda with Amazon DynamoDB").
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// A mapping, with all it needs.
pub(crate) struct StreamMapping {
    pub(crate) source: StreamEventSource,
    pub(crate) table: String,
    pub(crate) function: Arc<Function>,
    pub(crate) sqs: Arc<Sqs>,
    pub(crate) http: reqwest::Client,
    pub(crate) dynamodb: String,
    /// The file with the sequence number of the last record that was handled.
    pub(crate) checkpoint: PathBuf,
    pub(crate) bus: EventBus,
}

/// Records of one invocation, and the number of attempts.
struct Batch {
    records: Vec<Value>,
    attempts: u32,
}

impl StreamMapping {
    /// Polls for ever; at once if the last batch was full.
    pub(crate) async fn run(self) {
        let mut iterator = None;
        let mut polls = tokio::time::interval(POLL_INTERVAL);
        polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            match self.poll(&mut iterator).await {
                Ok(true) => {}
                Ok(false) => drop(polls.tick().await),
                Err(error) => {
                    iterator = None;
                    self.bus.note(format!("could not read the table's stream: {error}"));
                    pause(Duration::from_secs(1)).await;
                }
            }
        }
    }

    async fn call(&self, operation: &str, body: &Value) -> Result<Value, StackError> {
        aws_json::call(&self.http, &self.dynamodb, &format!("DynamoDBStreams_20120810.{operation}"), body).await
    }

    /// Handles the next records. `false` if they did not fill a batch.
    async fn poll(&self, iterator: &mut Option<String>) -> Result<bool, StackError> {
        let shard_iterator = match iterator.take() {
            Some(it) => it,
            None => self.shard_iterator().await?,
        };
        let mut answer = self
            .call("GetRecords", &json!({ "ShardIterator": shard_iterator, "Limit": self.source.batch_size.min(1_000) }))
            .await?;
        *iterator = answer["NextShardIterator"].as_str().map(str::to_owned);
        let records = match answer["Records"].take() {
            Value::Array(records) => records,
            _ => Vec::new(),
        };
        let Some(last) = records.last().map(sequence) else { return Ok(false) };
        let full = records.len() >= self.source.batch_size;
        let matching: Vec<Value> =
            records.into_iter().map(with_local_region(&self.table)).filter(|it| self.matches_filters(it)).collect();
        if !matching.is_empty() {
            self.deliver(matching).await?;
        }
        self.write_checkpoint(&last)?;
        Ok(full)
    }

    /// Stores the sequence number of the last record that was handled. It is written after each part of a batch, as
    /// Lambda does: after a kill, a handled part must not come again in another batch, because functions derive ids
    /// from a batch.
    fn write_checkpoint(&self, sequence: &str) -> Result<(), StackError> {
        write_private(&self.checkpoint, sequence.as_bytes())
            .map_err(|it| StackError::Unwritable { path: self.checkpoint.clone(), source: it.into() })
    }

    async fn shard_iterator(&self) -> Result<String, StackError> {
        let streams = self.call("ListStreams", &json!({ "TableName": self.table })).await?;
        let arn = streams["Streams"][0]["StreamArn"].clone();
        let stream = self.call("DescribeStream", &json!({ "StreamArn": arn })).await?;
        let shard = stream["StreamDescription"]["Shards"][0]["ShardId"].clone();
        let mut body = json!({ "StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON" });
        if let Ok(handled) = std::fs::read_to_string(&self.checkpoint) {
            body["ShardIteratorType"] = json!("AFTER_SEQUENCE_NUMBER");
            body["SequenceNumber"] = json!(handled);
        }
        let answer = self.call("GetShardIterator", &body).await?;
        Ok(answer["ShardIterator"].as_str().unwrap_or_default().to_owned())
    }

    fn matches_filters(&self, record: &Value) -> bool {
        self.source.filters.is_empty()
            || self.source.filters.iter().any(|it| stream_filter::matches_pattern(it, record))
    }

    async fn deliver(&self, records: Vec<Value>) -> Result<(), StackError> {
        let mut batches = VecDeque::from([Batch { records, attempts: 0 }]);
        while let Some(mut batch) = batches.pop_front() {
            let failed_at = match self.function.invoke_when_free(records_event(&batch.records)).await {
                None => return Ok(()),
                Some(InvocationOutcome::Succeeded(body)) => self.first_failure(&body, &batch.records),
                Some(_) => Some(0),
            };
            if let Some(last) = batch.records[..failed_at.unwrap_or(batch.records.len())].last() {
                self.write_checkpoint(&sequence(last))?;
            }
            let Some(at) = failed_at else { continue };
            let failed_at_first = at == 0;
            batch.records.drain(..at);
            batch.attempts = if failed_at_first { batch.attempts + 1 } else { 1 };
            let age = batch.records.first().map_or(0, |it| now_ms() - created_ms(it));
            if batch.attempts > self.source.max_retries
                || age > i64::try_from(self.source.max_record_age.as_millis()).unwrap_or(i64::MAX)
            {
                self.send_to_on_failure(&batch);
            } else if self.source.bisect_on_error && failed_at_first && batch.records.len() > 1 {
                let second_half = batch.records.split_off(batch.records.len() / 2);
                batches.push_front(Batch { records: second_half, attempts: batch.attempts });
                batches.push_front(batch);
            } else {
                pause(Duration::from_millis(100 << batch.attempts.min(6))).await;
                batches.push_front(batch);
            }
        }
        Ok(())
    }

    /// The index of the first record that failed; `None` if none did.
    fn first_failure(&self, body: &[u8], records: &[Value]) -> Option<usize> {
        if !self.source.reports_item_failures {
            return None;
        }
        let Ok(answer) = serde_json::from_slice::<Value>(body) else { return Some(0) };
        let failures = answer["batchItemFailures"].as_array()?;
        let index_of = |failure: &Value| {
            records.iter().position(|record| Some(sequence(record).as_str()) == failure["itemIdentifier"].as_str())
        };
        failures.iter().map(|it| index_of(it).unwrap_or(0)).min()
    }

    fn send_to_on_failure(&self, batch: &Batch) {
        let (Some(first), Some(last)) = (batch.records.first(), batch.records.last()) else { return };
        let body = json!({
            "requestContext": { "condition": "RetryAttemptsExhausted", "approximateInvokeCount": batch.attempts },
            "version": "1.0",
            "DDBStreamBatchInfo": {
                "shardId": "shardId-00000001", "startSequenceNumber": sequence(first), "endSequenceNumber": sequence(last),
                "batchSize": batch.records.len(), "streamArn": first["eventSourceARN"],
            },
        });
        let send = NewMessage { body: body.to_string(), attributes: Value::Null, delay: Duration::ZERO };
        let sent = self.source.on_failure.as_ref().map(|it| self.sqs.send(it, &[send]));
        self.bus.note(match sent {
            Some(Ok(_)) => format!("{} records of the stream went to the dead letters", batch.records.len()),
            Some(Err(error)) => format!("could not park {} records: {error}", batch.records.len()),
            None => format!("{} records of the stream were given up", batch.records.len()),
        });
    }
}

fn sequence(record: &Value) -> String {
    record["dynamodb"]["SequenceNumber"].as_str().unwrap_or_default().to_owned()
}

fn created_ms(record: &Value) -> i64 {
    record["dynamodb"]["ApproximateCreationDateTime"].as_f64().map_or_else(now_ms, |it| (it * 1_000.0) as i64)
}

/// Replaces the region and the stream's ARN of a record by those of the stack.
fn with_local_region(table: &str) -> impl Fn(Value) -> Value {
    move |mut record| {
        record["awsRegion"] = json!(REGION);
        record["eventSourceARN"] = json!(format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}/stream/local"));
        record
    }
}
