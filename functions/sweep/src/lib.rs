//! `sweep`, each minute: queues due scans and due looks at asset managers, takes items from workers that have gone
//! silent, sends due retries, orders the end of notifications that expire, escalates what nobody has read.

mod due;
mod leases;
mod managers;
mod scans;

use table::{Mark, TableError};
use time::Duration;

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SweepError {
    #[error("the table failed")]
    Table(#[from] TableError),
    #[error("a queue failed")]
    Queue(#[from] entry::queue::NotQueued),
}

/// Runs the function until Lambda ends it.
#[tokio::main(flavor = "current_thread")]
pub async fn run() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let table = start.table();
    let (scan_queue, outlets) = (start.queue("SCAN_QUEUE"), start.outlets());
    let (iconik_queue, pushes) = (start.queue("ICONIK_QUEUE"), start.queue("PUSH_QUEUE"));
    start
        .schedule::<SweepError>(async |now| {
            let minute_ago = domain::millis(now - Duration::MINUTE);
            let mark = table.mark().await?.unwrap_or(Mark { scans: minute_ago, due: minute_ago });
            leases::run(&table, &iconik_queue, now).await?;
            scans::run(&table, &scan_queue, mark.scans, now).await?;
            managers::run(&table, &iconik_queue, now).await?;
            let due = due::run(&table, &outlets, &pushes, mark.due, now).await?;
            // last: what was queued twice is harmless, what was forgotten is not
            Ok(table.put_mark(&Mark { scans: domain::millis(now), due }).await?)
        })
        .await
}
