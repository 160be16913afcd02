//! Whether an item may be worked on now: its system answers, the day's limits are not used up, a place is free.

use domain::bucket::System;
use domain::item::Item;
use domain::notification::{News, Stream};
use domain::settings::{Settings, Usage};
use entry::clock;
use serde_json::json;
use table::TableError;
use time::{Duration, OffsetDateTime};

use crate::handler::Parts;

/// The gate's answer.
pub(crate) enum Gate {
    /// Work; the place is held until it is given back.
    Open(Option<u32>),
    /// Come again after this time.
    Later(Duration, &'static str),
}

/// Asks for entrance.
pub(crate) async fn enter(
    parts: &Parts,
    settings: &Settings,
    item: &Item,
    now: OffsetDateTime,
) -> Result<Gate, TableError> {
    if item.system == System::Iconik && parts.table.manager(item.app).await?.blocked.is_some() {
        return Ok(Gate::Later(Duration::seconds(30), "Iconik refuses the credentials"));
    }
    if settings.is_limited() {
        let used = parts.table.usage(item.app, &day(now)).await?;
        if let Some(why) = settings.over(used, item.size) {
            tell(parts, settings, item, used, "usage.stopped", now).await?;
            return Ok(Gate::Later(Duration::minutes(15), why));
        }
    }
    if settings.no_of_threads == 0 {
        return Ok(Gate::Open(None));
    }
    let most = settings.no_of_threads;
    let first = (clock::fraction() * f64::from(most)) as u32 % most;
    let taken = parts.table.take_slot(item.app, most, &item.id.to_string(), first, now, now + parts.lease).await?;
    match taken {
        Some(slot) => Ok(Gate::Open(Some(slot))),
        // spread, so that those who wait do not come all at once
        None => Ok(Gate::Later(Duration::seconds(2 + (clock::fraction() * 8.0) as i64), "all threads are at work")),
    }
}

/// Counts an item that was taken, and tells when four fifths of the day's limit are used.
pub(crate) async fn count(
    parts: &Parts,
    settings: &Settings,
    item: &Item,
    now: OffsetDateTime,
) -> Result<(), TableError> {
    if !settings.is_limited() || item.attempts > 1 {
        return Ok(());
    }
    let used = parts.table.add_usage(item.app, &day(now), item.size, now).await?;
    if settings.share(used) >= 80 {
        tell(parts, settings, item, used, "usage.warning", now).await?;
    }
    Ok(())
}

/// Tells once a day: marked when it was told, so that a kill in between tells it twice, and never not at all.
async fn tell(
    parts: &Parts,
    settings: &Settings,
    item: &Item,
    used: Usage,
    kind: &str,
    now: OffsetDateTime,
) -> Result<(), TableError> {
    let mark = format!("{}#{kind}", day(now));
    if parts.table.is_marked(item.app, &mark).await? {
        return Ok(());
    }
    let data = json!({
        "day": day(now), "items": used.items, "bytes": used.bytes,
        "itemsPerDay": settings.items_per_day, "bytesPerDay": settings.bytes_per_day, "percent": settings.share(used),
    });
    let write_id = format!("{}.{mark}", item.app);
    parts.table.append(item.app, &Stream::App, &[News::new(kind, data)], &write_id, now).await?;
    parts.table.mark_day(item.app, &mark, now).await
}

/// The day, in UTC.
fn day(now: OffsetDateTime) -> String {
    now.to_offset(time::UtcOffset::UTC).date().to_string()
}
