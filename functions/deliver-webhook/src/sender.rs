//! Delivery to webhooks, signed by every key that is valid.

use std::time::Duration;

use channels::sign::{PURPOSE, SigningKeyPair};
use channels::webhook::{self, Receiver};
use channels::{AttemptOutcome, Message};
use delivery::Sender;
use domain::channel::{Channel, Target};
use domain::ssrf::AllowedNetworks;
use entry::Secrets;
use entry::secrets::{SecretError, channel_field};
use time::OffsetDateTime;

/// Posts to customers' webhooks.
pub(crate) struct WebhookSender(webhook::WebhookClient);

impl WebhookSender {
    pub(crate) fn new(allowed: AllowedNetworks) -> Self {
        Self(webhook::WebhookClient::new(allowed))
    }
}

impl Sender for WebhookSender {
    type Receiver = Receiver;

    async fn receiver(
        &self,
        secrets: &Secrets,
        channel: &Channel,
        now: OffsetDateTime,
    ) -> Result<Option<Receiver>, SecretError> {
        let Target::Webhook(target) = &channel.target else { return Ok(None) };
        let mut keys = Vec::new();
        for key in target.keys.iter().filter(|it| it.until.is_none_or(|until| until > domain::millis(now))) {
            keys.push(secrets.open(channel.app, &channel_field(channel.id), &key.secret).await?);
        }
        let pair = SigningKeyPair::new(&secrets.derive_key(channel.app, PURPOSE).await?);
        Ok(Some(Receiver { url: secrets.channel_url(channel).await?, keys, pair }))
    }

    async fn send(
        &self,
        to: &Receiver,
        message: &Message,
        sent_at: OffsetDateTime,
        timeout: Option<Duration>,
    ) -> Option<AttemptOutcome> {
        self.0.send(to, message, sent_at, timeout).await
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn its_events_decode() {
        let event = include_str!("../../../events/deliver-webhook.first-attempt.json");
        let event: serde_json::Value = serde_json::from_str(event).unwrap();
        let delivery: domain::command::Delivery =
            serde_json::from_str(event["Records"][0]["body"].as_str().unwrap()).unwrap();
        assert_eq!((delivery.attempt, delivery.notification.kind.as_str()), (1, "item.completed"));
    }
}
