//! Customers' hubs.

use std::time::Duration;

use channels::hub::{self, Receiver};
use channels::{Message, Sent};
use delivery::{Sender, within};
use domain::address::Allowed;
use domain::channel::{Channel, Target};
use entry::Secrets;
use entry::secrets::{SecretError, channel_field};
use time::OffsetDateTime;

/// Calls hubs.
pub(crate) struct Hubs(hub::Hubs);

impl Hubs {
    pub(crate) fn new(allowed: Allowed) -> Result<Self, entry::Error> {
        let client = guard::client(&allowed, Some(guard::TOTAL))?;
        Ok(Self(hub::Hubs::new(client, allowed)))
    }
}

impl Sender for Hubs {
    type Receiver = Receiver;

    async fn receiver(
        &self,
        secrets: &Secrets,
        channel: &Channel,
        _: OffsetDateTime,
    ) -> Result<Option<Receiver>, SecretError> {
        let Target::SignalR(it) = &channel.target else { return Ok(None) };
        let token = match &it.token {
            Some(sealed) => Some(secrets.open_text(channel.app, &channel_field(channel.id), sealed).await?),
            None => None,
        };
        Ok(Some(Receiver { url: secrets.channel_url(channel).await?, method: it.method.clone(), token }))
    }

    async fn send(
        &self,
        to: &Receiver,
        message: &Message,
        sent_at: OffsetDateTime,
        patience: Option<Duration>,
    ) -> Option<Sent> {
        within(patience, self.0.send(to, message, sent_at)).await
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn its_events_decode() {
        let event = include_str!("../../../events/deliver-signalr.first-attempt.json");
        let event: serde_json::Value = serde_json::from_str(event).unwrap();
        let order: domain::order::Delivery =
            serde_json::from_str(event["Records"][0]["body"].as_str().unwrap()).unwrap();
        assert_eq!((order.attempt, order.kind), (1, domain::channel::Kind::SignalR));
    }
}
