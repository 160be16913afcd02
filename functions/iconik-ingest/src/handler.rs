//! A message: read, look, and put back what has to wait.

use std::sync::Arc;

use domain::asset_manager::AssetManagerState;
use domain::command::{Ingest, IngestCommand};
use domain::settings::Settings;
use domain::ssrf::AllowedNetworks;
use entry::queue::MAX_DELAY;
use entry::{AppSettings, Failure, Message, Meter, Queue, Secrets};
use iconik::{Connections, Iconik, IconikError, block};
use table::Table;
use time::{Duration, OffsetDateTime};

use crate::{asset, check, external_message, walk};

/// How often an order is put back before it is given up: about 75 minutes with the usual wait.
const MAX_ATTEMPTS: u32 = 10;

/// What the handler works with.
pub(crate) struct Context {
    pub(crate) table: Table,
    pub(crate) settings: AppSettings,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) connections: Connections,
    pub(crate) queue: Queue,
    pub(crate) dead_letters: Queue,
    pub(crate) allowed: AllowedNetworks,
    pub(crate) meter: Meter,
    /// The first wait of an asset whose media is not there yet; doubled with each.
    pub(crate) first_wait: Duration,
    /// Whose word counts for which domain a token belongs to.
    pub(crate) iconik_hosts: String,
}

impl Context {
    /// Who is refused by Iconik is tried again after this time, two minutes by default; a probe each minute tells when
    /// it may.
    fn blocked_delay(&self) -> Duration {
        (self.first_wait * 8_i32).min(MAX_DELAY)
    }
}

/// An application's connection, as an order finds it.
pub(crate) struct Session {
    pub(crate) settings: Arc<Settings>,
    pub(crate) iconik: Arc<Iconik>,
    pub(crate) state: AssetManagerState,
}

/// What became of an order.
pub(crate) enum IngestOutcome {
    Done,
    /// The media is not there yet.
    RetryLater,
}

/// Handles one message: an order of ours, or an event that another system has put there.
pub(crate) async fn handle(parts: &Context, now: OffsetDateTime, message: Message) -> Result<(), Failure> {
    match serde_json::from_str::<IngestCommand>(&message.body) {
        Ok(order) => apply(parts, now, order).await,
        Err(_) => external_message::receive(parts, now, &message).await,
    }
}

async fn apply(parts: &Context, now: OffsetDateTime, order: IngestCommand) -> Result<(), Failure> {
    let settings = match order.what {
        Ingest::Check => parts.settings.reload(order.app).await?,
        _ => parts.settings.get(order.app).await?,
    };
    let state = parts.table.asset_manager(order.app).await?;
    if !settings.uses_iconik() {
        tracing::info!(application.id = %order.app, "application {} does not use Iconik (any more)", order.app);
        return if order.what == Ingest::Check { disconnect(parts, order, settings, state).await } else { Ok(()) };
    }
    if state.blocked.is_some() && order.what != Ingest::Check {
        return Ok(parts.queue.send(&order, parts.blocked_delay()).await?);
    }
    let iconik = parts.connections.get(order.app, &settings).await?;
    let mut at = Session { settings, iconik, state };
    let outcome = match &order.what {
        Ingest::Asset { asset, version } => asset::ingest(parts, &at, &order, *asset, *version, now).await,
        Ingest::EndJob { job, error } => at
            .iconik
            .end_job(*job, "FAILED", Some(error))
            .await
            .map(|()| IngestOutcome::Done)
            .map_err(IngestError::from),
        Ingest::Check => check::run(parts, &mut at, order.app, now).await.map(|()| IngestOutcome::Done),
        _ => walk::step(parts, &at, &order).await.map(|()| IngestOutcome::Done),
    };
    match outcome {
        Ok(IngestOutcome::Done) => Ok(()),
        Ok(IngestOutcome::RetryLater) if order.attempt < MAX_ATTEMPTS => requeue(parts, order).await,
        Ok(IngestOutcome::RetryLater) => asset::fail(parts, &at, &order, now).await,
        Err(IngestError::Iconik(IconikError::Unauthorized(why))) => {
            block(&parts.table, order.app, &at.state, &why, now).await?;
            if order.what == Ingest::Check {
                Ok(())
            } else {
                Ok(parts.queue.send(&order, parts.blocked_delay()).await?)
            }
        }
        // `sweep` orders the next check
        Err(IngestError::Iconik(error)) if order.what == Ingest::Check => {
            check::record_failure(parts, &at, order.app, &error, now).await
        }
        Err(IngestError::Iconik(IconikError::RateLimited(stay))) => {
            Ok(parts.queue.send(&order, stay.clamp(Duration::SECOND, MAX_DELAY)).await?)
        }
        Err(IngestError::Iconik(error)) if error.is_transient() && order.attempt < MAX_ATTEMPTS => {
            tracing::warn!(error = %error, "Iconik fails; the order comes again");
            requeue(parts, order).await
        }
        Err(IngestError::Iconik(error)) => Err(Failure::DeadLetter(Box::new(error))),
        Err(IngestError::Internal(failure)) => Err(failure),
    }
}

/// The application has left Iconik: as far as its credentials are still there, its webhooks are taken away.
async fn disconnect(
    parts: &Context,
    order: IngestCommand,
    settings: Arc<Settings>,
    state: AssetManagerState,
) -> Result<(), Failure> {
    if state.ours.is_empty() {
        return Ok(());
    }
    let iconik = match parts.connections.get(order.app, &settings).await {
        Ok(it) => it,
        Err(error) => {
            tracing::warn!(application.id = %order.app, "webhooks stay at Iconik: {error}");
            return Ok(());
        }
    };
    let mut at = Session { settings, iconik, state };
    match check::delete_webhooks(parts, &mut at, order.app).await {
        Ok(()) => Ok(()),
        Err(IngestError::Iconik(error)) if error.is_transient() && order.attempt < MAX_ATTEMPTS => {
            requeue(parts, order).await
        }
        Err(IngestError::Iconik(error)) => {
            tracing::warn!(application.id = %order.app, "webhooks stay at Iconik: {error}");
            Ok(())
        }
        Err(IngestError::Internal(failure)) => Err(failure),
    }
}

/// Why an order was not carried out.
pub(crate) enum IngestError {
    Iconik(IconikError),
    Internal(Failure),
}

impl From<IconikError> for IngestError {
    fn from(it: IconikError) -> Self {
        Self::Iconik(it)
    }
}

impl From<table::TableError> for IngestError {
    fn from(it: table::TableError) -> Self {
        Self::Internal(it.into())
    }
}

impl From<entry::queue::QueueError> for IngestError {
    fn from(it: entry::queue::QueueError) -> Self {
        Self::Internal(it.into())
    }
}

/// Puts an order back, to come again after a time that doubles with each attempt.
async fn requeue(parts: &Context, order: IngestCommand) -> Result<(), Failure> {
    let wait = parts.first_wait * 2_i32.pow(order.attempt.min(10));
    let next = IngestCommand { attempt: order.attempt + 1, ..order };
    Ok(parts.queue.send(&next, wait.min(MAX_DELAY)).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_events_decode() {
        for event in [
            include_str!("../../../events/iconik-ingest.asset.json"),
            include_str!("../../../events/iconik-ingest.check.json"),
        ] {
            let event: serde_json::Value = serde_json::from_str(event).unwrap();
            let order: IngestCommand = serde_json::from_str(event["Records"][0]["body"].as_str().unwrap()).unwrap();
            assert_eq!(order.v, 1);
        }
    }
}
