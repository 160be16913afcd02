//! Items: those that are Pending are ordered, and every change is counted.

use std::collections::BTreeMap;

use domain::AppId;
use domain::bucket::ProcessorKind;
use domain::command::ProcessCommand;
use domain::item::{ItemStatus, URGENT_PRIORITY};
use domain::processing::retry_delay;
use entry::queue::QueueError;
use table::{ItemChange, TableError, Tally};

use crate::handler::Context;

/// Orders what has become Pending, each processor on its queues: what somebody waits for on the short one.
pub(crate) async fn enqueue_pending(parts: &Context, changed: &[ItemChange]) -> Result<(), QueueError> {
    let pending =
        changed.iter().filter(|it| it.item.status == ItemStatus::Pending && it.before != Some(ItemStatus::Pending));
    let (mut usual, mut urgent) = (Vec::new(), Vec::new());
    for it in pending.filter(|it| it.item.processor == ProcessorKind::FacialRecognition) {
        let lane = if it.item.priority >= URGENT_PRIORITY { &mut urgent } else { &mut usual };
        lane.push((ProcessCommand { v: 1, item: it.item.id }, retry_delay(&it.item)));
    }
    parts.faces_urgent.send_all(&urgent).await?;
    parts.faces.send_all(&usual).await
}

/// Counts changes of state, one row per application and batch.
pub(crate) async fn count(parts: &Context, changed: &[ItemChange], at: i64, batch: &str) -> Result<(), TableError> {
    let mut tallies: BTreeMap<AppId, Tally> = BTreeMap::new();
    for it in changed.iter().filter(|it| it.before != Some(it.item.status)) {
        tallies.entry(it.item.app).or_default().change(it.before, it.item.status);
    }
    for (app, tally) in tallies {
        parts.table.put_tally(app, &tally, at, batch).await?;
    }
    Ok(())
}
