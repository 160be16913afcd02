//! One run of the sweep.

use domain::queue_watch::QueueLook;
use table::SweepCheckpoint;
use time::{Duration, OffsetDateTime};

use crate::context::Context;
use crate::error::SweepError;
use crate::{asset_managers, billing, due, jobs, queues, scans};

/// How long a run holds the sweep if it is killed. A run that takes longer may meet another one, which only costs twice: all
/// that it does can be repeated.
const LEASE: Duration = Duration::seconds(10);

/// Runs all steps, unless another run is under way: schedules may invoke a function twice, and a run that failed is repeated
/// (AWS Lambda, asynchronous invocation). No concurrency is reserved for this, which a new account could not do.
pub(crate) async fn handle(context: &Context, now: OffsetDateTime) -> Result<(), SweepError> {
    if !context.table.claim_sweep(&context.name, now, now + LEASE).await? {
        tracing::info!("another run is under way");
        return Ok(());
    }
    let outcome = sweep(context, now).await;
    let released = context.table.release_sweep(&context.name).await;
    outcome.and(released.map_err(SweepError::from))
}

/// Runs all steps, from the checkpoint of the run before.
async fn sweep(context: &Context, now: OffsetDateTime) -> Result<(), SweepError> {
    let minute_ago = domain::millis(now - Duration::MINUTE);
    let first_run = SweepCheckpoint { scans: minute_ago, due: minute_ago, queues: QueueLook::default() };
    let checkpoint = context.table.sweep_checkpoint().await?.unwrap_or(first_run);
    jobs::run(context, now).await?;
    scans::run(context, checkpoint.scans, now).await?;
    asset_managers::run(context, now).await?;
    billing::run(context, now).await?;
    let due = due::run(context, checkpoint.due, now).await?;
    let queues = queues::watch(context, checkpoint.queues, now).await;
    // stored last: after a failure work is queued twice, which is harmless, and none is missed
    Ok(context.table.put_sweep_checkpoint(&SweepCheckpoint { scans: domain::millis(now), due, queues }).await?)
}
