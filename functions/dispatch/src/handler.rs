//! Handles a batch of the table's stream: decodes its records, queues the work, counts the changes.

use std::error::Error;

use aws_lambda_events::event::dynamodb::EventRecord;
use domain::command::RenderCommand;
use domain::image::RenderProcess;
use entry::Chain;
use table::{ItemChange, NotificationBatch, ReadStateChange, StreamRecord, read_record};
use time::{Duration, OffsetDateTime};

use crate::context::Context;
use crate::{inboxes, items, notifications, pushes};

/// Handles all records. If that fails, returns the first one's sequence number, from which Lambda retries. A record that
/// cannot be decoded becomes a dead letter: a retry does not help it, and would hold up all records behind it.
pub(crate) async fn handle(context: &Context, now: OffsetDateTime, records: Vec<EventRecord>) -> Result<(), String> {
    let Some(first) = records.first() else { return Ok(()) };
    let sequence = first.change.sequence_number.clone().unwrap_or_default();
    let at = first.change.approximate_creation_date_time.timestamp_millis();
    handle_batch(context, now, records, at, &sequence).await.map_err(|error| {
        tracing::warn!(error = %Chain(error.as_ref()), "the batch from {sequence} on will be retried");
        sequence
    })
}

/// Handles a batch whose first record has the time `at` (milliseconds since 1970) and this sequence number.
async fn handle_batch(
    context: &Context,
    now: OffsetDateTime,
    records: Vec<EventRecord>,
    at: i64,
    sequence: &str,
) -> Result<(), Box<dyn Error>> {
    let (mut changes, mut published): (Vec<ItemChange>, Vec<NotificationBatch>) = Default::default();
    let (mut read_states, mut renders): (Vec<ReadStateChange>, Vec<(RenderCommand, Duration)>) = Default::default();
    for record in records {
        let key = serde_json::to_string(&record.change.keys).unwrap_or_default();
        match read_record(record) {
            Ok(StreamRecord::Item(change)) => changes.push(*change),
            Ok(StreamRecord::Published(batch)) => published.push(batch),
            Ok(StreamRecord::ReadStateChanged(change)) => read_states.push(change),
            Ok(StreamRecord::RenderRequested(process)) => renders.extend(render_commands(&process)),
            Ok(StreamRecord::Other) => {}
            Err(error) => {
                let reason = Chain(&error).to_string();
                tracing::error!(error = %reason, "a record goes to the dead letters: {reason}");
                context.dead_letters.send_dead_letter(&key, &reason, "dispatch").await?;
            }
        }
    }
    context.renders.send_all(&renders).await?;
    items::enqueue_waiting(context, &changes).await?;
    let unpushed = pushes::enqueue(context, now, &published, read_states).await?;
    notifications::record_recent(context, &unpushed, at, sequence).await?;
    inboxes::process(context, now, &published).await?;
    notifications::deliver(context, published, now).await?;
    Ok(items::count(context, &changes, at, sequence).await?)
}

/// A command for each image task, without delay.
fn render_commands(process: &RenderProcess) -> impl Iterator<Item = (RenderCommand, Duration)> {
    process.tasks.iter().map(|task| {
        let command = RenderCommand { v: 1, app: process.app, process: process.id.clone(), task: task.id.clone() };
        (command, Duration::ZERO)
    })
}

#[cfg(test)]
mod tests {
    use aws_lambda_events::event::dynamodb::Event;

    use super::*;

    #[test]
    fn its_events_decode_and_a_corrupt_row_names_itself() {
        let event = include_str!("../../../events/dispatch.item-notification-corrupt.json");
        let event: Event = serde_json::from_str(event).unwrap();
        let read: Vec<Result<StreamRecord, table::TableError>> = event.records.into_iter().map(read_record).collect();
        assert!(matches!(&read[0], Ok(StreamRecord::Item(it)) if it.before.is_none() && it.item.key == "a.jpg"));
        assert!(matches!(&read[1], Ok(StreamRecord::Published(it)) if it.notifications[0].kind == "item.found"));
        assert_eq!(read[2].as_ref().unwrap_err().to_string(), "the item row `x y` is corrupt");
    }
}
