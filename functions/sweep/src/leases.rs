//! Items whose worker has gone silent: back to Pending, or Failed when all attempts are used up.

use domain::command::{Ingest, IngestCommand};
use domain::item::{Item, ItemStatus};
use domain::processing::expire_lease;
use entry::Queue;
use table::{CommitOutcome, Table};
use time::{Duration, OffsetDateTime};

use crate::SweepError;

pub(crate) async fn run(table: &Table, managers: &Queue, now: OffsetDateTime) -> Result<(), SweepError> {
    for held in table.expired_leases(now).await? {
        let Some(item) = table.item(held.id).await? else { continue };
        let Some(plan) = expire_lease(now, &item) else { continue };
        if table.commit(&plan, now).await? == CommitOutcome::Committed {
            if let Some(order) = end_job_command(&plan.item, now) {
                managers.send(&order, Duration::ZERO).await?;
            }
            tracing::warn!(item.id = %item.id, key = %item.key, "the worker of {} has gone silent; it is {} now", item.key, plan.item.status.name());
        }
    }
    Ok(())
}

/// The order to end the job that shows a failed item in its asset manager, if it has one.
fn end_job_command(item: &Item, now: OffsetDateTime) -> Option<IngestCommand> {
    let job = item.job.as_ref().filter(|_| item.status == ItemStatus::Failed)?.parse().ok()?;
    let error = item.error.as_ref().map(|it| it.message.clone()).unwrap_or_default();
    Some(IngestCommand::new(item.app, Ingest::EndJob { job, error }, domain::millis(now)))
}
