//! The JSON protocol of SQS: one `POST /`, the operation in `x-amz-target`.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};

use super::{MOST_BYTES, Received, Send, Sqs, md5_hex};
use crate::template::{queue_arn, queue_url};

/// An error as SQS tells it: the code, and a text.
struct Refused(&'static str, String);

#[derive(Clone)]
struct Server {
    sqs: Arc<Sqs>,
    url: String,
}

/// The service behind `url`.
pub(crate) fn router(sqs: Arc<Sqs>, url: String) -> Router {
    Router::new().route("/", post(handle)).layer(DefaultBodyLimit::max(16 << 20)).with_state(Server { sqs, url })
}

async fn handle(State(it): State<Server>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|it| it.to_str().ok()).unwrap_or_default();
    let operation = target.strip_prefix("AmazonSQS.").unwrap_or_default();
    let answer = match serde_json::from_slice(&body) {
        Ok(ask) => answer(&it, operation, &ask).await,
        Err(_) => Err(Refused("InvalidRequest", "the body is not JSON".into())),
    };
    let headers = [("content-type", "application/x-amz-json-1.0".to_owned()), ("x-amzn-requestid", super::random_id())];
    match answer {
        Ok(answer) => (headers, answer.to_string()).into_response(),
        Err(Refused(code, message)) => {
            let kind = code.rsplit('.').next().unwrap_or(code);
            let body = json!({ "__type": format!("com.amazonaws.sqs#{kind}"), "message": message });
            let query = [("x-amzn-query-error", format!("{code};Sender"))];
            (StatusCode::BAD_REQUEST, headers, query, body.to_string()).into_response()
        }
    }
}

async fn answer(it: &Server, operation: &str, ask: &Value) -> Result<Value, Refused> {
    let sqs = &it.sqs;
    match operation {
        "ListQueues" => {
            let prefix = ask["QueueNamePrefix"].as_str().unwrap_or_default();
            let urls: Vec<String> =
                sqs.names().filter(|it| it.starts_with(prefix)).map(|name| queue_url(&it.url, name)).collect();
            Ok(json!({ "QueueUrls": urls }))
        }
        "GetQueueUrl" => {
            let name = known(sqs, ask["QueueName"].as_str())?;
            Ok(json!({ "QueueUrl": queue_url(&it.url, &name) }))
        }
        "SendMessage" => {
            let queue = named(sqs, ask)?;
            let message = message(ask)?;
            if weight(&message) > MOST_BYTES {
                return Err(too_long());
            }
            let ids = sqs.send(&queue, std::slice::from_ref(&message)).map_err(broken)?;
            Ok(sent(&message, &ids[0]))
        }
        "SendMessageBatch" => send_batch(sqs, ask),
        "ReceiveMessage" => receive(sqs, ask).await,
        "DeleteMessage" => {
            named(sqs, ask)?;
            delete(sqs, ask)?;
            Ok(json!({}))
        }
        "DeleteMessageBatch" => {
            named(sqs, ask)?;
            let outcome = |entry: &Value| delete(sqs, entry).map(|()| json!({ "Id": entry["Id"] }));
            each(ask, outcome)
        }
        "ChangeMessageVisibility" => {
            named(sqs, ask)?;
            let time = Duration::from_secs(ask["VisibilityTimeout"].as_u64().unwrap_or(0).min(43_200));
            sqs.change_visibility(ask["ReceiptHandle"].as_str().unwrap_or_default(), time).map_err(broken)?;
            Ok(json!({}))
        }
        "GetQueueAttributes" => {
            let name = named(sqs, ask)?;
            let depth = sqs.depth(&name).map_err(broken)?;
            Ok(json!({ "Attributes": {
                "QueueArn": queue_arn(&name),
                "ApproximateNumberOfMessages": depth.visible.to_string(),
                "ApproximateNumberOfMessagesNotVisible": depth.in_flight.to_string(),
                "ApproximateNumberOfMessagesDelayed": depth.delayed.to_string(),
                "MaximumMessageSize": MOST_BYTES.to_string(),
            } }))
        }
        other => Err(Refused("InvalidAction", format!("the local stack does not know the operation {other}"))),
    }
}

fn send_batch(sqs: &Sqs, ask: &Value) -> Result<Value, Refused> {
    let queue = named(sqs, ask)?;
    let entries = entries(ask)?;
    let messages = entries.iter().map(message).collect::<Result<Vec<Send>, _>>()?;
    if messages.iter().map(weight).sum::<usize>() > MOST_BYTES {
        let text = format!("Batch requests cannot be longer than {MOST_BYTES} bytes.");
        return Err(Refused("AWS.SimpleQueueService.BatchRequestTooLong", text));
    }
    let ids = sqs.send(&queue, &messages).map_err(broken)?;
    let done = entries.iter().zip(&messages).zip(&ids).map(|((entry, message), id)| {
        let mut it = sent(message, id);
        it["Id"] = entry["Id"].clone();
        it
    });
    Ok(json!({ "Successful": done.collect::<Vec<_>>(), "Failed": [] }))
}

async fn receive(sqs: &Sqs, ask: &Value) -> Result<Value, Refused> {
    let queue = named(sqs, ask)?;
    let most = ask["MaxNumberOfMessages"].as_u64().unwrap_or(1);
    if !(1..=10).contains(&most) {
        let text = format!(
            "Value {most} for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided."
        );
        return Err(Refused("InvalidParameterValue", text));
    }
    let usual = sqs.queue(&queue).map_or(Duration::from_secs(30), |it| it.visibility);
    let visibility = ask["VisibilityTimeout"].as_u64().map_or(usual, Duration::from_secs);
    let wait = Duration::from_secs(ask["WaitTimeSeconds"].as_u64().unwrap_or(0).min(20));
    let most = usize::try_from(most).unwrap_or(10);
    let taken = sqs.receive_within(&queue, most, visibility, wait).await.map_err(broken)?;
    Ok(json!({ "Messages": taken.iter().map(received).collect::<Vec<_>>() }))
}

fn delete(sqs: &Sqs, entry: &Value) -> Result<(), Refused> {
    let receipt = entry["ReceiptHandle"].as_str().unwrap_or_default();
    if receipt.len() != 36 {
        return Err(Refused("ReceiptHandleIsInvalid", "The input receipt handle is invalid.".into()));
    }
    sqs.delete(receipt).map(|_| ()).map_err(broken)
}

fn each(ask: &Value, outcome: impl Fn(&Value) -> Result<Value, Refused>) -> Result<Value, Refused> {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for entry in entries(ask)? {
        match outcome(entry) {
            Ok(it) => good.push(it),
            Err(Refused(code, message)) => {
                bad.push(json!({ "Id": entry["Id"], "Code": code, "Message": message, "SenderFault": true }))
            }
        }
    }
    Ok(json!({ "Successful": good, "Failed": bad }))
}

fn entries(ask: &Value) -> Result<&Vec<Value>, Refused> {
    let entries = ask["Entries"].as_array().filter(|it| !it.is_empty());
    let entries = entries.ok_or_else(|| {
        Refused("AWS.SimpleQueueService.EmptyBatchRequest", "There should be at least one entry.".into())
    })?;
    if entries.len() > 10 {
        return Err(Refused(
            "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
            "Maximum number of entries per request are 10.".into(),
        ));
    }
    Ok(entries)
}

fn named(sqs: &Sqs, ask: &Value) -> Result<String, Refused> {
    known(sqs, ask["QueueUrl"].as_str().and_then(|it| it.rsplit('/').next()))
}

fn known(sqs: &Sqs, name: Option<&str>) -> Result<String, Refused> {
    let missing = || Refused("AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.".into());
    name.filter(|it| sqs.queue(it).is_some()).map(str::to_owned).ok_or_else(missing)
}

fn message(entry: &Value) -> Result<Send, Refused> {
    let body = entry["MessageBody"].as_str().filter(|it| !it.is_empty());
    let body =
        body.ok_or_else(|| Refused("MissingParameter", "The request must contain the parameter MessageBody.".into()))?;
    let delay = entry["DelaySeconds"].as_u64().unwrap_or(0);
    if delay > 900 {
        let text = format!(
            "Value {delay} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900."
        );
        return Err(Refused("InvalidParameterValue", text));
    }
    Ok(Send {
        body: body.to_owned(),
        attributes: entry["MessageAttributes"].clone(),
        delay: Duration::from_secs(delay),
    })
}

fn weight(message: &Send) -> usize {
    let attributes = if message.attributes.is_null() { 0 } else { message.attributes.to_string().len() };
    message.body.len() + attributes
}

fn too_long() -> Refused {
    let text = format!("One or more parameters are invalid. Reason: Message must be shorter than {MOST_BYTES} bytes.");
    Refused("InvalidParameterValue", text)
}

fn sent(message: &Send, id: &str) -> Value {
    let mut answer = json!({ "MessageId": id, "MD5OfMessageBody": md5_hex(message.body.as_bytes()) });
    if let Some(digest) = attributes_md5(&message.attributes) {
        answer["MD5OfMessageAttributes"] = json!(digest);
    }
    answer
}

fn received(it: &Received) -> Value {
    let mut attributes = json!({
        "ApproximateReceiveCount": it.receives.to_string(), "SentTimestamp": it.sent.to_string(),
        "ApproximateFirstReceiveTimestamp": it.first.to_string(), "SenderId": "AIDALOCAL",
    });
    if let Some(source) = &it.source {
        attributes["DeadLetterQueueSourceArn"] = json!(queue_arn(source));
    }
    let mut message = json!({
        "MessageId": it.id, "ReceiptHandle": it.receipt, "Body": it.body, "MD5OfBody": md5_hex(it.body.as_bytes()),
        "Attributes": attributes,
    });
    if let Some(digest) = attributes_md5(&it.attributes) {
        message["MessageAttributes"] = it.attributes.clone();
        message["MD5OfMessageAttributes"] = json!(digest);
    }
    message
}

/// The digest of attributes that SDKs check: in the order of their names, each as name, type and value, with lengths.
fn attributes_md5(attributes: &Value) -> Option<String> {
    let all = attributes.as_object().filter(|it| !it.is_empty())?;
    let mut names: Vec<&String> = all.keys().collect();
    names.sort();
    let mut bytes = Vec::new();
    for name in names {
        let value = &all[name];
        part(&mut bytes, name);
        part(&mut bytes, value["DataType"].as_str().unwrap_or_default());
        bytes.push(1); // a string; binary values (2) are not used here
        part(&mut bytes, value["StringValue"].as_str().unwrap_or_default());
    }
    Some(md5_hex(&bytes))
}

fn part(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend(u32::try_from(text.len()).unwrap_or(0).to_be_bytes());
    bytes.extend(text.as_bytes());
}

/// The database failed: a full disk, mostly. The caller tries again.
fn broken(error: rusqlite::Error) -> Refused {
    Refused("InternalError", format!("the local queue could not store it: {error}"))
}
