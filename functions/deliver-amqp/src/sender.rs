//! Delivery to RabbitMQ queues.

use std::time::Duration;

use channels::amqp::{self, Receiver};
use channels::{AttemptOutcome, Message};
use delivery::{Sender, with_timeout};
use domain::channel::{Channel, Target};
use entry::Secrets;
use entry::secrets::{SecretError, channel_field};
use time::OffsetDateTime;

/// Publishes to customers' queues.
pub(crate) struct RabbitMqSender(pub(crate) amqp::BrokerClient);

impl Sender for RabbitMqSender {
    const HAS_SLOW_LANE: bool = false;

    type Receiver = Receiver;

    async fn receiver(
        &self,
        secrets: &Secrets,
        channel: &Channel,
        _: OffsetDateTime,
    ) -> Result<Option<Receiver>, SecretError> {
        let Target::RabbitMq(target) = &channel.target else { return Ok(None) };
        let password = secrets.open_text(channel.app, &channel_field(channel.id), &target.password).await?;
        let (url, username, queue) = (target.url.clone(), target.username.clone(), target.queue.clone());
        Ok(Some(Receiver { url, username, password, queue }))
    }

    async fn send(
        &self,
        to: &Receiver,
        message: &Message,
        sent_at: OffsetDateTime,
        timeout: Option<Duration>,
    ) -> Option<AttemptOutcome> {
        with_timeout(timeout, self.0.send(to, message, sent_at)).await
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn its_events_decode() {
        let event = include_str!("../../../events/deliver-amqp.retry.json");
        let event: serde_json::Value = serde_json::from_str(event).unwrap();
        let delivery: domain::command::Delivery =
            serde_json::from_str(event["Records"][0]["body"].as_str().unwrap()).unwrap();
        assert_eq!((delivery.attempt, delivery.kind), (2, domain::channel::ChannelKind::RabbitMq));
    }
}
