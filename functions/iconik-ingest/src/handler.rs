//! A message: read, look, and put back what has to wait.

use std::sync::Arc;

use domain::address::Allowed;
use domain::manager::State;
use domain::order::{Ingest, IngestOrder};
use domain::settings::Settings;
use entry::queue::LONGEST_DELAY;
use entry::{AppSettings, Failure, Message, Meter, Queue, Secrets};
use iconik::{Connections, Iconik, IconikError, block};
use table::Table;
use time::{Duration, OffsetDateTime};

use crate::{asset, check, foreign, walk};

/// How often an order is put back before it is given up: about 75 minutes with the usual wait.
const PATIENCE: u32 = 10;

/// What the handler works with.
pub(crate) struct Parts {
    pub(crate) table: Table,
    pub(crate) settings: AppSettings,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) connections: Connections,
    pub(crate) queue: Queue,
    pub(crate) dead: Queue,
    pub(crate) allowed: Allowed,
    pub(crate) meter: Meter,
    /// The first wait of an asset whose media is not there yet; doubled with each.
    pub(crate) wait: Duration,
    /// Whose word counts for which domain a token belongs to.
    pub(crate) iconik_hosts: String,
}

impl Parts {
    /// Who is refused by Iconik is tried again after this time, two minutes by default; a probe each minute tells when
    /// it may.
    fn blocked(&self) -> Duration {
        (self.wait * 8_i32).min(LONGEST_DELAY)
    }
}

/// An application's connection, as an order finds it.
pub(crate) struct At {
    pub(crate) settings: Arc<Settings>,
    pub(crate) iconik: Arc<Iconik>,
    pub(crate) state: State,
}

/// What became of an order.
pub(crate) enum End {
    Done,
    /// The media is not there yet.
    Wait,
}

/// Handles one message: an order of ours, or an event that another system has put there.
pub(crate) async fn handle(parts: &Parts, now: OffsetDateTime, message: Message) -> Result<(), Failure> {
    match serde_json::from_str::<IngestOrder>(&message.body) {
        Ok(order) => obey(parts, now, order).await,
        Err(_) => foreign::take(parts, now, &message).await,
    }
}

async fn obey(parts: &Parts, now: OffsetDateTime, order: IngestOrder) -> Result<(), Failure> {
    let settings = match order.what {
        Ingest::Check => parts.settings.fresh(order.app).await?,
        _ => parts.settings.of(order.app).await?,
    };
    let state = parts.table.manager(order.app).await?;
    if !settings.uses_iconik() {
        tracing::info!(application.id = %order.app, "application {} does not use Iconik (any more)", order.app);
        return if order.what == Ingest::Check { leave(parts, order, settings, state).await } else { Ok(()) };
    }
    if state.blocked.is_some() && order.what != Ingest::Check {
        return Ok(parts.queue.send(&order, parts.blocked()).await?);
    }
    let iconik = parts.connections.of(order.app, &settings).await?;
    let mut at = At { settings, iconik, state };
    let outcome = match &order.what {
        Ingest::Asset { asset, version } => asset::look(parts, &at, &order, *asset, *version, now).await,
        Ingest::EndJob { job, error } => {
            at.iconik.end_job(*job, "FAILED", Some(error)).await.map(|()| End::Done).map_err(Trouble::from)
        }
        Ingest::Check => check::run(parts, &mut at, order.app, now).await.map(|()| End::Done),
        _ => walk::step(parts, &at, &order).await.map(|()| End::Done),
    };
    match outcome {
        Ok(End::Done) => Ok(()),
        Ok(End::Wait) if order.attempt < PATIENCE => put_back(parts, order).await,
        Ok(End::Wait) => asset::give_up(parts, &at, &order, now).await,
        Err(Trouble::Iconik(IconikError::Unauthorized(why))) => {
            block(&parts.table, order.app, &at.state, &why, now).await?;
            if order.what == Ingest::Check { Ok(()) } else { Ok(parts.queue.send(&order, parts.blocked()).await?) }
        }
        // `sweep` orders the next check
        Err(Trouble::Iconik(error)) if order.what == Ingest::Check => {
            check::unwell(parts, &at, order.app, &error, now).await
        }
        Err(Trouble::Iconik(IconikError::Busy(stay))) => {
            Ok(parts.queue.send(&order, stay.clamp(Duration::SECOND, LONGEST_DELAY)).await?)
        }
        Err(Trouble::Iconik(error)) if error.passes() && order.attempt < PATIENCE => {
            tracing::warn!(error = %error, "Iconik fails; the order comes again");
            put_back(parts, order).await
        }
        Err(Trouble::Iconik(error)) => Err(Failure::Park(Box::new(error))),
        Err(Trouble::Ours(failure)) => Err(failure),
    }
}

/// The application has left Iconik: as far as its credentials are still there, its webhooks are taken away.
async fn leave(parts: &Parts, order: IngestOrder, settings: Arc<Settings>, state: State) -> Result<(), Failure> {
    if state.ours.is_empty() {
        return Ok(());
    }
    let iconik = match parts.connections.of(order.app, &settings).await {
        Ok(it) => it,
        Err(error) => {
            tracing::warn!(application.id = %order.app, "webhooks stay at Iconik: {error}");
            return Ok(());
        }
    };
    let mut at = At { settings, iconik, state };
    match check::retire(parts, &mut at, order.app).await {
        Ok(()) => Ok(()),
        Err(Trouble::Iconik(error)) if error.passes() && order.attempt < PATIENCE => put_back(parts, order).await,
        Err(Trouble::Iconik(error)) => {
            tracing::warn!(application.id = %order.app, "webhooks stay at Iconik: {error}");
            Ok(())
        }
        Err(Trouble::Ours(failure)) => Err(failure),
    }
}

/// Why an order was not carried out.
pub(crate) enum Trouble {
    Iconik(IconikError),
    Ours(Failure),
}

impl From<IconikError> for Trouble {
    fn from(it: IconikError) -> Self {
        Self::Iconik(it)
    }
}

impl From<table::TableError> for Trouble {
    fn from(it: table::TableError) -> Self {
        Self::Ours(it.into())
    }
}

impl From<entry::queue::NotQueued> for Trouble {
    fn from(it: entry::queue::NotQueued) -> Self {
        Self::Ours(it.into())
    }
}

/// Puts an order back, to come again after a time that doubles with each attempt.
async fn put_back(parts: &Parts, order: IngestOrder) -> Result<(), Failure> {
    let wait = parts.wait * 2_i32.pow(order.attempt.min(10));
    let next = IngestOrder { attempt: order.attempt + 1, ..order };
    Ok(parts.queue.send(&next, wait.min(LONGEST_DELAY)).await?)
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
            let order: IngestOrder = serde_json::from_str(event["Records"][0]["body"].as_str().unwrap()).unwrap();
            assert_eq!(order.v, 1);
        }
    }
}
