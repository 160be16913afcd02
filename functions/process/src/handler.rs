//! Claim, work under the lease, commit.

use std::sync::Arc;

use domain::address::Allowed;
use domain::item::{Item, Problem, Status, URGENT};
use domain::order::ProcessOrder;
use domain::processing::{Plan, claim, complete, fail, postpone, skip};
use domain::settings::Settings;
use entry::{AppSettings, Failure, Message, Meter, Queue, Secrets, clock};
use iconik::Connections;
use media::program::Program;
use table::{Committed, Table};
use time::Duration;

use crate::limits::{self, Gate};
use crate::pipeline::{self, End};
use crate::{iconik_work, lease};

/// What the handler works with.
pub(crate) struct Parts {
    pub(crate) table: Table,
    pub(crate) settings: AppSettings,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) connections: Connections,
    /// Its own queues, for what has to wait.
    pub(crate) queue: Queue,
    pub(crate) urgent: Queue,
    pub(crate) s3: aws_sdk_s3::Client,
    /// The bucket of results.
    pub(crate) results: String,
    pub(crate) lease: Duration,
    /// What decodes videos, and the memory for it.
    pub(crate) ffmpeg: Program,
    pub(crate) allowed: Allowed,
    pub(crate) meter: Meter,
}

/// Handles an order. One that has been overtaken (done, held by another worker, ordered twice) is acknowledged: the
/// item's row says what becomes of it, and `sweep` returns it if its worker has gone silent. One that may not be worked on
/// now comes again later.
pub(crate) async fn handle(parts: &Parts, message: Message) -> Result<(), Failure> {
    let order: ProcessOrder = message.order("order to process")?;
    let Some(item) = parts.table.item(order.item).await?.filter(|it| it.status == Status::Pending) else {
        return Ok(());
    };
    let settings = parts.settings.of(item.app).await?;
    let slot = match limits::enter(parts, &settings, &item, clock::now()).await? {
        Gate::Open(slot) => slot,
        Gate::Later(delay, why) => {
            tracing::debug!(item.id = %item.id, "{} waits: {why}", item.name());
            let queue = if item.priority >= URGENT { &parts.urgent } else { &parts.queue };
            return Ok(queue.send(&order, delay).await?);
        }
    };
    let (app, holder) = (item.app, item.id.to_string());
    let done = work(parts, &settings, item, slot).await;
    if let Some(slot) = slot {
        parts.table.free_slot(app, slot, &holder).await?;
    }
    done
}

/// Works on an item, in its place if there are places.
async fn work(parts: &Parts, settings: &Arc<Settings>, item: Item, slot: Option<u32>) -> Result<(), Failure> {
    let now = clock::now();
    let Some(held) = claim(now, &item, parts.lease) else { return Ok(()) };
    if parts.table.commit(&held, now).await? == Committed::Overtaken {
        return Ok(());
    }
    let mut item = held.item;
    limits::count(parts, settings, &item, now).await?;
    tracing::info!(item.id = %item.id, key = %item.key, attempt = item.attempts, "processing {}", item.name());
    let held = item.clone();
    let Some(end) = lease::held(parts, &held, slot, pipeline::run(parts, settings, &mut item)).await else {
        tracing::warn!(item.id = %held.id, "the lease of {} was lost; another worker has it", held.name());
        return Ok(());
    };
    let plan = plan(&item, end?);
    tell(&plan.item);
    if matches!(plan.item.status, Status::Failed | Status::Skipped) {
        iconik_work::close_job(parts, settings, &plan.item).await;
    }
    parts.table.commit(&plan, clock::now()).await?;
    Ok(())
}

fn plan(item: &Item, end: End) -> Plan {
    let now = clock::now();
    match end {
        End::Done(results) => complete(now, item, results),
        End::Skip(problem) => skip(now, item, problem),
        End::Fail(problem) => fail(now, item, problem, false),
        End::Again(problem) => fail(now, item, problem, true),
        End::Postpone(problem) => postpone(now, item, problem, None),
        End::Wait(problem, seconds) => postpone(now, item, problem, Some(seconds)),
    }
}

fn tell(item: &Item) {
    let why = item.error.as_ref().map_or("", |it: &Problem| it.message.as_str());
    match (item.status, &item.results) {
        (Status::Completed, Some(it)) => {
            let faces = if it.faces == 1 { "1 face".to_owned() } else { format!("{} faces", it.faces) };
            tracing::info!(item.id = %item.id, faces = it.faces, "completed {}: {faces}", item.name());
        }
        (Status::Pending, _) => {
            tracing::warn!(item.id = %item.id, error = why, "{} will be tried again: {why}", item.name())
        }
        (status, _) => tracing::warn!(item.id = %item.id, error = why, "{} is {}: {why}", item.name(), status.name()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_events_decode() {
        let event: serde_json::Value =
            serde_json::from_str(include_str!("../../../events/process.faces.json")).unwrap();
        serde_json::from_str::<ProcessOrder>(event["Records"][0]["body"].as_str().unwrap()).unwrap();
    }
}
