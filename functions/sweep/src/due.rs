//! Deliveries whose time has come: from the due index back to their queue.

use domain::order::Delivery;
use entry::Queue;
use table::Table;
use time::{Duration, OffsetDateTime};

use crate::SweepError;

/// Queues what falls due before the next run, and answers how far it has come. Stored first, removed afterwards.
pub(crate) async fn run(table: &Table, queue: &Queue, since: i64, now: OffsetDateTime) -> Result<i64, SweepError> {
    let (at, until) = (domain::millis(now), now + Duration::seconds(90));
    for slot in Table::due_slots(since, domain::millis(until)) {
        let due = table.due(slot, until).await?;
        let orders: Vec<(&Delivery, Duration)> =
            due.iter().map(|it| (&it.delivery, Duration::milliseconds((it.at - at).max(0)))).collect();
        queue.send_all(&orders).await?;
        for it in &due {
            table.delete_due(it).await?;
        }
        if !due.is_empty() {
            tracing::info!(count = due.len(), "{} deliveries fall due", due.len());
        }
    }
    // a slot is looked at until it is over: what is put into it meanwhile is found
    Ok(at - 300_000)
}
