//! Buckets whose schedule fired since the last run.

use domain::command::ScanCommand;
use entry::Queue;
use table::Table;
use time::{Duration, OffsetDateTime};

use crate::SweepError;

/// A sweep that was away for longer makes up for one scan, not for each that was missed.
const MAX_CATCH_UP_MS: i64 = 86_400_000;

pub(crate) async fn run(table: &Table, queue: &Queue, since: i64, now: OffsetDateTime) -> Result<(), SweepError> {
    let at = domain::millis(now);
    let since = domain::from_millis(since.max(at - MAX_CATCH_UP_MS));
    let active = table.active_buckets().await?;
    let buckets = table.buckets_by_id(&active).await?;
    let due = buckets.into_iter().filter(|it| it.active && it.schedule.fires(since, now));
    let orders: Vec<(ScanCommand, Duration)> = due
        .map(|it| {
            // the same minute gives the same scan: a run that is repeated orders nothing new
            let scan = format!("{}-{}", &it.id.to_string()[4..16], at / 60_000);
            let order = ScanCommand {
                v: 1,
                app: it.app,
                bucket: it.id,
                scan,
                requested: false,
                dry: false,
                token: None,
                page: 0,
                found: 0,
                listed: 0,
                unreadable: None,
                at,
            };
            (order, Duration::ZERO)
        })
        .collect();
    Ok(queue.send_all(&orders).await?)
}
