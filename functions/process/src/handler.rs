//! Claim an item, work on it under the lease, commit the outcome.

use std::sync::Arc;

use domain::command::ProcessCommand;
use domain::item::{Item, ItemStatus, URGENT_PRIORITY};
use domain::processing::claim;
use domain::settings::Settings;
use entry::{Message, MessageError, clock};
use table::CommitOutcome;

use crate::admission::{self, Admission};
use crate::context::Context;
use crate::{iconik_job, lease, pipeline};

/// Handles a `ProcessCommand`.
///
/// A command whose item is no longer Pending, or is held by another worker, is acknowledged without work: the item's row
/// holds its state, and `sweep` returns the item when the lease of a dead worker has expired. A command that is not
/// admitted now goes back to its queue with a delay.
pub(crate) async fn handle(context: &Context, message: Message) -> Result<(), MessageError> {
    let command: ProcessCommand = message.command("process command")?;
    let Some(item) = context.table.item(command.item).await?.filter(|it| it.status == ItemStatus::Pending) else {
        return Ok(());
    };
    let settings = admission::settings(context, item.app).await?;
    let slot = match admission::admit(context, &settings, &item, clock::now()).await? {
        Admission::Admitted(slot) => slot,
        Admission::RetryLater(delay, reason) => {
            tracing::debug!(item.id = %item.id, "{} waits: {reason}", item.display_name());
            let urgent = item.priority >= URGENT_PRIORITY;
            let queue = if urgent { &context.urgent_queue } else { &context.process_queue };
            return Ok(queue.send(&command, delay).await?);
        }
    };
    let (app, holder) = (item.app, item.id.to_string());
    let processed = process_item(context, &settings, item, slot).await;
    if let Some(slot) = slot {
        context.table.release_slot(app, slot, &holder).await?;
    }
    processed
}

/// Claims the item, works on it, and commits the outcome. `slot` is the concurrency slot that the item holds, if the
/// application limits its threads.
async fn process_item(
    context: &Context,
    settings: &Arc<Settings>,
    item: Item,
    slot: Option<u32>,
) -> Result<(), MessageError> {
    let now = clock::now();
    let Some(claimed) = claim(now, &item, context.lease) else { return Ok(()) };
    if context.table.commit(&claimed, now).await? == CommitOutcome::Conflict {
        return Ok(());
    }
    let mut item = claimed.item;
    admission::count_usage(context, settings, &item, now).await?;
    tracing::info!(item.id = %item.id, key = %item.key, attempt = item.attempts, "processing {}", item.display_name());
    let held = item.clone();
    let work = pipeline::run(context, settings, &mut item);
    let Some(outcome) = lease::run_under_lease(context, &held, slot, work).await else {
        tracing::warn!(item.id = %held.id, "the lease of {} was lost; another worker has it", held.display_name());
        return Ok(());
    };
    let transition = outcome?.transition(clock::now(), &item);
    log_outcome(&transition.item);
    if matches!(transition.item.status, ItemStatus::Failed | ItemStatus::Skipped) {
        iconik_job::close_job(context, settings, &transition.item).await;
    }
    context.table.commit(&transition, clock::now()).await?;
    Ok(())
}

fn log_outcome(item: &Item) {
    let reason = item.error.as_ref().map_or("", |problem| problem.message.as_str());
    match (item.status, &item.results) {
        (ItemStatus::Completed, Some(results)) => {
            let faces = if results.faces == 1 { "1 face".to_owned() } else { format!("{} faces", results.faces) };
            tracing::info!(item.id = %item.id, faces = results.faces, "completed {}: {faces}", item.display_name());
        }
        (ItemStatus::Pending, _) => {
            tracing::warn!(item.id = %item.id, error = reason, "{} will be tried again: {reason}", item.display_name())
        }
        (status, _) => {
            tracing::warn!(item.id = %item.id, error = reason, "{} is {}: {reason}", item.display_name(), status.name())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_events_decode() {
        let event: serde_json::Value =
            serde_json::from_str(include_str!("../../../events/process.faces.json")).unwrap();
        serde_json::from_str::<ProcessCommand>(event["Records"][0]["body"].as_str().unwrap()).unwrap();
    }
}
