//! A batch of the stream: read, order, deliver, count.

use aws_lambda_events::event::dynamodb::EventRecord;
use domain::command::RenderCommand;
use domain::image::RenderProcess;
use entry::{Chain, DeliveryQueues, Queue};
use table::{ItemChange, NotificationBatch, ReadStateChange, StreamRecord, Table, read_record};
use time::{Duration, OffsetDateTime};

use crate::pushes::Presence;
use crate::{inboxes, items, notifications, pushes};

/// What the handler works with.
pub(crate) struct Context {
    pub(crate) table: Table,
    pub(crate) faces: Queue,
    pub(crate) faces_urgent: Queue,
    pub(crate) delivery_queues: DeliveryQueues,
    pub(crate) pushes: Queue,
    pub(crate) renders: Queue,
    /// Which applications have sockets.
    pub(crate) presence: Presence,
    pub(crate) dead: Queue,
}

/// Handles all records, or answers the first one's sequence number, from which Lambda repeats. A record that cannot be
/// read is parked: repeating would not help it, and all behind it would wait.
pub(crate) async fn handle(parts: &Context, now: OffsetDateTime, records: Vec<EventRecord>) -> Result<(), String> {
    let Some(first) = records.first() else { return Ok(()) };
    let sequence = first.change.sequence_number.clone().unwrap_or_default();
    let at = first.change.approximate_creation_date_time.timestamp_millis();
    let (mut changed, mut told, mut marked): (Vec<ItemChange>, Vec<NotificationBatch>, Vec<ReadStateChange>) =
        Default::default();
    let mut asked: Vec<RenderCommand> = Vec::new();
    for record in records {
        let key = serde_json::to_string(&record.change.keys).unwrap_or_default();
        match read_record(record) {
            Ok(StreamRecord::Item(it)) => changed.push(*it),
            Ok(StreamRecord::Published(it)) => told.push(it),
            Ok(StreamRecord::ReadStateChanged(it)) => marked.push(it),
            Ok(StreamRecord::RenderRequested(it)) => asked.extend(render_commands(&it)),
            Ok(StreamRecord::Other) => {}
            Err(error) => {
                let reason = Chain(&error).to_string();
                tracing::error!(error = %reason, "a record goes to the dead letters: {reason}");
                let parked = parts.dead.send_dead_letter(&key, &reason, "dispatch").await;
                parked.map_err(|it| retry_from(&it, &sequence))?;
            }
        }
    }
    let renders: Vec<(RenderCommand, Duration)> = asked.into_iter().map(|it| (it, Duration::ZERO)).collect();
    parts.renders.send_all(&renders).await.map_err(|it| retry_from(&it, &sequence))?;
    items::enqueue_pending(parts, &changed).await.map_err(|it| retry_from(&it, &sequence))?;
    pushes::enqueue(parts, now, &told, marked).await.map_err(|it| retry_from(it.as_ref(), &sequence))?;
    notifications::record_recent(parts, &told, at, &sequence).await.map_err(|it| retry_from(&it, &sequence))?;
    inboxes::process(parts, now, &told).await.map_err(|it| retry_from(it.as_ref(), &sequence))?;
    notifications::deliver(parts, told, now).await.map_err(|it| retry_from(it.as_ref(), &sequence))?;
    items::count(parts, &changed, at, &sequence).await.map_err(|it| retry_from(&it, &sequence))
}

/// One order per rendition that was asked for.
fn render_commands(it: &RenderProcess) -> impl Iterator<Item = RenderCommand> {
    it.tasks.iter().map(|task| RenderCommand { v: 1, app: it.app, process: it.id.clone(), task: task.id.clone() })
}

fn retry_from(error: &(dyn std::error::Error + 'static), sequence: &str) -> String {
    tracing::warn!(error = %Chain(error), "the batch from {sequence} on comes again");
    sequence.to_owned()
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
