//! Functions that an SQS queue triggers: each message of a batch succeeds or fails by itself.

use std::error::Error as StdError;

use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use domain::command::COMMAND_VERSION;
use futures_util::{StreamExt, stream};
use lambda_runtime::{LambdaEvent, service_fn};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;

use crate::chain::Chain;
use crate::clock;
use crate::queue::Queue;
use crate::start::{Error, Start};

/// A message of a queue.
#[derive(Debug, Clone)]
pub struct Message {
    /// SQS's id of the message.
    pub id: String,
    pub body: String,
    /// How often it was received, this time included (`ApproximateReceiveCount`).
    pub receive_count: u32,
}

/// Why a message was not handled.
#[derive(Debug)]
pub enum MessageError {
    /// A retry may help: the message returns to its queue, after its last receive it goes to the dead-letter queue.
    Retry(Box<dyn StdError + Send + Sync>),
    /// A retry cannot help: the message goes to the dead-letter queue with the reason.
    DeadLetter(Box<dyn StdError + Send + Sync>),
}

impl<E: StdError + Send + Sync + 'static> From<E> for MessageError {
    fn from(error: E) -> Self {
        Self::Retry(Box::new(error))
    }
}

/// A message's body is not the expected command.
#[derive(Debug, thiserror::Error)]
#[error("the message is no {what}")]
struct InvalidCommand {
    what: &'static str,
    source: serde_json::Error,
}

/// A message's body is a command of a function that is newer than this one: they are being replaced.
#[derive(Debug, thiserror::Error)]
#[error("the {what} has version {version}, and this function reads {COMMAND_VERSION}: one that is newer will take it")]
struct NewerCommand {
    what: &'static str,
    version: u64,
}

/// The version of a command.
#[derive(Deserialize)]
struct CommandVersion {
    v: u64,
}

impl Message {
    /// Decodes the body as a command. `what` names it in the error. Fields that this version does not know are ignored.
    ///
    /// # Errors
    /// `Retry` if it is a command of a newer version, `DeadLetter` if it is no such command.
    pub fn command<T: DeserializeOwned>(&self, what: &'static str) -> Result<T, MessageError> {
        let invalid = |source| MessageError::DeadLetter(Box::new(InvalidCommand { what, source }));
        let version = serde_json::from_str::<CommandVersion>(&self.body).map_err(invalid)?.v;
        if version > u64::from(COMMAND_VERSION) {
            return Err(MessageError::Retry(Box::new(NewerCommand { what, version })));
        }
        serde_json::from_str(&self.body).map_err(invalid)
    }
}

/// The dead-letter queue, and when a message goes there.
struct DeadLetters {
    queue: Queue,
    max_receives: u32,
    function: String,
}

impl Start {
    /// Handles messages concurrently, at most `at_once` at a time.
    pub async fn sqs(
        self,
        at_once: usize,
        handle: impl AsyncFn(OffsetDateTime, Message) -> Result<(), MessageError>,
    ) -> Result<(), Error> {
        let handle = &handle;
        self.batches(async |now, batch: Vec<Message>| {
            let done = batch.into_iter().map(|it| handle(now, it));
            stream::iter(done).buffered(at_once).collect().await
        })
        .await
    }

    /// Handles whole batches. The handler returns one result per message, in order.
    pub async fn batches(
        mut self,
        handle: impl AsyncFn(OffsetDateTime, Vec<Message>) -> Vec<Result<(), MessageError>>,
    ) -> Result<(), Error> {
        let dead_letters = DeadLetters {
            queue: self.queue("DEAD_LETTERS"),
            max_receives: self.number("MAX_RECEIVES"),
            function: self.text("AWS_LAMBDA_FUNCTION_NAME"),
        };
        self.check_settings()?;
        let (meter, handle, dead_letters) = (&self.meter, &handle, &dead_letters);
        lambda_runtime::run(service_fn(async |event: LambdaEvent<SqsEvent>| {
            Ok::<_, Error>(meter.measure_invocation(batch(event.payload, dead_letters, handle)).await)
        }))
        .await
    }
}

async fn batch(
    event: SqsEvent,
    dead_letters: &DeadLetters,
    handle: &impl AsyncFn(OffsetDateTime, Vec<Message>) -> Vec<Result<(), MessageError>>,
) -> SqsBatchResponse {
    let messages: Vec<Message> = event.records.into_iter().map(message).collect();
    let outcomes = handle(clock::now(), messages.clone()).await;
    let mut failed = Vec::new();
    for (message, outcome) in messages.iter().zip(outcomes) {
        if let Err(error) = outcome
            && !settle(message, &error, dead_letters).await
        {
            failed.push(batch_item_failure(&message.id));
        }
    }
    let mut response = SqsBatchResponse::default();
    response.batch_item_failures = failed;
    response
}

/// Whether a failed message may be acknowledged: it is in the dead-letter queue.
async fn settle(message: &Message, error: &MessageError, dead_letters: &DeadLetters) -> bool {
    let (last, cause) = match error {
        MessageError::DeadLetter(it) => (true, it),
        MessageError::Retry(it) => (message.receive_count >= dead_letters.max_receives, it),
    };
    let (id, reason) = (&message.id, Chain(cause.as_ref()).to_string());
    if !last {
        tracing::warn!(sqs.message.id = %id, error = %reason, "message `{id}` goes back to its queue");
        return false;
    }
    tracing::error!(sqs.message.id = %id, error = %reason, "message `{id}` goes to the dead letters: {reason}");
    let sent = dead_letters.queue.send_dead_letter(&message.body, &reason, &dead_letters.function).await;
    sent.inspect_err(
        |it| tracing::error!(sqs.message.id = %id, error = %Chain(it), "could not store the dead letter of message `{id}`"),
    )
    .is_ok()
}

fn message(record: SqsMessage) -> Message {
    let receive_count = record.attributes.get("ApproximateReceiveCount").and_then(|it| it.parse().ok()).unwrap_or(1);
    Message { id: record.message_id.unwrap_or_default(), body: record.body.unwrap_or_default(), receive_count }
}

fn batch_item_failure(id: &str) -> BatchItemFailure {
    let mut failure = BatchItemFailure::default();
    id.clone_into(&mut failure.item_identifier);
    failure
}

#[cfg(test)]
mod tests {
    use domain::command::{Delivery, ProcessCommand, ScanCommand};
    use serde_json::{Value, json};

    use super::*;

    fn read<T: DeserializeOwned>(body: &Value) -> Result<T, MessageError> {
        Message { id: "1".to_owned(), body: body.to_string(), receive_count: 1 }.command("order")
    }

    /// The order in an event, with a field that only a later version knows in each of its objects.
    fn later(event: &str) -> Value {
        fn extend(value: &mut Value) {
            match value {
                Value::Object(fields) => {
                    fields.values_mut().for_each(extend);
                    fields.insert("addedLater".to_owned(), json!({ "a": 1 }));
                }
                Value::Array(all) => all.iter_mut().for_each(extend),
                _ => {}
            }
        }
        let event: Value = serde_json::from_str(event).unwrap();
        let mut order = serde_json::from_str(event["Records"][0]["body"].as_str().unwrap()).unwrap();
        extend(&mut order);
        order
    }

    #[test]
    fn an_order_with_more_fields_is_read_and_one_of_a_newer_version_waits() {
        let scan = later(include_str!("../../../events/scan.next-page.json"));
        assert!(read::<ScanCommand>(&scan).is_ok());
        assert!(read::<ProcessCommand>(&later(include_str!("../../../events/process.faces.json"))).is_ok());
        let delivery = later(include_str!("../../../events/deliver-webhook.first-attempt.json"));
        assert!(read::<Delivery>(&delivery).is_ok());
        for version in [3, 300] {
            for body in [json!({ "v": version }), json!({ "v": version, "app": scan["app"], "bucket": 7 })] {
                let Err(MessageError::Retry(reason)) = read::<ScanCommand>(&body) else { panic!("{body}") };
                assert!(reason.to_string().contains(&format!("has version {version}")), "{reason}");
            }
        }
        for body in [json!({}), json!({ "v": 1 }), json!({ "v": "2" }), json!({ "v": -2 }), json!("v"), Value::Null] {
            assert!(matches!(read::<ScanCommand>(&body), Err(MessageError::DeadLetter(_))), "{body}");
        }
    }
}
