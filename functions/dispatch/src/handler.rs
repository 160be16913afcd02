//! A batch of the stream: read, order, deliver, count.

use aws_lambda_events::event::dynamodb::EventRecord;
use domain::image::Process;
use domain::order::RenderOrder;
use entry::{Chain, Outlets, Queue};
use table::{Batch, Changed, Marked, Record, Table, read_record};
use time::{Duration, OffsetDateTime};

use crate::pushes::Presence;
use crate::{inboxes, items, notifications, pushes};

/// What the handler works with.
pub(crate) struct Parts {
    pub(crate) table: Table,
    pub(crate) faces: Queue,
    pub(crate) faces_urgent: Queue,
    pub(crate) outlets: Outlets,
    pub(crate) pushes: Queue,
    pub(crate) renders: Queue,
    /// Which applications have sockets.
    pub(crate) presence: Presence,
    pub(crate) dead: Queue,
}

/// Handles all records, or answers the first one's sequence number, from which Lambda repeats. A record that cannot be
/// read is parked: repeating would not help it, and all behind it would wait.
pub(crate) async fn handle(parts: &Parts, now: OffsetDateTime, records: Vec<EventRecord>) -> Result<(), String> {
    let Some(first) = records.first() else { return Ok(()) };
    let sequence = first.change.sequence_number.clone().unwrap_or_default();
    let at = first.change.approximate_creation_date_time.timestamp_millis();
    let (mut changed, mut told, mut marked): (Vec<Changed>, Vec<Batch>, Vec<Marked>) = Default::default();
    let mut asked: Vec<RenderOrder> = Vec::new();
    for record in records {
        let key = serde_json::to_string(&record.change.keys).unwrap_or_default();
        match read_record(record) {
            Ok(Record::Item(it)) => changed.push(*it),
            Ok(Record::Told(it)) => told.push(it),
            Ok(Record::Marked(it)) => marked.push(it),
            Ok(Record::Asked(it)) => asked.extend(renders(&it)),
            Ok(Record::Other) => {}
            Err(error) => {
                let reason = Chain(&error).to_string();
                tracing::error!(error = %reason, "a record goes to the dead letters: {reason}");
                let parked = parts.dead.park(&key, &reason, "dispatch").await;
                parked.map_err(|it| failed(&it, &sequence))?;
            }
        }
    }
    let renders: Vec<(RenderOrder, Duration)> = asked.into_iter().map(|it| (it, Duration::ZERO)).collect();
    parts.renders.send_all(&renders).await.map_err(|it| failed(&it, &sequence))?;
    items::order(parts, &changed).await.map_err(|it| failed(&it, &sequence))?;
    pushes::order(parts, now, &told, marked).await.map_err(|it| failed(it.as_ref(), &sequence))?;
    notifications::list(parts, &told, at, &sequence).await.map_err(|it| failed(&it, &sequence))?;
    inboxes::follow(parts, now, &told).await.map_err(|it| failed(it.as_ref(), &sequence))?;
    notifications::deliver(parts, told, now).await.map_err(|it| failed(it.as_ref(), &sequence))?;
    items::count(parts, &changed, at, &sequence).await.map_err(|it| failed(&it, &sequence))
}

/// One order per rendition that was asked for.
fn renders(it: &Process) -> impl Iterator<Item = RenderOrder> {
    it.tasks.iter().map(|task| RenderOrder { v: 1, app: it.app, process: it.id.clone(), task: task.id.clone() })
}

fn failed(error: &(dyn std::error::Error + 'static), sequence: &str) -> String {
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
        let read: Vec<Result<Record, table::TableError>> = event.records.into_iter().map(read_record).collect();
        assert!(matches!(&read[0], Ok(Record::Item(it)) if it.before.is_none() && it.item.key == "a.jpg"));
        assert!(matches!(&read[1], Ok(Record::Told(it)) if it.notifications[0].kind == "item.found"));
        assert_eq!(read[2].as_ref().unwrap_err().to_string(), "the item row `x y` is corrupt");
    }
}
