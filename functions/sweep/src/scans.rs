//! Queues the scans of buckets whose schedule fired since the run before.

use domain::command::ScanCommand;
use time::{Duration, OffsetDateTime};

use crate::context::Context;
use crate::error::SweepError;

/// How far back schedules are looked at: a day. However many firings the sweep has missed, it queues one scan.
const MAX_CATCH_UP_MS: i64 = 86_400_000;

/// Queues a scan for each active bucket whose schedule fired since `since`, in milliseconds since 1970.
pub(crate) async fn run(context: &Context, since: i64, now: OffsetDateTime) -> Result<(), SweepError> {
    let at = domain::millis(now);
    let since = domain::from_millis(since.max(at - MAX_CATCH_UP_MS));
    let active = context.table.active_buckets().await?;
    let buckets = context.table.buckets_by_id(&active).await?;
    let due = buckets.into_iter().filter(|it| it.active && it.schedule.fires(since, now));
    let commands: Vec<(ScanCommand, Duration)> = due
        .map(|bucket| {
            // one id per minute: a repeated run queues the same scan
            let scan = format!("{}-{}", &bucket.id.to_string()[4..16], at / 60_000);
            let command = ScanCommand {
                v: 1,
                app: bucket.app,
                bucket: bucket.id,
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
            (command, Duration::ZERO)
        })
        .collect();
    Ok(context.scans.send_all(&commands).await?)
}
