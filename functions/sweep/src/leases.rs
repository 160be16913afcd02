//! Items whose worker has gone silent: back to Pending, or Failed when all attempts are used up.

use domain::item::{Item, Status};
use domain::order::{Ingest, IngestOrder};
use domain::processing::expire;
use entry::Queue;
use table::{Committed, Table};
use time::{Duration, OffsetDateTime};

use crate::SweepError;

pub(crate) async fn run(table: &Table, managers: &Queue, now: OffsetDateTime) -> Result<(), SweepError> {
    for held in table.expired_leases(now).await? {
        let Some(item) = table.item(held.id).await? else { continue };
        let Some(plan) = expire(now, &item) else { continue };
        if table.commit(&plan, now).await? == Committed::Done {
            if let Some(order) = end_job(&plan.item, now) {
                managers.send(&order, Duration::ZERO).await?;
            }
            tracing::warn!(item.id = %item.id, key = %item.key, "the worker of {} has gone silent; it is {} now", item.key, plan.item.status.name());
        }
    }
    Ok(())
}

/// The order to end the job that shows a failed item in its asset manager, if it has one.
fn end_job(item: &Item, now: OffsetDateTime) -> Option<IngestOrder> {
    let job = item.job.as_ref().filter(|_| item.status == Status::Failed)?.parse().ok()?;
    let error = item.error.as_ref().map(|it| it.message.clone()).unwrap_or_default();
    Some(IngestOrder::new(item.app, Ingest::EndJob { job, error }, domain::millis(now)))
}
