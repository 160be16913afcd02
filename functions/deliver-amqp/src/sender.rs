//! Queues of RabbitMQ.

use std::time::Duration;

use channels::amqp::{self, Receiver};
use channels::{AttemptOutcome, Message};
use delivery::{Sender, with_timeout};
use domain::channel::{Channel, Target};
use entry::Secrets;
use entry::secrets::{SecretError, channel_field};
use time::OffsetDateTime;

/// Publishes to brokers.
pub(crate) struct RabbitMqSender(pub(crate) amqp::BrokerClient);

impl Sender for RabbitMqSender {
    type Receiver = Receiver;

    async fn receiver(
        &self,
        secrets: &Secrets,
        channel: &Channel,
        _: OffsetDateTime,
    ) -> Result<Option<Receiver>, SecretError> {
        let Target::RabbitMq(it) = &channel.target else { return Ok(None) };
        let password = secrets.open_text(channel.app, &channel_field(channel.id), &it.password).await?;
        let (url, username, queue) = (it.url.clone(), it.username.clone(), it.queue.clone());
        Ok(Some(Receiver { url, username, password, queue }))
    }

    async fn send(
        &self,
        to: &Receiver,
        message: &Message,
        sent_at: OffsetDateTime,
        patience: Option<Duration>,
    ) -> Option<AttemptOutcome> {
        with_timeout(patience, self.0.send(to, message, sent_at)).await
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn its_events_decode() {
        let event = include_str!("../../../events/deliver-amqp.retry.json");
        let event: serde_json::Value = serde_json::from_str(event).unwrap();
        let order: domain::command::Delivery =
            serde_json::from_str(event["Records"][0]["body"].as_str().unwrap()).unwrap();
        assert_eq!((order.attempt, order.kind), (2, domain::channel::ChannelKind::RabbitMq));
    }
}
