//! Items: queues the jobs that wait for a worker, and counts every change.

use std::collections::BTreeMap;

use domain::AppId;
use domain::command::ProcessCommand;
use domain::item::URGENT_PRIORITY;
use domain::processing::retry_delay;
use entry::clock;
use entry::queue::QueueError;
use table::{ItemChange, TableError, Tally};
use time::Duration;

use crate::context::Context;

/// Queues the jobs of items that have begun to wait for a worker, each for its processor.
pub(crate) async fn enqueue_waiting(context: &Context, changes: &[ItemChange]) -> Result<(), QueueError> {
    let mut commands: Vec<(ProcessCommand, Duration, bool)> = Vec::new();
    for change in changes {
        let (item, urgent) = (change.item.id, change.item.priority >= URGENT_PRIORITY);
        for job in change.waiting() {
            let delay = retry_delay(&job, clock::random_fraction());
            commands.push((ProcessCommand::new(item, job.processor), delay, urgent));
        }
    }
    context.processing.send(&commands).await
}

/// Counts changes of status, in one row per application and batch.
pub(crate) async fn count(context: &Context, changes: &[ItemChange], at: i64, batch: &str) -> Result<(), TableError> {
    let mut tallies: BTreeMap<AppId, Tally> = BTreeMap::new();
    for change in changes.iter().filter(|it| it.status_before() != Some(it.item.status)) {
        tallies.entry(change.item.app).or_default().change(change.status_before(), change.item.status);
    }
    for (app, tally) in tallies {
        context.table.put_tally(app, &tally, at, batch).await?;
    }
    Ok(())
}
