//! Queues the checks of asset managers that are due. `iconik-ingest` makes them: a slow asset manager does not delay the
//! sweep.

use domain::command::{Ingest, IngestCommand};
use domain::schedule::HALF_TICK;
use time::{Duration, OffsetDateTime};

use crate::context::Context;
use crate::error::SweepError;

/// Queues a check for each asset manager that is due by the middle of the next minute.
pub(crate) async fn run(context: &Context, now: OffsetDateTime) -> Result<(), SweepError> {
    let due = context.table.asset_managers_due(now + HALF_TICK).await?;
    let commands: Vec<(IngestCommand, Duration)> = due
        .into_iter()
        .map(|app| (IngestCommand::new(app, Ingest::Check, domain::millis(now)), Duration::ZERO))
        .collect();
    Ok(context.asset_managers.send_all(&commands).await?)
}
