//! Processes the due index: deliveries and expiries go to their queues, notifications that are still unread are escalated.

use domain::command::{COMMAND_VERSION, Delivery, Push, PushCommand, delay_until};
use entry::Chain;
use futures_util::{StreamExt, TryStreamExt, stream};
use inbox::escalation;
use table::{DueEntry, DueWork, Table};
use time::{Duration, OffsetDateTime};

use crate::context::Context;
use crate::error::SweepError;

/// The most entries of inboxes that one run processes; the rest waits for the next run.
const MAX_INBOX_ENTRIES: usize = 500;
/// Requests that are made concurrently.
const MAX_CONCURRENT: usize = 16;
/// The most pages of deliveries, of up to 2,000, that one run takes from a slot.
const MAX_PAGES: u32 = 20;
/// How far a run looks ahead: past the next run, which comes in a minute.
const LOOK_AHEAD: Duration = Duration::seconds(90);
/// The length of a slot of the due index.
const SLOT_MS: i64 = 300_000;
/// After this time an entry that keeps failing does not hold the checkpoint back any more.
const GIVE_UP_MS: i64 = 3_600_000;

/// Processes what falls due before the next run, and returns the new checkpoint, which is not past anything that is left
/// (milliseconds since 1970). Each entry is deleted after its work is done.
pub(crate) async fn run(context: &Context, since: i64, now: OffsetDateTime) -> Result<i64, SweepError> {
    let (at, end, mut processed) = (domain::millis(now), now + LOOK_AHEAD, 0);
    // a slot is read until its time is over, since entries are still added to it
    let mut checkpoint = at - SLOT_MS;
    for slot in Table::due_slots(since, domain::millis(end)) {
        let (others, oldest_left) = queue_deliveries(context, slot, at, end).await?;
        checkpoint = checkpoint.min(oldest_left.unwrap_or(checkpoint));
        // the queue delays an expiry until its time; an escalation waits for the run after its time
        let is_delayed = |entry: &DueEntry| matches!(entry.work, DueWork::Expire(_) | DueWork::NotificationChannel(_));
        let ready: Vec<DueEntry> = others.into_iter().filter(|it| it.at <= at || is_delayed(it)).collect();
        let work = ready
            .iter()
            .take(MAX_INBOX_ENTRIES.saturating_sub(processed))
            .map(|it| process_inbox_entry(context, it, now));
        let outcomes: Vec<bool> = stream::iter(work).buffered(MAX_CONCURRENT).collect().await;
        processed += outcomes.len();
        let left = ready.iter().enumerate().filter(|(index, _)| outcomes.get(*index) != Some(&true));
        let left = left.map(|(_, it)| it.at - 1).filter(|it| *it > at - GIVE_UP_MS);
        checkpoint = checkpoint.min(left.min().unwrap_or(checkpoint));
    }
    Ok(checkpoint)
}

/// Queues the deliveries of a slot with their delays. Returns its other entries, and the time before the oldest delivery
/// that is left.
async fn queue_deliveries(
    context: &Context,
    slot: u64,
    at: i64,
    end: OffsetDateTime,
) -> Result<(Vec<DueEntry>, Option<i64>), SweepError> {
    let mut pages = 0;
    loop {
        let due = context.table.due_entries(slot, end).await?;
        let (deliveries, others): (Vec<DueEntry>, Vec<DueEntry>) =
            due.into_iter().partition(|it| matches!(it.work, DueWork::Delivery(_)));
        // those of a newer version wait for its own `sweep`: this one would lose what it does not know of them
        let (newer, deliveries): (Vec<DueEntry>, Vec<DueEntry>) = deliveries.into_iter().partition(is_newer);
        if deliveries.is_empty() || pages == MAX_PAGES {
            return Ok((others, newer.iter().chain(&deliveries).map(|it| it.at - 1).min()));
        }
        pages += 1;
        let delayed: Vec<(&Delivery, Duration)> = deliveries.iter().filter_map(|it| delivery(it, at)).collect();
        context.delivery_queues.send(&delayed).await?;
        let deleted = stream::iter(deliveries.iter().map(|it| context.table.delete_due(it)));
        deleted.buffer_unordered(MAX_CONCURRENT).try_collect::<()>().await?;
        tracing::info!(count = deliveries.len(), "{} deliveries fall due", deliveries.len());
    }
}

/// Whether it is a delivery of a newer version.
fn is_newer(due: &DueEntry) -> bool {
    matches!(&due.work, DueWork::Delivery(it) if it.v > COMMAND_VERSION)
}

/// Queues an expiry or makes an escalation; `false` if it failed. A failed entry stays for the next run, and does not hold up
/// the others.
async fn process_inbox_entry(context: &Context, due: &DueEntry, now: OffsetDateTime) -> bool {
    let worked = match &due.work {
        DueWork::Delivery(_) => Ok(()),
        DueWork::Expire(entry) => {
            let push = Push::Expire { user: entry.user.clone(), at: due.at };
            let command = PushCommand::new(entry.app, entry.id.stream.to_string(), push);
            context.pushes.send(&command, delay_until(due.at, now)).await.map_err(SweepError::from)
        }
        DueWork::NotificationChannel(id) => {
            let command = PushCommand::for_channel(id, true);
            context.pushes.send(&command, delay_until(due.at, now)).await.map_err(SweepError::from)
        }
        DueWork::Escalate(entry) => {
            escalation::escalate_if_unread(&context.table, entry, due.at, now).await.map_err(SweepError::from)
        }
    };
    let outcome = match worked {
        Ok(()) => context.table.delete_due(due).await.map_err(SweepError::from),
        Err(error) => Err(error),
    };
    outcome.inspect_err(|it| tracing::warn!(error = %Chain(it), "what fell due waits for the next run")).is_ok()
}

/// The delivery of an entry with its delay at the time `at`; `None` for other work.
fn delivery(due: &DueEntry, at: i64) -> Option<(&Delivery, Duration)> {
    let DueWork::Delivery(delivery) = &due.work else { return None };
    Some((delivery, Duration::milliseconds((due.at - at).max(0))))
}
