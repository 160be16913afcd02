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

use super::{MAX_MESSAGE_BYTES, NewMessage, ReceivedMessage, Sqs};
use crate::account::{queue_arn, queue_url};
use crate::digest::md5_hex;
use crate::random::random_id;

/// An error of SQS: its code, and a text.
struct SqsError(&'static str, String);

#[derive(Clone)]
struct Context {
    sqs: Arc<Sqs>,
    url: String,
}

/// The service behind `url`.
pub(crate) fn router(sqs: Arc<Sqs>, url: String) -> Router {
    Router::new().route("/", post(handle)).layer(DefaultBodyLimit::max(16 << 20)).with_state(Context { sqs, url })
}

async fn handle(State(context): State<Context>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|it| it.to_str().ok()).unwrap_or_default();
    let operation = target.strip_prefix("AmazonSQS.").unwrap_or_default();
    let answer = match serde_json::from_slice(&body) {
        Ok(request) => run_operation(&context, operation, &request).await,
        Err(_) => Err(SqsError("InvalidRequest", "the body is not JSON".into())),
    };
    let headers = [("content-type", "application/x-amz-json-1.0".to_owned()), ("x-amzn-requestid", random_id())];
    match answer {
        Ok(answer) => (headers, answer.to_string()).into_response(),
        Err(SqsError(code, message)) => {
            let exception = code.rsplit('.').next().unwrap_or(code);
            let body = json!({ "__type": format!("com.amazonaws.sqs#{exception}"), "message": message });
            let query = [("x-amzn-query-error", format!("{code};Sender"))];
            (StatusCode::BAD_REQUEST, headers, query, body.to_string()).into_response()
        }
    }
}

async fn run_operation(context: &Context, operation: &str, request: &Value) -> Result<Value, SqsError> {
    let sqs = &context.sqs;
    match operation {
        "ListQueues" => {
            let prefix = request["QueueNamePrefix"].as_str().unwrap_or_default();
            let urls: Vec<String> = sqs
                .queue_names()
                .filter(|it| it.starts_with(prefix))
                .map(|name| queue_url(&context.url, name))
                .collect();
            Ok(json!({ "QueueUrls": urls }))
        }
        "GetQueueUrl" => {
            let name = existing_queue(sqs, request["QueueName"].as_str())?;
            Ok(json!({ "QueueUrl": queue_url(&context.url, &name) }))
        }
        "SendMessage" => {
            let queue = queue_name(sqs, request)?;
            let message = parse_message(request)?;
            if message_bytes(&message) > MAX_MESSAGE_BYTES {
                return Err(message_too_long());
            }
            let ids = sqs.send(&queue, std::slice::from_ref(&message)).map_err(internal_error)?;
            Ok(send_result(&message, &ids[0]))
        }
        "SendMessageBatch" => send_batch(sqs, request),
        "ReceiveMessage" => receive(sqs, request).await,
        "DeleteMessage" => {
            queue_name(sqs, request)?;
            delete(sqs, request)?;
            Ok(json!({}))
        }
        "DeleteMessageBatch" => {
            queue_name(sqs, request)?;
            let outcome = |entry: &Value| delete(sqs, entry).map(|()| json!({ "Id": entry["Id"] }));
            for_each_entry(request, outcome)
        }
        "ChangeMessageVisibility" => {
            queue_name(sqs, request)?;
            change_visibility(sqs, request)?;
            Ok(json!({}))
        }
        "ChangeMessageVisibilityBatch" => {
            queue_name(sqs, request)?;
            let outcome = |entry: &Value| change_visibility(sqs, entry).map(|()| json!({ "Id": entry["Id"] }));
            for_each_entry(request, outcome)
        }
        "GetQueueAttributes" => {
            let name = queue_name(sqs, request)?;
            let depth = sqs.depth(&name).map_err(internal_error)?;
            Ok(json!({ "Attributes": {
                "QueueArn": queue_arn(&name),
                "ApproximateNumberOfMessages": depth.visible.to_string(),
                "ApproximateNumberOfMessagesNotVisible": depth.in_flight.to_string(),
                "ApproximateNumberOfMessagesDelayed": depth.delayed.to_string(),
                "MaximumMessageSize": MAX_MESSAGE_BYTES.to_string(),
            } }))
        }
        other => Err(SqsError("InvalidAction", format!("the local stack does not know the operation {other}"))),
    }
}

fn change_visibility(sqs: &Sqs, entry: &Value) -> Result<(), SqsError> {
    let time = Duration::from_secs(entry["VisibilityTimeout"].as_u64().unwrap_or(0).min(43_200));
    let receipt = entry["ReceiptHandle"].as_str().unwrap_or_default();
    sqs.change_visibility(receipt, time).map(drop).map_err(internal_error)
}

fn send_batch(sqs: &Sqs, request: &Value) -> Result<Value, SqsError> {
    let queue = queue_name(sqs, request)?;
    let entries = entries(request)?;
    let messages = entries.iter().map(parse_message).collect::<Result<Vec<NewMessage>, _>>()?;
    if messages.iter().map(message_bytes).sum::<usize>() > MAX_MESSAGE_BYTES {
        let text = format!("Batch requests cannot be longer than {MAX_MESSAGE_BYTES} bytes.");
        return Err(SqsError("AWS.SimpleQueueService.BatchRequestTooLong", text));
    }
    let ids = sqs.send(&queue, &messages).map_err(internal_error)?;
    let done = entries.iter().zip(&messages).zip(&ids).map(|((entry, message), id)| {
        let mut result = send_result(message, id);
        result["Id"] = entry["Id"].clone();
        result
    });
    Ok(json!({ "Successful": done.collect::<Vec<_>>(), "Failed": [] }))
}

async fn receive(sqs: &Sqs, request: &Value) -> Result<Value, SqsError> {
    let queue = queue_name(sqs, request)?;
    let max_messages = request["MaxNumberOfMessages"].as_u64().unwrap_or(1);
    if !(1..=10).contains(&max_messages) {
        let text = format!(
            "Value {max_messages} for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided."
        );
        return Err(SqsError("InvalidParameterValue", text));
    }
    let default_visibility = sqs.queue(&queue).map_or(Duration::from_secs(30), |it| it.visibility_timeout);
    let visibility = request["VisibilityTimeout"].as_u64().map_or(default_visibility, Duration::from_secs);
    let wait = Duration::from_secs(request["WaitTimeSeconds"].as_u64().unwrap_or(0).min(20));
    let max_messages = usize::try_from(max_messages).unwrap_or(10);
    let messages = sqs.long_poll(&queue, max_messages, visibility, wait).await.map_err(internal_error)?;
    Ok(json!({ "Messages": messages.iter().map(message_json).collect::<Vec<_>>() }))
}

fn delete(sqs: &Sqs, entry: &Value) -> Result<(), SqsError> {
    let receipt_handle = entry["ReceiptHandle"].as_str().unwrap_or_default();
    if receipt_handle.len() != 36 {
        return Err(SqsError("ReceiptHandleIsInvalid", "The input receipt handle is invalid.".into()));
    }
    sqs.delete(receipt_handle).map(|_| ()).map_err(internal_error)
}

fn for_each_entry(request: &Value, outcome: impl Fn(&Value) -> Result<Value, SqsError>) -> Result<Value, SqsError> {
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for entry in entries(request)? {
        match outcome(entry) {
            Ok(it) => successful.push(it),
            Err(SqsError(code, message)) => {
                failed.push(json!({ "Id": entry["Id"], "Code": code, "Message": message, "SenderFault": true }))
            }
        }
    }
    Ok(json!({ "Successful": successful, "Failed": failed }))
}

fn entries(request: &Value) -> Result<&Vec<Value>, SqsError> {
    let entries = request["Entries"].as_array().filter(|it| !it.is_empty());
    let entries = entries.ok_or_else(|| {
        SqsError("AWS.SimpleQueueService.EmptyBatchRequest", "There should be at least one entry.".into())
    })?;
    if entries.len() > 10 {
        return Err(SqsError(
            "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
            "Maximum number of entries per request are 10.".into(),
        ));
    }
    Ok(entries)
}

fn queue_name(sqs: &Sqs, request: &Value) -> Result<String, SqsError> {
    existing_queue(sqs, request["QueueUrl"].as_str().and_then(|it| it.rsplit('/').next()))
}

fn existing_queue(sqs: &Sqs, name: Option<&str>) -> Result<String, SqsError> {
    let missing = || SqsError("AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.".into());
    name.filter(|it| sqs.queue(it).is_some()).map(str::to_owned).ok_or_else(missing)
}

fn parse_message(entry: &Value) -> Result<NewMessage, SqsError> {
    let body = entry["MessageBody"].as_str().filter(|it| !it.is_empty());
    let body =
        body.ok_or_else(|| SqsError("MissingParameter", "The request must contain the parameter MessageBody.".into()))?;
    let delay = entry["DelaySeconds"].as_u64().unwrap_or(0);
    if delay > 900 {
        let text = format!(
            "Value {delay} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900."
        );
        return Err(SqsError("InvalidParameterValue", text));
    }
    Ok(NewMessage {
        body: body.to_owned(),
        attributes: entry["MessageAttributes"].clone(),
        delay: Duration::from_secs(delay),
    })
}

fn message_bytes(message: &NewMessage) -> usize {
    let attributes = if message.attributes.is_null() { 0 } else { message.attributes.to_string().len() };
    message.body.len() + attributes
}

fn message_too_long() -> SqsError {
    let text =
        format!("One or more parameters are invalid. Reason: Message must be shorter than {MAX_MESSAGE_BYTES} bytes.");
    SqsError("InvalidParameterValue", text)
}

fn send_result(message: &NewMessage, id: &str) -> Value {
    let mut answer = json!({ "MessageId": id, "MD5OfMessageBody": md5_hex(message.body.as_bytes()) });
    if let Some(digest) = attributes_md5(&message.attributes) {
        answer["MD5OfMessageAttributes"] = json!(digest);
    }
    answer
}

fn message_json(message: &ReceivedMessage) -> Value {
    let mut attributes = json!({
        "ApproximateReceiveCount": message.receive_count.to_string(), "SentTimestamp": message.sent_at_ms.to_string(),
        "ApproximateFirstReceiveTimestamp": message.first_received_at_ms.to_string(), "SenderId": "AIDALOCAL",
    });
    if let Some(source) = &message.dead_letter_source {
        attributes["DeadLetterQueueSourceArn"] = json!(queue_arn(source));
    }
    let mut received = json!({
        "MessageId": message.id, "ReceiptHandle": message.receipt_handle, "Body": message.body, "MD5OfBody": md5_hex(message.body.as_bytes()),
        "Attributes": attributes,
    });
    if let Some(digest) = attributes_md5(&message.attributes) {
        received["MessageAttributes"] = message.attributes.clone();
        received["MD5OfMessageAttributes"] = json!(digest);
    }
    received
}

/// The digest of message attributes that SDKs check (Amazon SQS, "Calculating the MD5 message digest for message
/// attributes"): sorted by name, each as name, type and value with their lengths.
fn attributes_md5(attributes: &Value) -> Option<String> {
    let all = attributes.as_object().filter(|it| !it.is_empty())?;
    let mut names: Vec<&String> = all.keys().collect();
    names.sort();
    let mut bytes = Vec::new();
    for name in names {
        let value = &all[name];
        push_with_length(&mut bytes, name);
        push_with_length(&mut bytes, value["DataType"].as_str().unwrap_or_default());
        bytes.push(1); // a string; binary values (2) are not used here
        push_with_length(&mut bytes, value["StringValue"].as_str().unwrap_or_default());
    }
    Some(md5_hex(&bytes))
}

fn push_with_length(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend(u32::try_from(text.len()).unwrap_or(0).to_be_bytes());
    bytes.extend(text.as_bytes());
}

/// The error for a failed database, mostly a full disk. SDKs retry it.
fn internal_error(error: rusqlite::Error) -> SqsError {
    SqsError("InternalError", format!("the local queue could not store it: {error}"))
}
