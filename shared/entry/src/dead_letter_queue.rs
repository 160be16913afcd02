//! Queues of dead letters: what they hold is looked at, and goes back to the queue that it came from.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, Message, MessageSystemAttributeName, QueueAttributeName,
};

use crate::start::Start;

/// The most messages of one request (Amazon SQS, quotas).
const MAX_BATCH: usize = 10;

/// A queue of dead letters.
#[derive(Clone)]
pub struct DeadLetterQueue {
    client: Client,
    url: String,
}

/// A dead letter that was received, and is hidden from other readers for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedLetter {
    pub id: String,
    pub receipt_handle: String,
    pub body: String,
    /// Why it was parked; `None` if SQS has moved it, because its function ended each time without an answer.
    pub reason: Option<String>,
    /// When it became a dead letter, in milliseconds since 1970.
    pub sent_at: i64,
}

/// SQS did not answer, or refused the request.
#[derive(Debug, thiserror::Error)]
#[error("the dead letters could not be {0}")]
pub struct DeadLetterError(&'static str, #[source] Box<dyn std::error::Error + Send + Sync>);

impl Start {
    /// The queue of dead letters whose URL a setting holds.
    pub fn dead_letter_queue(&mut self, name: &'static str) -> DeadLetterQueue {
        DeadLetterQueue { client: self.sqs_client(), url: self.text(name) }
    }
}

impl DeadLetterQueue {
    /// How many letters it holds, those included that somebody is reading. SQS's counts may be up to a minute old.
    pub async fn depth(&self) -> Result<u64, DeadLetterError> {
        use QueueAttributeName::{
            ApproximateNumberOfMessages as Visible, ApproximateNumberOfMessagesNotVisible as InFlight,
        };
        let request = self.client.get_queue_attributes().queue_url(&self.url);
        let request = request.attribute_names(Visible).attribute_names(InFlight);
        let response = request.send().await.map_err(|it| DeadLetterError("counted", it.into()))?;
        let counts = response.attributes.unwrap_or_default();
        Ok(counts.values().filter_map(|it| it.parse::<u64>().ok()).sum())
    }

    /// Receives up to ten letters, and hides them for `seconds`. With a wait, in seconds, SQS asks all of its servers for some,
    /// without one a sample of them (Amazon SQS, short and long polling).
    pub async fn receive(&self, seconds: i32, wait: i32) -> Result<Vec<ReceivedLetter>, DeadLetterError> {
        let request = self.client.receive_message().queue_url(&self.url).max_number_of_messages(MAX_BATCH as i32);
        let request = request.visibility_timeout(seconds).wait_time_seconds(wait);
        let request =
            request.message_attribute_names("All").message_system_attribute_names(MessageSystemAttributeName::All);
        let response = request.send().await.map_err(|it| DeadLetterError("read", it.into()))?;
        Ok(response.messages.unwrap_or_default().into_iter().filter_map(letter).collect())
    }

    /// Shows letters to other readers again, by their receipt handles. One that is not released shows when its time is over.
    pub async fn release(&self, receipt_handles: &[&str]) -> Result<(), DeadLetterError> {
        for handles in receipt_handles.chunks(MAX_BATCH) {
            let entries: Result<Vec<ChangeMessageVisibilityBatchRequestEntry>, _> = handles
                .iter()
                .enumerate()
                .map(|(index, handle)| {
                    let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(index.to_string());
                    entry.receipt_handle(*handle).visibility_timeout(0).build()
                })
                .collect();
            let entries = entries.map_err(|it| DeadLetterError("released", it.into()))?;
            let request = self.client.change_message_visibility_batch().queue_url(&self.url).set_entries(Some(entries));
            request.send().await.map_err(|it| DeadLetterError("released", it.into()))?;
        }
        Ok(())
    }

    /// Deletes a letter.
    pub async fn delete(&self, letter: &ReceivedLetter) -> Result<(), DeadLetterError> {
        let request = self.client.delete_message().queue_url(&self.url).receipt_handle(&letter.receipt_handle);
        request.send().await.map(drop).map_err(|it| DeadLetterError("deleted", it.into()))
    }
}

/// A message as a letter; `None` without a body or a receipt handle, which SQS always gives.
fn letter(message: Message) -> Option<ReceivedLetter> {
    let reason = message.message_attributes.as_ref().and_then(|all| all.get("reason")?.string_value.clone());
    let sent =
        message.attributes.as_ref().and_then(|all| all.get(&MessageSystemAttributeName::SentTimestamp)?.parse().ok());
    Some(ReceivedLetter {
        id: message.message_id?,
        receipt_handle: message.receipt_handle?,
        body: message.body?,
        reason,
        sent_at: sent.unwrap_or(0),
    })
}
