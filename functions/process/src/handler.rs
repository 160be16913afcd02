//! Claim, work under the lease, commit.

use std::sync::Arc;

use domain::command::ProcessCommand;
use domain::item::{Item, ItemStatus, Problem, URGENT_PRIORITY};
use domain::processing::{ItemTransition, claim, complete, fail, postpone, skip};
use domain::settings::Settings;
use domain::ssrf::AllowedNetworks;
use entry::{AppSettings, Failure, Message, Meter, Queue, Secrets, clock};
use iconik::Connections;
use media::ffmpeg::Ffmpeg;
use table::{CommitOutcome, Table};
use time::Duration;

use crate::admission::{self, Admission};
use crate::pipeline::{self, ItemOutcome};
use crate::{iconik_job, lease};

/// What the handler works with.
pub(crate) struct Context {
    pub(crate) table: Table,
    pub(crate) settings: AppSettings,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) connections: Connections,
    /// Its own queues, for what has to wait.
    pub(crate) process_queue: Queue,
    pub(crate) urgent_queue: Queue,
    pub(crate) s3: aws_sdk_s3::Client,
    /// The bucket of results.
    pub(crate) results_bucket: String,
    pub(crate) lease: Duration,
    /// What decodes videos, and the memory for it.
    pub(crate) ffmpeg: Ffmpeg,
    pub(crate) allowed_networks: AllowedNetworks,
    pub(crate) meter: Meter,
}

/// Handles an order. One that has been overtaken (done, held by another worker, ordered twice) is acknowledged: the
/// item's row says what becomes of it, and `sweep` returns it if its worker has gone silent. One that may not be worked on
/// now comes again later.
pub(crate) async fn handle(parts: &Context, message: Message) -> Result<(), Failure> {
    let order: ProcessCommand = message.order("order to process")?;
    let Some(item) = parts.table.item(order.item).await?.filter(|it| it.status == ItemStatus::Pending) else {
        return Ok(());
    };
    let settings = parts.settings.get(item.app).await?;
    let slot = match admission::admit(parts, &settings, &item, clock::now()).await? {
        Admission::Admitted(slot) => slot,
        Admission::RetryLater(delay, why) => {
            tracing::debug!(item.id = %item.id, "{} waits: {why}", item.display_name());
            let queue = if item.priority >= URGENT_PRIORITY { &parts.urgent_queue } else { &parts.process_queue };
            return Ok(queue.send(&order, delay).await?);
        }
    };
    let (app, holder) = (item.app, item.id.to_string());
    let done = process_item(parts, &settings, item, slot).await;
    if let Some(slot) = slot {
        parts.table.release_slot(app, slot, &holder).await?;
    }
    done
}

/// Works on an item, in its place if there are places.
async fn process_item(parts: &Context, settings: &Arc<Settings>, item: Item, slot: Option<u32>) -> Result<(), Failure> {
    let now = clock::now();
    let Some(claimed) = claim(now, &item, parts.lease) else { return Ok(()) };
    if parts.table.commit(&claimed, now).await? == CommitOutcome::Conflict {
        return Ok(());
    }
    let mut item = claimed.item;
    admission::count_usage(parts, settings, &item, now).await?;
    tracing::info!(item.id = %item.id, key = %item.key, attempt = item.attempts, "processing {}", item.display_name());
    let held = item.clone();
    let Some(end) = lease::run_under_lease(parts, &held, slot, pipeline::run(parts, settings, &mut item)).await else {
        tracing::warn!(item.id = %held.id, "the lease of {} was lost; another worker has it", held.display_name());
        return Ok(());
    };
    let plan = plan(&item, end?);
    log_outcome(&plan.item);
    if matches!(plan.item.status, ItemStatus::Failed | ItemStatus::Skipped) {
        iconik_job::close_job(parts, settings, &plan.item).await;
    }
    parts.table.commit(&plan, clock::now()).await?;
    Ok(())
}

fn plan(item: &Item, end: ItemOutcome) -> ItemTransition {
    let now = clock::now();
    match end {
        ItemOutcome::Completed(results) => complete(now, item, results),
        ItemOutcome::Skipped(problem) => skip(now, item, problem),
        ItemOutcome::Failed(problem) => fail(now, item, problem, false),
        ItemOutcome::RetryLater(problem) => fail(now, item, problem, true),
        ItemOutcome::Postponed(problem) => postpone(now, item, problem, None),
        ItemOutcome::PostponedFor(problem, seconds) => postpone(now, item, problem, Some(seconds)),
    }
}

fn log_outcome(item: &Item) {
    let why = item.error.as_ref().map_or("", |it: &Problem| it.message.as_str());
    match (item.status, &item.results) {
        (ItemStatus::Completed, Some(it)) => {
            let faces = if it.faces == 1 { "1 face".to_owned() } else { format!("{} faces", it.faces) };
            tracing::info!(item.id = %item.id, faces = it.faces, "completed {}: {faces}", item.display_name());
        }
        (ItemStatus::Pending, _) => {
            tracing::warn!(item.id = %item.id, error = why, "{} will be tried again: {why}", item.display_name())
        }
        (status, _) => {
            tracing::warn!(item.id = %item.id, error = why, "{} is {}: {why}", item.display_name(), status.name())
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
