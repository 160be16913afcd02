//! The SQS queues that a function sends to.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{MessageAttributeValue, SendMessageBatchRequestEntry};
use domain::channel::ChannelKind;
use domain::command::{Delivery, ProcessCommand};
use domain::processor::ProcessorKind;
use serde::Serialize;
use time::Duration;

/// The longest delay of a message: 15 minutes (SQS limit).
pub const MAX_DELAY: Duration = Duration::seconds(900);

/// The most messages of a batch (SQS limit).
const MAX_BATCH: usize = 10;
/// The most bytes of a batch's bodies: SQS takes 1 MiB in total, attributes included.
const MAX_BATCH_BYTES: usize = 1_000_000;

/// A queue.
#[derive(Clone)]
pub struct Queue {
    client: Client,
    url: String,
}

/// The queues of deliveries, one for each kind of channel.
#[derive(Clone)]
pub struct DeliveryQueues {
    webhook: Queue,
    amqp: Queue,
    signalr: Queue,
}

impl DeliveryQueues {
    pub(crate) fn new(webhook: Queue, amqp: Queue, signalr: Queue) -> Self {
        Self { webhook, amqp, signalr }
    }

    /// Queues deliveries with their delays, each for the function of its kind of channel.
    pub async fn send(&self, messages: &[(&Delivery, Duration)]) -> Result<(), QueueError> {
        let mut rest = messages.to_vec();
        while let Some(kind) = rest.first().map(|it| it.0.kind) {
            let (own, others) = rest.into_iter().partition::<Vec<_>, _>(|it| it.0.kind == kind);
            self.queue_of(kind).send_deliveries(&own).await?;
            rest = others;
        }
        Ok(())
    }

    fn queue_of(&self, kind: ChannelKind) -> &Queue {
        match kind {
            ChannelKind::Webhook => &self.webhook,
            ChannelKind::RabbitMq => &self.amqp,
            ChannelKind::SignalR => &self.signalr,
        }
    }
}

/// The queues of processing, one for each processor, and one more for urgent items of facial recognition: it runs in our
/// own function, where they would wait behind a scan.
#[derive(Clone)]
pub struct ProcessQueues {
    faces: Queue,
    urgent_faces: Queue,
    objects: Queue,
    translations: Queue,
}

impl ProcessQueues {
    pub(crate) fn new(faces: Queue, urgent_faces: Queue, objects: Queue, translations: Queue) -> Self {
        Self { faces, urgent_faces, objects, translations }
    }

    /// Queues commands with their delays, each for the function of its processor. The flag says whether its item is urgent.
    pub async fn send(&self, messages: &[(ProcessCommand, Duration, bool)]) -> Result<(), QueueError> {
        for (kind, urgent) in ProcessorKind::ALL.into_iter().flat_map(|it| [(it, true), (it, false)]) {
            let own = messages.iter().filter(|it| (it.0.processor, it.2) == (kind, urgent));
            let own: Vec<(&ProcessCommand, Duration)> = own.map(|it| (&it.0, it.1)).collect();
            self.queue_of(kind, urgent).send_all(&own).await?;
        }
        Ok(())
    }

    fn queue_of(&self, kind: ProcessorKind, urgent: bool) -> &Queue {
        match kind {
            ProcessorKind::FacialRecognition if urgent => &self.urgent_faces,
            ProcessorKind::FacialRecognition => &self.faces,
            ProcessorKind::ObjectDetection => &self.objects,
            ProcessorKind::AutoTranslation => &self.translations,
        }
    }
}

/// SQS did not accept messages.
#[derive(Debug, thiserror::Error)]
#[error("could not queue {count} messages")]
pub struct QueueError {
    count: usize,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl Queue {
    pub(crate) fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }

    /// Queues one message.
    pub async fn send<T: Serialize>(&self, message: &T, delay: Duration) -> Result<(), QueueError> {
        self.send_all(&[(message, delay)]).await
    }

    /// Queues deliveries with their delays, each in the message group of its channel. SQS delays a group that has many
    /// messages in flight, or takes much processing time, in favour of the others (SQS Developer Guide, Amazon SQS fair
    /// queues). It is the channel that hangs or has a backlog: in a group of the whole application it would delay the
    /// application's healthy channels too.
    pub async fn send_deliveries(&self, messages: &[(&Delivery, Duration)]) -> Result<(), QueueError> {
        self.send_grouped(messages, |it| Some(it.channel.to_string())).await
    }

    /// Queues orders, ten per request. After an error some of them may be queued; orders can be repeated.
    pub async fn send_all<T: Serialize>(&self, messages: &[(T, Duration)]) -> Result<(), QueueError> {
        self.send_grouped(messages, |_| None).await
    }

    async fn send_grouped<T: Serialize>(
        &self,
        messages: &[(T, Duration)],
        group: impl Fn(&T) -> Option<String>,
    ) -> Result<(), QueueError> {
        let failed = |count: usize, source: Box<dyn std::error::Error + Send + Sync>| QueueError { count, source };
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for (message, delay) in messages {
            let body = serde_json::to_string(message).map_err(|it| failed(1, it.into()))?;
            if batch.len() == MAX_BATCH || (bytes + body.len() > MAX_BATCH_BYTES && !batch.is_empty()) {
                self.send_batch(std::mem::take(&mut batch)).await?;
                bytes = 0;
            }
            bytes += body.len();
            let seconds = i32::try_from(delay.whole_seconds().clamp(0, MAX_DELAY.whole_seconds())).unwrap_or_default();
            let entry = SendMessageBatchRequestEntry::builder()
                .id(batch.len().to_string())
                .message_body(body)
                .delay_seconds(seconds)
                .set_message_group_id(group(message));
            batch.push(entry.build().map_err(|it| failed(1, it.into()))?);
        }
        if batch.is_empty() { Ok(()) } else { self.send_batch(batch).await }
    }

    async fn send_batch(&self, batch: Vec<SendMessageBatchRequestEntry>) -> Result<(), QueueError> {
        let count = batch.len();
        let response = self.client.send_message_batch().queue_url(&self.url).set_entries(Some(batch)).send().await;
        let response = response.map_err(|source| QueueError { count, source: source.into() })?;
        match response.failed().first() {
            None => Ok(()),
            Some(first) => Err(QueueError { count: response.failed().len(), source: first.code().into() }),
        }
    }

    /// Queues a message as it is, in a message group if one is given.
    pub async fn send_text(&self, body: &str, group: Option<String>, delay: Duration) -> Result<(), QueueError> {
        let seconds = i32::try_from(delay.whole_seconds().clamp(0, MAX_DELAY.whole_seconds())).unwrap_or_default();
        let send = self.client.send_message().queue_url(&self.url).message_body(body);
        let send = send.delay_seconds(seconds).set_message_group_id(group);
        send.send().await.map(drop).map_err(|source| QueueError { count: 1, source: source.into() })
    }

    /// Sends a dead letter to this queue: the body unchanged, with the attributes `reason` and `function`.
    pub async fn send_dead_letter(&self, body: &str, reason: &str, function: &str) -> Result<(), QueueError> {
        // attributes take legal XML characters only, and count towards the message's size (SQS)
        let plain: String = reason.chars().map(|it| if it.is_control() { ' ' } else { it }).take(800).collect();
        let attribute = |text: &str| {
            MessageAttributeValue::builder()
                .data_type("String")
                .string_value(if text.is_empty() { "-" } else { text })
                .build()
        };
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| QueueError { count: 1, source };
        let send = self.client.send_message().queue_url(&self.url).message_body(body);
        let send = send.message_attributes("reason", attribute(&plain).map_err(|it| failed(it.into()))?);
        let send = send.message_attributes("function", attribute(function).map_err(|it| failed(it.into()))?);
        send.send().await.map(|_| ()).map_err(|it| failed(it.into()))
    }
}
