//! Items: queues the processing of those that are Pending, and counts every change.

use std::collections::BTreeMap;

use domain::AppId;
use domain::bucket::ProcessorKind;
use domain::command::ProcessCommand;
use domain::item::{ItemStatus, URGENT_PRIORITY};
use domain::processing::retry_delay;
use entry::queue::QueueError;
use table::{ItemChange, TableError, Tally};

use crate::context::Context;

/// Queues items that have become Pending for their processor. Items of urgent priority have a queue of their own, so that
/// they do not wait behind a scan.
pub(crate) async fn enqueue_pending(context: &Context, changes: &[ItemChange]) -> Result<(), QueueError> {
    let pending =
        changes.iter().filter(|it| it.item.status == ItemStatus::Pending && it.before != Some(ItemStatus::Pending));
    let (mut normal, mut urgent) = (Vec::new(), Vec::new());
    for change in pending.filter(|it| it.item.processor == ProcessorKind::FacialRecognition) {
        let commands = if change.item.priority >= URGENT_PRIORITY { &mut urgent } else { &mut normal };
        commands.push((ProcessCommand { v: 1, item: change.item.id }, retry_delay(&change.item)));
    }
    context.faces_urgent.send_all(&urgent).await?;
    context.faces.send_all(&normal).await
}

/// Counts changes of status, in one row per application and batch.
pub(crate) async fn count(context: &Context, changes: &[ItemChange], at: i64, batch: &str) -> Result<(), TableError> {
    let mut tallies: BTreeMap<AppId, Tally> = BTreeMap::new();
    for change in changes.iter().filter(|it| it.before != Some(it.item.status)) {
        tallies.entry(change.item.app).or_default().change(change.before, change.item.status);
    }
    for (app, tally) in tallies {
        context.table.put_tally(app, &tally, at, batch).await?;
    }
    Ok(())
}
