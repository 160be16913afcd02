//! Whether an item may be worked on now: its system answers, the day's limits are not used up, a place is free.

use domain::bucket::MediaSystem;
use domain::item::Item;
use domain::notification::{NewNotification, Stream};
use domain::settings::{DailyUsage, Settings};
use entry::clock;
use serde_json::json;
use table::TableError;
use time::{Duration, OffsetDateTime};

use crate::handler::Context;

/// The gate's answer.
pub(crate) enum Admission {
    /// Work; the place is held until it is given back.
    Admitted(Option<u32>),
    /// Come again after this time.
    RetryLater(Duration, &'static str),
}

/// Asks for entrance.
pub(crate) async fn admit(
    parts: &Context,
    settings: &Settings,
    item: &Item,
    now: OffsetDateTime,
) -> Result<Admission, TableError> {
    if item.system == MediaSystem::Iconik && parts.table.asset_manager(item.app).await?.blocked.is_some() {
        return Ok(Admission::RetryLater(Duration::seconds(30), "Iconik refuses the credentials"));
    }
    if settings.has_quota() {
        let used = parts.table.usage(item.app, &utc_day(now)).await?;
        if let Some(why) = settings.exceeded_quota(used, item.size) {
            publish_once_a_day(parts, settings, item, used, "usage.stopped", now).await?;
            return Ok(Admission::RetryLater(Duration::minutes(15), why));
        }
    }
    if settings.no_of_threads == 0 {
        return Ok(Admission::Admitted(None));
    }
    let max_slots = settings.no_of_threads;
    let first_slot = (clock::random_fraction() * f64::from(max_slots)) as u32 % max_slots;
    let slot =
        parts.table.acquire_slot(item.app, max_slots, &item.id.to_string(), first_slot, now, now + parts.lease).await?;
    match slot {
        Some(slot) => Ok(Admission::Admitted(Some(slot))),
        // spread, so that those who wait do not come all at once
        None => Ok(Admission::RetryLater(
            Duration::seconds(2 + (clock::random_fraction() * 8.0) as i64),
            "all threads are at work",
        )),
    }
}

/// Counts an item that was taken, and tells when four fifths of the day's limit are used.
pub(crate) async fn count_usage(
    parts: &Context,
    settings: &Settings,
    item: &Item,
    now: OffsetDateTime,
) -> Result<(), TableError> {
    if !settings.has_quota() || item.attempts > 1 {
        return Ok(());
    }
    let used = parts.table.add_usage(item.app, &utc_day(now), item.size, now).await?;
    if settings.quota_used_percent(used) >= 80 {
        publish_once_a_day(parts, settings, item, used, "usage.warning", now).await?;
    }
    Ok(())
}

/// Tells once a day: marked when it was told, so that a kill in between tells it twice, and never not at all.
async fn publish_once_a_day(
    parts: &Context,
    settings: &Settings,
    item: &Item,
    used: DailyUsage,
    kind: &str,
    now: OffsetDateTime,
) -> Result<(), TableError> {
    let mark = format!("{}#{kind}", utc_day(now));
    if parts.table.has_daily_flag(item.app, &mark).await? {
        return Ok(());
    }
    let data = json!({
        "day": utc_day(now), "items": used.items, "bytes": used.bytes,
        "itemsPerDay": settings.items_per_day, "bytesPerDay": settings.bytes_per_day, "percent": settings.quota_used_percent(used),
    });
    let write_id = format!("{}.{mark}", item.app);
    parts.table.append(item.app, &Stream::App, &[NewNotification::new(kind, data)], &write_id, now).await?;
    parts.table.set_daily_flag(item.app, &mark, now).await
}

/// The day, in UTC.
fn utc_day(now: OffsetDateTime) -> String {
    now.to_offset(time::UtcOffset::UTC).date().to_string()
}
