//! Whether an item may be worked on now: Iconik accepts the credentials, the daily quota is not used up, and a concurrency
//! slot is free.

use std::sync::Arc;

use domain::AppId;
use domain::bucket::MediaSystem;
use domain::item::Item;
use domain::job::Job;
use domain::notification::NewNotification;
use domain::processor::ProcessorKind;
use domain::settings::{DailyUsage, Settings};
use entry::clock;
use serde_json::json;
use table::TableError;
use time::{Duration, OffsetDateTime};

use crate::context::Context;

/// The share of a daily quota, in percent, from which on a warning is published.
const WARNING_PERCENT: u64 = 80;

/// Whether the work may begin.
pub(crate) enum Admission {
    /// It may. The slot is held until it is released; `None` if the application does not limit its threads.
    Admitted(Option<u32>),
    /// It may not: try again after this time, for this reason.
    RetryLater(Duration, &'static str),
}

/// The settings of an application, with a daily quota of items that its plan allows.
pub(crate) async fn settings(context: &Context, app: AppId) -> Result<Arc<Settings>, TableError> {
    let settings = context.settings.get(app).await?;
    let items_per_day = context.plan_limits.items_per_day(app, settings.items_per_day).await?;
    Ok(match items_per_day == settings.items_per_day {
        true => settings,
        false => Arc::new(Settings { items_per_day, ..(*settings).clone() }),
    })
}

/// Decides on admission, and acquires a concurrency slot. Publishes `usage.stopped` when the daily quota is used up.
pub(crate) async fn admit(
    context: &Context,
    settings: &Settings,
    item: &Item,
    job: &Job,
    now: OffsetDateTime,
) -> Result<Admission, TableError> {
    if item.system == MediaSystem::Iconik && context.table.asset_manager(item.app).await?.blocked.is_some() {
        return Ok(Admission::RetryLater(Duration::seconds(30), "Iconik refuses the credentials"));
    }
    if settings.has_quota() {
        let used = context.table.usage(item.app, &utc_day(now)).await?;
        if let Some(reason) = settings.exceeded_quota(used, item.size) {
            publish_once_a_day(context, settings, item, used, "usage.stopped", now).await?;
            return Ok(Admission::RetryLater(Duration::minutes(15), reason));
        }
    }
    if settings.no_of_threads == 0 {
        return Ok(Admission::Admitted(None));
    }
    let max_slots = settings.no_of_threads;
    let first_slot = (clock::random_fraction() * f64::from(max_slots)) as u32 % max_slots;
    let slot = context
        .table
        .acquire_slot(item.app, max_slots, &slot_holder(item, job.processor), first_slot, now, now + context.lease)
        .await?;
    match slot {
        Some(slot) => Ok(Admission::Admitted(Some(slot))),
        // jitter: waiting commands do not return all at once
        None => Ok(Admission::RetryLater(
            Duration::seconds(2 + (clock::random_fraction() * 8.0) as i64),
            "all threads are at work",
        )),
    }
}

/// The holder of a concurrency slot: a job of an item.
pub(crate) fn slot_holder(item: &Item, processor: ProcessorKind) -> String {
    format!("{}|{}", item.id, processor.name())
}

/// Adds a claimed item to the day's usage, on the first attempt of its first job only. Publishes `usage.warning` from 80 % of the quota on.
pub(crate) async fn count_usage(
    context: &Context,
    settings: &Settings,
    item: &Item,
    job: &Job,
    now: OffsetDateTime,
) -> Result<(), TableError> {
    let begun = item.all_jobs().filter(|it| it.attempts() > 0).count();
    if !settings.has_quota() || begun > 1 || job.attempts() > 1 || job.tries > 1 {
        return Ok(());
    }
    let used = context.table.add_usage(item.app, &utc_day(now), item.size, now).await?;
    if settings.quota_used_percent(used) >= WARNING_PERCENT {
        publish_once_a_day(context, settings, item, used, "usage.warning", now).await?;
    }
    Ok(())
}

/// Publishes a notification of this type once a day, together with the day's flag.
async fn publish_once_a_day(
    context: &Context,
    settings: &Settings,
    item: &Item,
    used: DailyUsage,
    kind: &str,
    now: OffsetDateTime,
) -> Result<(), TableError> {
    let flag = format!("{}#{kind}", utc_day(now));
    if context.table.has_daily_flag(item.app, &flag).await? {
        return Ok(());
    }
    let data = json!({
        "day": utc_day(now), "items": used.items, "bytes": used.bytes,
        "itemsPerDay": settings.items_per_day, "bytesPerDay": settings.bytes_per_day, "percent": settings.quota_used_percent(used),
    });
    // another writer may have been faster
    context.table.publish_with_daily_flag(item.app, &flag, NewNotification::new(kind, data), now).await.map(drop)
}

/// The day, in UTC.
fn utc_day(now: OffsetDateTime) -> String {
    now.to_offset(time::UtcOffset::UTC).date().to_string()
}
