//! One run of the sweep.

use table::SweepCheckpoint;
use time::{Duration, OffsetDateTime};

use crate::context::Context;
use crate::error::SweepError;
use crate::{asset_managers, billing, due, leases, scans};

/// Runs all steps, from the checkpoint of the run before.
pub(crate) async fn handle(context: &Context, now: OffsetDateTime) -> Result<(), SweepError> {
    let minute_ago = domain::millis(now - Duration::MINUTE);
    let first_run = SweepCheckpoint { scans: minute_ago, due: minute_ago };
    let checkpoint = context.table.sweep_checkpoint().await?.unwrap_or(first_run);
    leases::run(context, now).await?;
    scans::run(context, checkpoint.scans, now).await?;
    asset_managers::run(context, now).await?;
    billing::run(context, now).await?;
    let due = due::run(context, checkpoint.due, now).await?;
    // stored last: after a failure work is queued twice, which is harmless, and none is missed
    Ok(context.table.put_sweep_checkpoint(&SweepCheckpoint { scans: domain::millis(now), due }).await?)
}
