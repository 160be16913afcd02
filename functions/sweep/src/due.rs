//! What has fallen due: deliveries go back to their queue, notifications expire, and what is still unread is escalated.

use domain::inbox::{Change, Entry};
use domain::order::Delivery;
use entry::Queue;
use inbox::{escalation, marking};
use table::{Due, DueWork, Table};
use time::{Duration, OffsetDateTime};

use crate::SweepError;

/// Does what falls due before the next run, and answers how far it has come. Done first, removed afterwards.
pub(crate) async fn run(table: &Table, queue: &Queue, since: i64, now: OffsetDateTime) -> Result<i64, SweepError> {
    let (at, until) = (domain::millis(now), now + Duration::seconds(90));
    for slot in Table::due_slots(since, domain::millis(until)) {
        let mut due = table.due(slot, until).await?;
        // a queue can hold a delivery back until its time; for the others the next run is soon enough
        due.retain(|it| matches!(it.what, DueWork::Delivery(_)) || it.at <= at);
        let orders: Vec<(&Delivery, Duration)> = due.iter().filter_map(|it| delivery(it, at)).collect();
        queue.send_all(&orders).await?;
        for it in &due {
            match &it.what {
                DueWork::Delivery(_) => {}
                DueWork::Expire(entry) => expire(table, entry).await?,
                DueWork::Escalate(entry) => escalation::run(table, entry, it.at, now).await?,
            }
            table.delete_due(it).await?;
        }
        if !due.is_empty() {
            tracing::info!(count = due.len(), "{} things fall due", due.len());
        }
    }
    // a slot is looked at until it is over: what is put into it meanwhile is found
    Ok(at - 300_000)
}

fn delivery(it: &Due, at: i64) -> Option<(&Delivery, Duration)> {
    let DueWork::Delivery(delivery) = &it.what else { return None };
    Some((delivery, Duration::milliseconds((it.at - at).max(0))))
}

/// What has expired is deleted: it counts no more, on no device.
async fn expire(table: &Table, it: &Entry) -> Result<(), SweepError> {
    let number = it.id.sequence;
    let marked = marking::apply(table, it.app, &it.user, Change::Delete, &[(number, number)]).await?;
    marked.map(drop).ok_or(SweepError::Busy)
}
