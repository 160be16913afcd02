//! What a protocol provides to deliver its messages.

use std::time::Duration;

use channels::{AttemptOutcome, Message};
use domain::channel::Channel;
use entry::Secrets;
use entry::secrets::SecretError;
use time::OffsetDateTime;

/// Sends messages over one protocol.
pub trait Sender {
    /// Whether a second function, with a queue of its own, serves the receivers that are slow or not proved quick.
    const HAS_SLOW_LANE: bool;

    /// What the protocol needs to know of a channel, with its secrets opened.
    type Receiver;

    /// Opens a channel's secrets; `None` if the channel is of another kind.
    fn receiver(
        &self,
        secrets: &Secrets,
        channel: &Channel,
        now: OffsetDateTime,
    ) -> impl Future<Output = Result<Option<Self::Receiver>, SecretError>>;

    /// One attempt. What happened is an outcome, not an error. `None` if there was no response within `timeout`, which
    /// is shorter than the protocol's own limit; without `timeout` that limit holds.
    fn send(
        &self,
        to: &Self::Receiver,
        message: &Message,
        sent_at: OffsetDateTime,
        timeout: Option<Duration>,
    ) -> impl Future<Output = Option<AttemptOutcome>>;
}

/// An attempt's outcome, or `None` if it takes longer than `timeout`.
pub async fn with_timeout(
    timeout: Option<Duration>,
    attempt: impl Future<Output = AttemptOutcome>,
) -> Option<AttemptOutcome> {
    match timeout {
        None => Some(attempt.await),
        Some(timeout) => tokio::time::timeout(timeout, attempt).await.ok(),
    }
}
