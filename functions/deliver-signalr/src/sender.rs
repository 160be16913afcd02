//! Delivery to SignalR hubs.

use std::time::Duration;

use channels::hub::{self, Receiver};
use channels::{AttemptOutcome, Message};
use delivery::{Sender, with_timeout};
use domain::channel::{Channel, Target};
use domain::ssrf::AllowedNetworks;
use entry::Secrets;
use entry::secrets::{SecretError, channel_field};
use time::OffsetDateTime;

/// Invokes methods of customers' hubs.
pub(crate) struct SignalRSender(hub::HubClient);

impl SignalRSender {
    pub(crate) fn new(allowed: AllowedNetworks) -> Result<Self, entry::Error> {
        let client = guard::client(&allowed, Some(guard::TOTAL_TIMEOUT))?;
        Ok(Self(hub::HubClient::new(client, allowed)))
    }
}

impl Sender for SignalRSender {
    const HAS_SLOW_LANE: bool = false;

    type Receiver = Receiver;

    async fn receiver(
        &self,
        secrets: &Secrets,
        channel: &Channel,
        _: OffsetDateTime,
    ) -> Result<Option<Receiver>, SecretError> {
        let Target::SignalR(target) = &channel.target else { return Ok(None) };
        let token = match &target.token {
            Some(sealed) => Some(secrets.open_text(channel.app, &channel_field(channel.id), sealed).await?),
            None => None,
        };
        Ok(Some(Receiver { url: secrets.channel_url(channel).await?, method: target.method.clone(), token }))
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
        let event = include_str!("../../../events/deliver-signalr.first-attempt.json");
        let event: serde_json::Value = serde_json::from_str(event).unwrap();
        let delivery: domain::command::Delivery =
            serde_json::from_str(event["Records"][0]["body"].as_str().unwrap()).unwrap();
        assert_eq!((delivery.attempt, delivery.kind), (1, domain::channel::ChannelKind::SignalR));
    }
}
