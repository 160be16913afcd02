//! Deliveries that were queued before their notifications were stored ([`domain::command::PendingWrite`]): each waits for its write, takes
//! the id that the notification has got, and is dropped if the write never came.

use std::collections::HashMap;
use std::time::Duration;

use domain::command::Delivery;
use domain::notification::{NotificationId, Position, Stream};
use domain::{AppId, millis};
use entry::{MessageError, clock};
use table::TableError;
use time::OffsetDateTime;

use crate::context::Context;

/// A write that has not come by this time, in milliseconds, never comes: its function has at most 30 seconds (the template's
/// timeout), and clocks differ. Its caller was not answered with a success.
const MAX_AGE_MS: i64 = 120_000;
/// The pauses before the write is looked for again, in milliseconds: it follows its deliveries at once.
const PAUSES_MS: [u64; 4] = [5, 15, 40, 80];
/// When a delivery whose write has not come yet is attempted again.
const RETRY_DELAY: time::Duration = time::Duration::seconds(2);

/// What is known of the write of a delivery.
pub(crate) enum PendingState {
    /// It is stored: the delivery has its notification's id, or never was pending.
    Stored,
    /// It has not come, and the delivery is queued again or dropped.
    Settled,
    /// The table cannot be read, or the queue not be written, and why.
    Failed(String),
}

/// Looks for the writes of a batch, and gives the deliveries the ids that their notifications have got. One state per
/// delivery, in their order.
pub(crate) async fn resolve(
    context: &Context,
    deliveries: &mut [Result<Delivery, MessageError>],
    now: OffsetDateTime,
) -> Vec<PendingState> {
    let writes = deliveries.iter().flatten().filter_map(|it| Some((it.app, it.pending.as_ref()?)));
    // the deliveries of one write differ in nothing that matters here
    let pending: HashMap<(AppId, String), u64> =
        writes.map(|(app, write)| ((app, write.write_id.clone()), write.first)).collect();
    if pending.is_empty() {
        return deliveries.iter().map(|_| PendingState::Stored).collect();
    }
    let found = find(context, &pending).await;
    let mut states = Vec::with_capacity(deliveries.len());
    for delivery in deliveries.iter_mut() {
        states.push(match (delivery, &found) {
            (Ok(delivery), _) if delivery.pending.is_none() => PendingState::Stored,
            (Ok(delivery), Ok(found)) => settle(context, delivery, found, now).await,
            (Ok(_), Err(error)) => PendingState::Failed(error.to_string()),
            (Err(_), _) => PendingState::Stored, // the message itself is refused
        });
    }
    states
}

/// The positions of the writes that are stored, by application and id. `pending` has the number at which each is expected.
async fn find(
    context: &Context,
    pending: &HashMap<(AppId, String), u64>,
) -> Result<HashMap<(AppId, String), Position>, TableError> {
    let expected: Vec<(AppId, u64)> = pending.iter().map(|((app, _), first)| (*app, *first)).collect();
    let mut found = context.table.stored_writes(&expected).await?;
    for pause_ms in PAUSES_MS.map(Some).into_iter().chain([None]) {
        let mut missing = false;
        for (key, first) in pending.iter().filter(|(key, _)| !found.contains_key(*key)).collect::<Vec<_>>() {
            match context.table.find_write(key.0, &Stream::App, *first, &key.1).await? {
                Some(position) => drop(found.insert(key.clone(), position)),
                None => missing = true,
            }
        }
        match pause_ms {
            Some(pause_ms) if missing => clock::pause(Duration::from_millis(pause_ms)).await,
            _ => break,
        }
    }
    Ok(found)
}

async fn settle(
    context: &Context,
    delivery: &mut Delivery,
    found: &HashMap<(AppId, String), Position>,
    now: OffsetDateTime,
) -> PendingState {
    let Some(write) = &delivery.pending else { return PendingState::Stored };
    if let Some(position) = found.get(&(delivery.app, write.write_id.clone())) {
        let id = &delivery.notification.id;
        let sequence = position.sequence + id.sequence.saturating_sub(write.first);
        delivery.notification.id = NotificationId::new(Stream::App, Position { sequence, ..*position });
        delivery.pending = None;
        return PendingState::Stored;
    }
    if millis(now) - write.at > MAX_AGE_MS {
        tracing::info!("a notification that was to be delivered was never stored; its publisher was not answered");
        return PendingState::Settled;
    }
    match context.queue.send_deliveries(&[(&*delivery, RETRY_DELAY)]).await {
        Ok(()) => PendingState::Settled,
        Err(error) => PendingState::Failed(error.to_string()),
    }
}
