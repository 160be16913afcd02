//! Looks at the jobs of items whose time has come: releases those whose worker's lease has run out, ends attempts that are past
//! their deadline, and queues questions to the backends of those that run (processors, section 2.3).

use domain::ItemId;
use domain::command::{Ingest, IngestCommand, ProcessCommand};
use domain::item::{Item, URGENT_PRIORITY};
use domain::job::{Job, JobState};
use domain::processing::{expire, held, polled, polls_due};
use entry::Chain;
use table::{CommitOutcome, TableError};
use time::{Duration, OffsetDateTime};

use crate::context::Context;
use crate::error::SweepError;

/// How often an item is read again while others change it; the next run goes on.
const MAX_READS: usize = 8;

/// Looks at all items that are due by `now`. One that this version cannot read holds up nothing else.
pub(crate) async fn run(context: &Context, now: OffsetDateTime) -> Result<(), SweepError> {
    for due in context.table.expired_leases(now).await? {
        match look_at(context, due.id, now).await {
            Err(SweepError::Table(error @ TableError::Corrupt { .. })) => {
                tracing::error!(item.id = %due.id, error = %Chain(&error), "an item's jobs are not looked at");
            }
            looked => looked?,
        }
    }
    Ok(())
}

/// Does what is due of an item, one job after another: each is a write of its own.
async fn look_at(context: &Context, id: ItemId, now: OffsetDateTime) -> Result<(), SweepError> {
    for _ in 0..MAX_READS {
        let Some(item) = context.table.item(id).await? else { return Ok(()) };
        if let Some(transition) = expire(now, &item) {
            if context.table.commit(&transition, now).await? == CommitOutcome::Committed {
                end_asset_jobs(context, &item, &transition.item, now).await?;
                let (name, status) = (item.display_name(), transition.item.status.name());
                tracing::warn!(item.id = %item.id, key = %item.key, "a job of {name} has run out of time; the item is {status} now");
            }
            continue;
        }
        if let Some(processor) = polls_due(now, &item).first().copied() {
            // queued first: a question more is harmless, and a crash in between asks it again
            let urgent = item.priority >= URGENT_PRIORITY;
            let command = ProcessCommand::new(item.id, processor);
            context.processing.send(&[(command, Duration::ZERO, urgent)]).await?;
            let job = item.job(processor);
            context.table.commit(&polled(now, &item, job), now).await?;
            continue;
        }
        // the index was too early: a worker has extended its lease
        if item.check_at.is_some_and(|it| it <= domain::millis(now)) {
            context.table.correct_check(&item).await?;
        }
        return Ok(());
    }
    Ok(())
}

/// Ends the jobs that show processors in the item's asset manager, of those that have failed just now.
async fn end_asset_jobs(context: &Context, before: &Item, after: &Item, now: OffsetDateTime) -> Result<(), SweepError> {
    let failed = |job: &Job| matches!(job.state, JobState::Failed | JobState::TimedOut);
    let ended = after.all_jobs().filter(|job| failed(job) && held(before, job.hold()).is_none());
    for job in ended {
        let Some(asset_job) = job.asset_job.as_ref().and_then(|it| it.parse().ok()) else { continue };
        let error = job.error.as_ref().map(|it| it.message.clone()).unwrap_or_default();
        let command = IngestCommand::new(after.app, Ingest::EndJob { job: asset_job, error }, domain::millis(now));
        context.asset_managers.send(&command, Duration::ZERO).await?;
    }
    Ok(())
}
