//! What has fallen due: deliveries go back to their queue, notifications expire, and what is still unread is escalated.

use domain::inbox::{Change, Entry};
use domain::order::Delivery;
use entry::{Chain, Outlets};
use futures_util::{StreamExt, TryStreamExt, stream};
use inbox::{escalation, marking};
use serde_json::Value;
use table::{Due, DueWork, Table};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use crate::SweepError;

/// Inboxes that one run looks after, and how many of them at once: the rest waits for the next run.
const MOST: usize = 500;
const AT_ONCE: usize = 16;
/// Pages of deliveries, of up to 2,000, that one run takes from a slot.
const MOST_PAGES: u32 = 20;

/// Does what falls due before the next run, and answers how far it has come: not past anything that is left. Done first,
/// removed afterwards.
pub(crate) async fn run(table: &Table, outlets: &Outlets, since: i64, now: OffsetDateTime) -> Result<i64, SweepError> {
    let (at, until, mut done) = (domain::millis(now), now + Duration::seconds(90), 0);
    // a slot is looked at until it is over: what is put into it meanwhile is found
    let mut come = at - 300_000;
    for slot in Table::due_slots(since, domain::millis(until)) {
        let mut pages = 0;
        let others = loop {
            let due = table.due(slot, until).await?;
            let (deliveries, others): (Vec<Due>, Vec<Due>) =
                due.into_iter().partition(|it| matches!(it.what, DueWork::Delivery(_)));
            if deliveries.is_empty() || pages == MOST_PAGES {
                come = come.min(deliveries.iter().map(|it| it.at - 1).min().unwrap_or(come));
                break others;
            }
            pages += 1;
            let orders: Vec<(&Delivery, Duration)> = deliveries.iter().filter_map(|it| delivery(it, at)).collect();
            outlets.send(&orders).await?;
            let removed = stream::iter(deliveries.iter().map(|it| table.delete_due(it)));
            removed.buffer_unordered(AT_ONCE).try_collect::<()>().await?;
            tracing::info!(count = deliveries.len(), "{} deliveries fall due", deliveries.len());
        };
        // a queue can hold a delivery back until its time; for the others the next run is soon enough
        let ready: Vec<Due> = others.into_iter().filter(|it| it.at <= at).collect();
        let work = ready.iter().take(MOST.saturating_sub(done)).map(|it| inbox_work(table, it, now));
        let outcomes: Vec<bool> = stream::iter(work).buffered(AT_ONCE).collect().await;
        done += outcomes.len();
        let left = ready.iter().enumerate().filter(|(index, _)| outcomes.get(*index) != Some(&true));
        // what fails for an hour is not looked for any more: it would hold up what is to come
        let left = left.map(|(_, it)| it.at - 1).filter(|it| *it > at - 3_600_000);
        come = come.min(left.min().unwrap_or(come));
    }
    Ok(come)
}

/// Ends or escalates one; what fails stays for the next run, and holds nobody else up.
async fn inbox_work(table: &Table, it: &Due, now: OffsetDateTime) -> bool {
    let worked = match &it.what {
        DueWork::Delivery(_) => Ok(()),
        DueWork::Expire(entry) => expire(table, entry, now).await,
        DueWork::Escalate(entry) => escalation::run(table, entry, it.at, now).await.map_err(SweepError::from),
    };
    let done = match worked {
        Ok(()) => table.delete_due(it).await.map_err(SweepError::from),
        Err(error) => Err(error),
    };
    done.inspect_err(|it| tracing::warn!(error = %Chain(it), "what fell due waits for the next run")).is_ok()
}

fn delivery(it: &Due, at: i64) -> Option<(&Delivery, Duration)> {
    let DueWork::Delivery(delivery) = &it.what else { return None };
    Some((delivery, Duration::milliseconds((it.at - at).max(0))))
}

/// What has expired is deleted: it counts no more, on no device. A change may have given it more time.
async fn expire(table: &Table, it: &Entry, now: OffsetDateTime) -> Result<(), SweepError> {
    let Some(found) = table.notification(it.app, &it.id).await? else { return Ok(()) };
    let at = found.data.get("expiresAt").and_then(Value::as_str);
    let at = at.and_then(|it| OffsetDateTime::parse(it, &Rfc3339).ok());
    if at.is_none_or(|it| it > now) {
        return Ok(());
    }
    let marked = marking::apply(table, it.app, &it.user, Change::Delete, &[it.id.place().into()]).await?;
    marked.map(drop).ok_or(SweepError::Busy)
}
