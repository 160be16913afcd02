//! Event source mapping of a queue: batches, partial failures, and messages that come back.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::event::Bus;
use crate::function::Function;
use crate::process::Outcome;
use crate::sqs::{Received, Sqs};
use crate::template::{QueueSource, queue_arn};
use crate::{REGION, pause};

/// An event may weigh 6 MB (Lambda's limit).
const MOST_BYTES: usize = 6_000_000;

/// Polls for ever.
pub(crate) async fn run(source: QueueSource, function: Arc<Function>, sqs: Arc<Sqs>, bus: Bus) {
    let visibility = sqs.queue(&source.queue).map_or(Duration::from_secs(30), |it| it.visibility);
    loop {
        let Some(slot) = function.slot().await else { return };
        let batch = match take(&source, &sqs, visibility).await {
            Ok(batch) if batch.is_empty() => continue,
            Ok(batch) => batch,
            Err(error) => {
                bus.note(format!("could not read {}: {error}", source.queue));
                pause(Duration::from_secs(1)).await;
                continue;
            }
        };
        let (source, function, sqs, bus) = (source.clone(), function.clone(), sqs.clone(), bus.clone());
        tokio::spawn(async move {
            let payload = json!({ "Records": batch.iter().map(|it| record(it, &source.queue)).collect::<Vec<_>>() });
            let outcome = function.invoke(slot, Bytes::from(payload.to_string())).await;
            let done = settled(&source, &batch, outcome);
            bus.polled(&function.it.binary, batch.len().div_ceil(10) + done.len().div_ceil(10));
            for it in done {
                if let Err(error) = sqs.delete(&it.receipt) {
                    bus.note(format!("could not acknowledge a message of {}: {error}", source.queue));
                }
            }
        });
    }
}

async fn take(source: &QueueSource, sqs: &Sqs, visibility: Duration) -> rusqlite::Result<Vec<Received>> {
    let mut batch =
        sqs.receive_within(&source.queue, source.batch.min(10), visibility, Duration::from_secs(20)).await?;
    let until = tokio::time::Instant::now() + source.window;
    while !batch.is_empty() && batch.len() < source.batch {
        let weight: usize = batch.iter().map(|it| it.body.len()).sum();
        let left = until.saturating_duration_since(tokio::time::Instant::now());
        if left.is_zero() && batch.len() % 10 != 0 || weight > MOST_BYTES / 2 {
            break;
        }
        let most = (source.batch - batch.len()).min(10).min((MOST_BYTES - weight) / 1_048_576);
        let more = sqs.receive_within(&source.queue, most.max(1), visibility, left).await?;
        if more.is_empty() && until <= tokio::time::Instant::now() {
            break;
        }
        batch.extend(more);
    }
    Ok(batch)
}

/// Those that were handled. An answer that cannot be understood means that none was.
fn settled<'a>(source: &QueueSource, batch: &'a [Received], outcome: Outcome) -> Vec<&'a Received> {
    let Outcome::Answered(body) = outcome else { return Vec::new() };
    if !source.partial {
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

fn record(it: &Received, queue: &str) -> Value {
    let mut attributes = serde_json::Map::new();
    for (name, value) in it.attributes.as_object().into_iter().flatten() {
        let text = json!({ "stringValue": value["StringValue"], "stringListValues": [], "binaryListValues": [], "dataType": value["DataType"] });
        attributes.insert(name.clone(), text);
    }
    json!({
        "messageId": it.id, "receiptHandle": it.receipt, "body": it.body,
        "attributes": {
            "ApproximateReceiveCount": it.receives.to_string(), "SentTimestamp": it.sent.to_string(),
            "SenderId": "AIDALOCAL", "ApproximateFirstReceiveTimestamp": it.first.to_string(),
        },
        "messageAttributes": attributes, "md5OfBody": crate::sqs::md5_hex(it.body.as_bytes()), "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn(queue), "awsRegion": REGION,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch() -> Vec<Received> {
        let one = |id: &str| Received {
            id: id.to_owned(),
            receipt: id.to_owned(),
            body: String::new(),
            attributes: Value::Null,
            sent: 0,
            first: 0,
            receives: 1,
            source: None,
        };
        vec![one("a"), one("b")]
    }

    #[track_caller]
    fn check(answer: &'static str, want: &[&str]) {
        let source = QueueSource { queue: "q".into(), batch: 10, window: Duration::ZERO, partial: true };
        let batch = batch();
        let done = settled(&source, &batch, Outcome::Answered(Bytes::from_static(answer.as_bytes())));
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
        let source = QueueSource { queue: "q".into(), batch: 10, window: Duration::ZERO, partial: true };
        assert!(settled(&source, &batch(), Outcome::TimedOut).is_empty());
    }
}
