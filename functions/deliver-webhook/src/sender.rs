//! Delivery to webhooks, signed by every key that is valid.

use std::sync::Arc;
use std::time::Duration;

use channels::sign::{PURPOSE, SigningKeyPair};
use channels::webhook::{self, Receiver};
use channels::{AttemptOutcome, Message};
use delivery::Sender;
use domain::AppId;
use domain::channel::{Channel, Target};
use domain::ssrf::AllowedNetworks;
use entry::secrets::{SecretError, channel_field};
use entry::{Secrets, TtlCache};
use time::OffsetDateTime;

/// How long an application's key pair is kept: as long as the data key that it is derived from.
const KEY_PAIR_TTL: Duration = Duration::from_secs(600);
const MAX_KEY_PAIRS: usize = 1_000;

/// Posts to customers' webhooks.
pub(crate) struct WebhookSender {
    client: webhook::WebhookClient,
    /// To derive a key pair costs as much as to sign.
    pairs: TtlCache<AppId, Arc<SigningKeyPair>>,
}

impl WebhookSender {
    pub(crate) fn new(allowed: AllowedNetworks) -> Self {
        Self { client: webhook::WebhookClient::new(allowed), pairs: TtlCache::new(MAX_KEY_PAIRS) }
    }

    async fn key_pair(&self, secrets: &Secrets, app: AppId) -> Result<Arc<SigningKeyPair>, SecretError> {
        if let Some(pair) = self.pairs.get(&app) {
            return Ok(pair);
        }
        let pair = Arc::new(SigningKeyPair::new(&secrets.derive_key(app, PURPOSE).await?));
        self.pairs.put(app, pair.clone(), KEY_PAIR_TTL);
        Ok(pair)
    }
}

impl Sender for WebhookSender {
    const HAS_SLOW_LANE: bool = true;

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
        let pair = self.key_pair(secrets, channel.app).await?;
        Ok(Some(Receiver { url: secrets.channel_url(channel).await?, keys, pair }))
    }

    async fn send(
        &self,
        to: &Receiver,
        message: &Message,
        sent_at: OffsetDateTime,
        timeout: Option<Duration>,
    ) -> Option<AttemptOutcome> {
        self.client.send(to, message, sent_at, timeout).await
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
