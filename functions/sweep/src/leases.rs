//! Releases items whose lease has run out: they become Pending again, or Failed when all attempts are used up.

use domain::command::{Ingest, IngestCommand};
use domain::item::{Item, ItemStatus};
use domain::processing::expire_lease;
use table::CommitOutcome;
use time::{Duration, OffsetDateTime};

use crate::context::Context;
use crate::error::SweepError;

/// Releases all items whose lease ran out by `now`.
pub(crate) async fn run(context: &Context, now: OffsetDateTime) -> Result<(), SweepError> {
    for lease in context.table.expired_leases(now).await? {
        let Some(item) = context.table.item(lease.id).await? else { continue };
        let Some(transition) = expire_lease(now, &item) else { continue };
        if context.table.commit(&transition, now).await? == CommitOutcome::Committed {
            if let Some(command) = end_job_command(&transition.item, now) {
                context.asset_managers.send(&command, Duration::ZERO).await?;
            }
            tracing::warn!(item.id = %item.id, key = %item.key, "the lease of {} has run out; it is {} now", item.key, transition.item.status.name());
        }
    }
    Ok(())
}

/// The command to end the job that shows a failed item in its asset manager; `None` if there is no such job.
fn end_job_command(item: &Item, now: OffsetDateTime) -> Option<IngestCommand> {
    let job = item.job.as_ref().filter(|_| item.status == ItemStatus::Failed)?.parse().ok()?;
    let error = item.error.as_ref().map(|it| it.message.clone()).unwrap_or_default();
    Some(IngestCommand::new(item.app, Ingest::EndJob { job, error }, domain::millis(now)))
}
