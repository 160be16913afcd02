//! The event source mapping of an SQS queue: batches, partial batch responses, and retries by visibility.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::account::{REGION, queue_arn};
use crate::clock::pause;
use crate::digest::md5_hex;
use crate::event::EventBus;
use crate::function::{Function, records_event};
use crate::process::InvocationOutcome;
use crate::sqs::{ReceivedMessage, Sqs};
use crate::template::SqsEventSource;

/// An event may have 6 MB (AWS Lambda, quotas).
const MAX_PAYLOAD_BYTES: usize = 6_000_000;

/// How long a poll waits for a message (Amazon SQS, long polling).
const POLL_WAIT: Duration = Duration::from_secs(20);

/// Polls a queue and invokes its function, for ever. It waits for a message first, so that a queue without messages keeps no
/// process from another event source of the function; then for a process, while which more messages may come: they share
/// its invocation.
pub(crate) async fn run(source: SqsEventSource, function: Arc<Function>, sqs: Arc<Sqs>, bus: EventBus) {
    let visibility = sqs.queue(&source.queue).map_or(Duration::from_secs(30), |it| it.visibility_timeout);
    let report = async |error: rusqlite::Error| {
        bus.note(format!("could not read {}: {error}", source.queue));
        pause(Duration::from_secs(1)).await;
    };
    loop {
        match sqs.wait_for_message(&source.queue, POLL_WAIT).await {
            Ok(true) => {}
            Ok(false) => continue,
            Err(error) => {
                report(error).await;
                continue;
            }
        }
        let process = match function.reserve().await {
            Some(Ok(process)) => process,
            Some(Err(_)) => continue, // it is told, and the next start waits
            None => return,
        };
        let batch = match collect_batch(&source, &sqs, visibility).await {
            Ok(batch) if batch.is_empty() => {
                function.release(process);
                continue;
            }
            Ok(batch) => batch,
            Err(error) => {
                function.release(process);
                report(error).await;
                continue;
            }
        };
        let (source, function, sqs, bus) = (source.clone(), function.clone(), sqs.clone(), bus.clone());
        tokio::spawn(async move {
            let records: Vec<Value> = batch.iter().map(|it| sqs_record(it, &source.queue)).collect();
            let outcome = function.invoke(process, records_event(&records)).await;
            let handled = handled_messages(&source, &batch, outcome);
            bus.count_sqs_requests(&function.definition.binary, batch.len().div_ceil(10) + handled.len().div_ceil(10));
            let receipt_handles: Vec<&str> = handled.iter().map(|it| it.receipt_handle.as_str()).collect();
            if let Err(error) = sqs.delete_all(&receipt_handles) {
                bus.note(format!("could not acknowledge messages of {}: {error}", source.queue));
            }
        });
    }
}

/// The messages that are visible now, and those that come within the batching window.
async fn collect_batch(
    source: &SqsEventSource,
    sqs: &Sqs,
    visibility: Duration,
) -> rusqlite::Result<Vec<ReceivedMessage>> {
    let mut batch = sqs.receive(&source.queue, source.batch_size.min(10), visibility)?;
    let until = tokio::time::Instant::now() + source.batching_window;
    while !batch.is_empty() && batch.len() < source.batch_size {
        let bytes: usize = batch.iter().map(|it| it.body.len()).sum();
        let remaining = until.saturating_duration_since(tokio::time::Instant::now());
        if remaining.is_zero() && batch.len() % 10 != 0 || bytes > MAX_PAYLOAD_BYTES / 2 {
            break;
        }
        let limit = (source.batch_size - batch.len()).min(10).min((MAX_PAYLOAD_BYTES - bytes) / 1_048_576);
        let more = sqs.long_poll(&source.queue, limit.max(1), visibility, remaining).await?;
        if more.is_empty() && until <= tokio::time::Instant::now() {
            break;
        }
        batch.extend(more);
    }
    Ok(batch)
}

/// The messages that were handled. None is, if the response cannot be read (AWS Lambda, partial batch responses).
fn handled_messages<'a>(
    source: &SqsEventSource,
    batch: &'a [ReceivedMessage],
    outcome: InvocationOutcome,
) -> Vec<&'a ReceivedMessage> {
    let InvocationOutcome::Succeeded(body) = outcome else { return Vec::new() };
    if !source.reports_item_failures {
        return batch.iter().collect();
    }
    let Ok(answer) = serde_json::from_slice::<Value>(&body) else { return Vec::new() };
    let Some(failures) = answer["batchItemFailures"].as_array() else {
        let all = answer.is_null() || answer.get("batchItemFailures").is_none_or(Value::is_null);
        return if all { batch.iter().collect() } else { Vec::new() };
    };
    let failed: HashSet<&str> = failures.iter().map(|it| it["itemIdentifier"].as_str().unwrap_or_default()).collect();
    let known: HashSet<&str> = batch.iter().map(|it| it.id.as_str()).collect();
    if failed.iter().any(|it| !known.contains(it)) {
        return Vec::new();
    }
    batch.iter().filter(|it| !failed.contains(it.id.as_str())).collect()
}

fn sqs_record(message: &ReceivedMessage, queue: &str) -> Value {
    let mut attributes = serde_json::Map::new();
    for (name, value) in message.attributes.as_object().into_iter().flatten() {
        let text = json!({ "stringValue": value["StringValue"], "stringListValues": [], "binaryListValues": [], "dataType": value["DataType"] });
        attributes.insert(name.clone(), text);
    }
    json!({
        "messageId": message.id, "receiptHandle": message.receipt_handle, "body": message.body,
        "attributes": {
            "ApproximateReceiveCount": message.receive_count.to_string(), "SentTimestamp": message.sent_at_ms.to_string(),
            "SenderId": "AIDALOCAL", "ApproximateFirstReceiveTimestamp": message.first_received_at_ms.to_string(),
        },
        "messageAttributes": attributes, "md5OfBody": md5_hex(message.body.as_bytes()), "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn(queue), "awsRegion": REGION,
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn batch() -> Vec<ReceivedMessage> {
        let one = |id: &str| ReceivedMessage {
            id: id.to_owned(),
            receipt_handle: id.to_owned(),
            body: String::new(),
            attributes: Value::Null,
            sent_at_ms: 0,
            first_received_at_ms: 0,
            receive_count: 1,
            dead_letter_source: None,
        };
        vec![one("a"), one("b")]
    }

    #[track_caller]
    fn check(answer: &'static str, want: &[&str]) {
        let source = SqsEventSource {
            queue: "q".into(),
            batch_size: 10,
            batching_window: Duration::ZERO,
            reports_item_failures: true,
        };
        let batch = batch();
        let done =
            handled_messages(&source, &batch, InvocationOutcome::Succeeded(Bytes::from_static(answer.as_bytes())));
        assert_eq!(done.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), want);
    }

    #[test]
    fn only_a_clear_answer_acknowledges() {
        check(r#"{"batchItemFailures":[]}"#, &["a", "b"]);
        check("null", &["a", "b"]);
        check("{}", &["a", "b"]);
        check(r#"{"batchItemFailures":[{"itemIdentifier":"a"}]}"#, &["b"]);
        check(r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#, &[]);
        check(r#"{"batchItemFailures":[{"itemIdentifier":"x"}]}"#, &[]);
        check(r#"{"batchItemFailures":"all"}"#, &[]);
        check("garbage", &[]);
        let source = SqsEventSource {
            queue: "q".into(),
            batch_size: 10,
            batching_window: Duration::ZERO,
            reports_item_failures: true,
        };
        assert!(handled_messages(&source, &batch(), InvocationOutcome::TimedOut).is_empty());
    }
}
