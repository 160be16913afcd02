//! Event source mapping of the table's stream: order, filters, partial failures, bisecting, and a place for the rest.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::MissedTickBehavior;

use crate::event::Bus;
use crate::function::Function;
use crate::process::Outcome;
use crate::sqs::{Send, Sqs};
use crate::template::StreamSource;
use crate::{ACCOUNT, REGION, StackError, aws_json, now_ms, pause, stream_filter};

/// Lambda polls a shard four times a second (AWS, Lambda with DynamoDB streams).
const BETWEEN_POLLS: Duration = Duration::from_millis(250);

/// What a mapping works with.
pub(crate) struct Mapping {
    pub(crate) source: StreamSource,
    pub(crate) table: String,
    pub(crate) function: Arc<Function>,
    pub(crate) sqs: Arc<Sqs>,
    pub(crate) http: reqwest::Client,
    pub(crate) dynamodb: String,
    /// The file that holds the last sequence number that was handled.
    pub(crate) checkpoint: PathBuf,
    pub(crate) bus: Bus,
}

/// Records that are handled together, and how often that was tried.
struct Batch {
    records: Vec<Value>,
    tries: u32,
}

impl Mapping {
    /// Polls for ever, four times a second as Lambda does; at once if a batch was full.
    pub(crate) async fn run(self) {
        let mut iterator = None;
        let mut polls = tokio::time::interval(BETWEEN_POLLS);
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

    async fn ask(&self, operation: &str, body: &Value) -> Result<Value, StackError> {
        aws_json::ask(&self.http, &self.dynamodb, &format!("DynamoDBStreams_20120810.{operation}"), body).await
    }

    /// Handles the next records; `false` if there were fewer than a batch takes.
    async fn poll(&self, iterator: &mut Option<String>) -> Result<bool, StackError> {
        let at = match iterator.take() {
            Some(it) => it,
            None => self.iterator().await?,
        };
        let answer =
            self.ask("GetRecords", &json!({ "ShardIterator": at, "Limit": self.source.batch.min(1_000) })).await?;
        *iterator = answer["NextShardIterator"].as_str().map(str::to_owned);
        let records = answer["Records"].as_array().cloned().unwrap_or_default();
        let Some(last) = records.last().map(sequence) else { return Ok(false) };
        let full = records.len() >= self.source.batch;
        let wanted: Vec<Value> = records.into_iter().map(localised(&self.table)).filter(|it| self.wants(it)).collect();
        if !wanted.is_empty() {
            self.handle(wanted).await?;
        }
        self.mark(&last)?;
        Ok(full)
    }

    /// Everything up to a record was handled. Kept after each part of a batch, as Lambda does: after a kill a part that was
    /// handled must not come again as part of another one, or what functions name by a batch would be there twice.
    fn mark(&self, sequence: &str) -> Result<(), StackError> {
        crate::stack::write_private(&self.checkpoint, sequence.as_bytes())
            .map_err(|it| StackError::Unwritable { path: self.checkpoint.clone(), source: it.into() })
    }

    async fn iterator(&self) -> Result<String, StackError> {
        let streams = self.ask("ListStreams", &json!({ "TableName": self.table })).await?;
        let arn = streams["Streams"][0]["StreamArn"].clone();
        let stream = self.ask("DescribeStream", &json!({ "StreamArn": arn })).await?;
        let shard = stream["StreamDescription"]["Shards"][0]["ShardId"].clone();
        let mut ask = json!({ "StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON" });
        if let Ok(handled) = std::fs::read_to_string(&self.checkpoint) {
            ask["ShardIteratorType"] = json!("AFTER_SEQUENCE_NUMBER");
            ask["SequenceNumber"] = json!(handled);
        }
        let answer = self.ask("GetShardIterator", &ask).await?;
        Ok(answer["ShardIterator"].as_str().unwrap_or_default().to_owned())
    }

    fn wants(&self, record: &Value) -> bool {
        self.source.filters.is_empty() || self.source.filters.iter().any(|it| stream_filter::fits(it, record))
    }

    async fn handle(&self, records: Vec<Value>) -> Result<(), StackError> {
        let mut batches = VecDeque::from([Batch { records, tries: 0 }]);
        while let Some(mut batch) = batches.pop_front() {
            let Some(slot) = self.function.slot().await else { return Ok(()) };
            let payload = Bytes::from(json!({ "Records": batch.records }).to_string());
            let failed_at = match self.function.invoke(slot, payload).await {
                Outcome::Answered(body) => self.first_failure(&body, &batch.records),
                _ => Some(0),
            };
            if let Some(last) = batch.records[..failed_at.unwrap_or(batch.records.len())].last() {
                self.mark(&sequence(last))?;
            }
            let Some(at) = failed_at else { continue };
            let whole = at == 0;
            batch.records.drain(..at);
            batch.tries = if whole { batch.tries + 1 } else { 1 };
            let age = batch.records.first().map_or(0, |it| now_ms() - created_ms(it));
            if batch.tries > self.source.retries
                || age > i64::try_from(self.source.max_age.as_millis()).unwrap_or(i64::MAX)
            {
                self.give_up(&batch);
            } else if self.source.bisect && whole && batch.records.len() > 1 {
                let second = batch.records.split_off(batch.records.len() / 2);
                batches.push_front(Batch { records: second, tries: batch.tries });
                batches.push_front(batch);
            } else {
                pause(Duration::from_millis(100 << batch.tries.min(6))).await;
                batches.push_front(batch);
            }
        }
        Ok(())
    }

    /// Where a batch failed first; `None` if all went well.
    fn first_failure(&self, body: &[u8], records: &[Value]) -> Option<usize> {
        if !self.source.partial {
            return None;
        }
        let Ok(answer) = serde_json::from_slice::<Value>(body) else { return Some(0) };
        let failures = answer["batchItemFailures"].as_array()?;
        let place = |it: &Value| {
            records.iter().position(|record| Some(sequence(record).as_str()) == it["itemIdentifier"].as_str())
        };
        failures.iter().map(|it| place(it).unwrap_or(0)).min()
    }

    fn give_up(&self, batch: &Batch) {
        let (Some(first), Some(last)) = (batch.records.first(), batch.records.last()) else { return };
        let body = json!({
            "requestContext": { "condition": "RetryAttemptsExhausted", "approximateInvokeCount": batch.tries },
            "version": "1.0",
            "DDBStreamBatchInfo": {
                "shardId": "shardId-00000001", "startSequenceNumber": sequence(first), "endSequenceNumber": sequence(last),
                "batchSize": batch.records.len(), "streamArn": first["eventSourceARN"],
            },
        });
        let send = Send { body: body.to_string(), attributes: Value::Null, delay: Duration::ZERO };
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

/// The emulator's region and ARN, replaced by those of the stack.
fn localised(table: &str) -> impl Fn(Value) -> Value {
    move |mut record| {
        record["awsRegion"] = json!(REGION);
        record["eventSourceARN"] = json!(format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}/stream/local"));
        record
    }
}
