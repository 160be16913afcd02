//! `sweep`, each minute: queues due scans and due looks at asset managers, takes items from workers that have gone
//! silent, sends due retries, orders the end of notifications that expire, escalates what nobody has read.

mod asset_managers;
mod due;
mod leases;
mod scans;

use table::{SweepCheckpoint, TableError};
use time::Duration;

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SweepError {
    #[error("the table failed")]
    Table(#[from] TableError),
    #[error("a queue failed")]
    Queue(#[from] entry::queue::QueueError),
}

/// Runs the function until Lambda ends it.
#[tokio::main(flavor = "current_thread")]
pub async fn run() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let table = start.table();
    let (scan_queue, outlets) = (start.queue("SCAN_QUEUE"), start.delivery_queues());
    let (iconik_queue, pushes) = (start.queue("ICONIK_QUEUE"), start.queue("PUSH_QUEUE"));
    start
        .schedule::<SweepError>(async |now| {
            let minute_ago = domain::millis(now - Duration::MINUTE);
            let mark =
                table.sweep_checkpoint().await?.unwrap_or(SweepCheckpoint { scans: minute_ago, due: minute_ago });
            leases::run(&table, &iconik_queue, now).await?;
            scans::run(&table, &scan_queue, mark.scans, now).await?;
            asset_managers::run(&table, &iconik_queue, now).await?;
            let due = due::run(&table, &outlets, &pushes, mark.due, now).await?;
            // last: what was queued twice is harmless, what was forgotten is not
            Ok(table.put_sweep_checkpoint(&SweepCheckpoint { scans: domain::millis(now), due }).await?)
        })
        .await
}
