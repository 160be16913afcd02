//! What has fallen due: deliveries and what expires go back to their queues, and what is still unread is escalated.

use domain::command::{Delivery, Push, PushCommand, delay_until};
use entry::{Chain, DeliveryQueues, Queue};
use futures_util::{StreamExt, TryStreamExt, stream};
use inbox::escalation;
use table::{DueEntry, DueWork, Table};
use time::{Duration, OffsetDateTime};

use crate::SweepError;

/// Inboxes that one run looks after, and how many of them at once: the rest waits for the next run.
const MAX_INBOX_ENTRIES: usize = 500;
const MAX_CONCURRENT: usize = 16;
/// Pages of deliveries, of up to 2,000, that one run takes from a slot.
const MAX_PAGES: u32 = 20;

/// Does what falls due before the next run, and answers how far it has come: not past anything that is left. Done first,
/// removed afterwards.
pub(crate) async fn run(
    table: &Table,
    outlets: &DeliveryQueues,
    pushes: &Queue,
    since: i64,
    now: OffsetDateTime,
) -> Result<i64, SweepError> {
    let (at, end, mut done) = (domain::millis(now), now + Duration::seconds(90), 0);
    // a slot is looked at until it is over: what is put into it meanwhile is found
    let mut come = at - 300_000;
    for slot in Table::due_slots(since, domain::millis(end)) {
        let mut pages = 0;
        let others = loop {
            let due = table.due_entries(slot, end).await?;
            let (deliveries, others): (Vec<DueEntry>, Vec<DueEntry>) =
                due.into_iter().partition(|it| matches!(it.work, DueWork::Delivery(_)));
            if deliveries.is_empty() || pages == MAX_PAGES {
                come = come.min(deliveries.iter().map(|it| it.at - 1).min().unwrap_or(come));
                break others;
            }
            pages += 1;
            let orders: Vec<(&Delivery, Duration)> = deliveries.iter().filter_map(|it| delivery(it, at)).collect();
            outlets.send(&orders).await?;
            let removed = stream::iter(deliveries.iter().map(|it| table.delete_due(it)));
            removed.buffer_unordered(MAX_CONCURRENT).try_collect::<()>().await?;
            tracing::info!(count = deliveries.len(), "{} deliveries fall due", deliveries.len());
        };
        // a queue can hold a delivery back until its time; for the others the next run is soon enough
        let held = |it: &DueEntry| matches!(it.work, DueWork::Expire(_));
        let ready: Vec<DueEntry> = others.into_iter().filter(|it| it.at <= at || held(it)).collect();
        let work = ready
            .iter()
            .take(MAX_INBOX_ENTRIES.saturating_sub(done))
            .map(|it| process_inbox_entry(table, pushes, it, now));
        let outcomes: Vec<bool> = stream::iter(work).buffered(MAX_CONCURRENT).collect().await;
        done += outcomes.len();
        let left = ready.iter().enumerate().filter(|(index, _)| outcomes.get(*index) != Some(&true));
        // what fails for an hour is not looked for any more: it would hold up what is to come
        let left = left.map(|(_, it)| it.at - 1).filter(|it| *it > at - 3_600_000);
        come = come.min(left.min().unwrap_or(come));
    }
    Ok(come)
}

/// Orders the end of one at its time, or escalates one; what fails stays for the next run, and holds nobody else up.
async fn process_inbox_entry(table: &Table, pushes: &Queue, it: &DueEntry, now: OffsetDateTime) -> bool {
    let worked = match &it.work {
        DueWork::Delivery(_) => Ok(()),
        DueWork::Expire(entry) => {
            let what = Push::Expire { user: entry.user.clone(), at: it.at };
            let order = PushCommand::new(entry.app, entry.id.stream.to_string(), what);
            pushes.send(&order, delay_until(it.at, now)).await.map_err(SweepError::from)
        }
        DueWork::Escalate(entry) => {
            escalation::escalate_if_unread(table, entry, it.at, now).await.map_err(SweepError::from)
        }
    };
    let done = match worked {
        Ok(()) => table.delete_due(it).await.map_err(SweepError::from),
        Err(error) => Err(error),
    };
    done.inspect_err(|it| tracing::warn!(error = %Chain(it), "what fell due waits for the next run")).is_ok()
}

fn delivery(it: &DueEntry, at: i64) -> Option<(&Delivery, Duration)> {
    let DueWork::Delivery(delivery) = &it.work else { return None };
    Some((delivery, Duration::milliseconds((it.at - at).max(0))))
}
