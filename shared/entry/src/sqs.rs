//! SQS batches: one message never hurts its neighbours.

use std::error::Error as StdError;

use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use futures_util::{StreamExt, stream};
use lambda_runtime::{LambdaEvent, service_fn};
use serde::de::DeserializeOwned;
use time::OffsetDateTime;

use crate::{Chain, Queue, Start, clock};

/// A message, as a handler sees it.
#[derive(Debug, Clone)]
pub struct Message {
    pub id: String,
    pub body: String,
    /// How often it was received, this time included.
    pub receive_count: u32,
}

/// Why a message was not handled.
#[derive(Debug)]
pub enum Failure {
    /// It may work later: back to its queue, and after its last receive to the dead letters.
    Retry(Box<dyn StdError + Send + Sync>),
    /// It can never work: to the dead letters now, with the reason.
    DeadLetter(Box<dyn StdError + Send + Sync>),
    /// To the dead letters in another form: the one that is to come back from there.
    DeadLetterAs { body: String, reason: Box<dyn StdError + Send + Sync> },
}

impl<E: StdError + Send + Sync + 'static> From<E> for Failure {
    fn from(it: E) -> Self {
        Self::Retry(Box::new(it))
    }
}

/// A message's body is no order of the wanted kind.
#[derive(Debug, thiserror::Error)]
#[error("the message is no {what}")]
struct InvalidCommand {
    what: &'static str,
    source: serde_json::Error,
}

impl Message {
    /// Reads the body as an order; one that is none is parked.
    pub fn order<T: DeserializeOwned>(&self, what: &'static str) -> Result<T, Failure> {
        serde_json::from_str(&self.body)
            .map_err(|source| Failure::DeadLetter(Box::new(InvalidCommand { what, source })))
    }
}

struct DeadLetters {
    queue: Queue,
    max_receives: u32,
    function: String,
}

impl Start {
    /// Handles messages side by side, at most `at_once`.
    pub async fn sqs(
        self,
        at_once: usize,
        handle: impl AsyncFn(OffsetDateTime, Message) -> Result<(), Failure>,
    ) -> Result<(), crate::Error> {
        let handle = &handle;
        self.batches(async |now, batch: Vec<Message>| {
            let done = batch.into_iter().map(|it| handle(now, it));
            stream::iter(done).buffered(at_once).collect().await
        })
        .await
    }

    /// Handles whole batches: one result per message, in order.
    pub async fn batches(
        mut self,
        handle: impl AsyncFn(OffsetDateTime, Vec<Message>) -> Vec<Result<(), Failure>>,
    ) -> Result<(), crate::Error> {
        let letters = DeadLetters {
            queue: self.queue("DEAD_LETTERS"),
            max_receives: self.number("MAX_RECEIVES"),
            function: self.text("AWS_LAMBDA_FUNCTION_NAME"),
        };
        self.check_settings()?;
        let (meter, handle, letters) = (&self.meter, &handle, &letters);
        lambda_runtime::run(service_fn(async |event: LambdaEvent<SqsEvent>| {
            Ok::<_, crate::Error>(meter.measure_invocation(batch(event.payload, letters, handle)).await)
        }))
        .await
    }
}

async fn batch(
    event: SqsEvent,
    letters: &DeadLetters,
    handle: &impl AsyncFn(OffsetDateTime, Vec<Message>) -> Vec<Result<(), Failure>>,
) -> SqsBatchResponse {
    let messages: Vec<Message> = event.records.into_iter().map(message).collect();
    let outcomes = handle(clock::now(), messages.clone()).await;
    let mut failed = Vec::new();
    for (message, outcome) in messages.iter().zip(outcomes) {
        if let Err(failure) = outcome
            && !settle(message, &failure, letters).await
        {
            failed.push(batch_item_failure(&message.id));
        }
    }
    let mut answer = SqsBatchResponse::default();
    answer.batch_item_failures = failed;
    answer
}

/// Whether a failed message may be acknowledged: its successor is among the dead letters.
async fn settle(message: &Message, failure: &Failure, letters: &DeadLetters) -> bool {
    let (last, error, body) = match failure {
        Failure::DeadLetter(it) => (true, it, &message.body),
        Failure::DeadLetterAs { body, reason } => (true, reason, body),
        Failure::Retry(it) => (message.receive_count >= letters.max_receives, it, &message.body),
    };
    let (id, reason) = (&message.id, Chain(error.as_ref()).to_string());
    if !last {
        tracing::warn!(sqs.message.id = %id, error = %reason, "message `{id}` goes back to its queue");
        return false;
    }
    tracing::error!(sqs.message.id = %id, error = %reason, "message `{id}` goes to the dead letters: {reason}");
    let parked = letters.queue.send_dead_letter(body, &reason, &letters.function).await;
    parked
        .inspect_err(|it| tracing::error!(sqs.message.id = %id, error = %Chain(it), "could not park message `{id}`"))
        .is_ok()
}

fn message(it: SqsMessage) -> Message {
    let receives = it.attributes.get("ApproximateReceiveCount").and_then(|it| it.parse().ok()).unwrap_or(1);
    Message { id: it.message_id.unwrap_or_default(), body: it.body.unwrap_or_default(), receive_count: receives }
}

fn batch_item_failure(id: &str) -> BatchItemFailure {
    let mut failure = BatchItemFailure::default();
    id.clone_into(&mut failure.item_identifier);
    failure
}
