//! Connections to asset managers that are due to be looked at. The looking is `iconik-ingest`'s: a slow asset manager
//! holds up nobody's retries.

use domain::command::{Ingest, IngestCommand};
use domain::schedule::HALF_TICK;
use entry::Queue;
use table::Table;
use time::{Duration, OffsetDateTime};

use crate::SweepError;

pub(crate) async fn run(table: &Table, queue: &Queue, now: OffsetDateTime) -> Result<(), SweepError> {
    let due = table.asset_managers_due(now + HALF_TICK).await?;
    let orders: Vec<(IngestCommand, Duration)> = due
        .into_iter()
        .map(|app| (IngestCommand::new(app, Ingest::Check, domain::millis(now)), Duration::ZERO))
        .collect();
    Ok(queue.send_all(&orders).await?)
}
