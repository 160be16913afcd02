//! Claim a job of an item, work on it under the lease, commit the outcome.

use std::sync::Arc;

use domain::bucket::Bucket;
use domain::command::ProcessCommand;
use domain::item::{Item, ItemStatus, URGENT_PRIORITY};
use domain::job::{Job, JobState};
use domain::processing::{claim, claim_collection, held};
use domain::processor::{Backend, ProcessorKind};
use domain::settings::Settings;
use entry::{Message, MessageError, clock};

use crate::admission::{self, Admission};
use crate::commit::commit;
use crate::context::Context;
use crate::{forget, iconik_job, lease, pipeline, remote, source};

/// Handles a `ProcessCommand`.
///
/// A command whose job does not wait any more, or is held by another worker, is acknowledged without work: the item's row
/// holds the job's state, and `sweep` releases the job when the lease of a dead worker has expired. A command that is not
/// admitted now goes back to its queue with a delay.
pub(crate) async fn handle(context: &Context, message: Message) -> Result<(), MessageError> {
    let command: ProcessCommand = message.command("process command")?;
    let Some(item) = context.table.item(command.item).await? else { return Ok(()) };
    if let Some(attempt) = command.forget {
        return forget::run(context, &command, item, attempt).await;
    }
    let job = item.job(command.processor);
    if job.state == JobState::Running {
        return remote::ask(context, item, &job).await;
    }
    if !job.is_waiting() || !item.processor.contains(command.processor) {
        return Ok(());
    }
    let settings = admission::settings(context, item.app).await?;
    if job.state == JobState::Collecting {
        return work(context, &settings, item, &job, None).await;
    }
    let slot = match admission::admit(context, &settings, &item, &job, clock::now()).await? {
        Admission::Admitted(slot) => slot,
        Admission::RetryLater(delay, reason) => {
            tracing::debug!(item.id = %item.id, "{} waits: {reason}", item.display_name());
            let urgent = item.priority >= URGENT_PRIORITY;
            let queue = if urgent { &context.urgent_queue } else { &context.process_queue };
            return Ok(queue.send(&command, delay).await?);
        }
    };
    let (app, holder) = (item.app, admission::slot_holder(&item, command.processor));
    let worked = work(context, &settings, item, &job, slot).await;
    if let Some(slot) = slot {
        context.table.release_slot(app, slot, &holder).await?;
    }
    worked
}

/// Claims the job, works on it, and commits the outcome. `slot` is the concurrency slot that the job holds, if the
/// application limits its threads.
async fn work(
    context: &Context,
    settings: &Arc<Settings>,
    item: Item,
    job: &Job,
    slot: Option<u32>,
) -> Result<(), MessageError> {
    let (processor, bucket) = (job.processor, source::bucket_of(context, &item).await?);
    let backend = backend_of(settings, bucket.as_ref(), processor);
    let collects = job.state == JobState::Collecting;
    let claimed = commit(context, item, |item| match collects {
        true => claim_collection(clock::now(), item, processor, context.lease),
        false => claim(clock::now(), item, processor, backend, context.lease),
    });
    let Some(mut item) = claimed.await? else { return Ok(()) };
    let job = item.job(processor);
    if !collects {
        admission::count_usage(context, settings, &item, &job, clock::now()).await?;
    }
    let (name, attempt) = (item.display_name().to_owned(), job.attempt);
    tracing::info!(item.id = %item.id, key = %item.key, attempt, "processing {name} by {}", processor.name());
    let (hold, held_item) = (job.hold(), item.clone());
    let work = pipeline::run(context, settings, &mut item, &job, bucket);
    let Some(outcome) = lease::run_under_lease(context, &held_item, hold, slot, work).await else {
        tracing::warn!(item.id = %held_item.id, "the lease of {name} was lost; another worker has it, or it is cancelled");
        return forget::undo(context, &held_item, processor).await;
    };
    let outcome = outcome?;
    let ended = commit(context, item, |item| Some(outcome.clone().transition(clock::now(), item, held(item, hold)?)));
    let Some(item) = ended.await? else { return forget::undo(context, &held_item, processor).await };
    let job = item.job(processor);
    log_outcome(&item, &job);
    if matches!(job.state.item_status(), ItemStatus::Failed | ItemStatus::Skipped) {
        iconik_job::close_job(context, settings, &item, &job).await;
    }
    if job.state.is_final() {
        remote::remove_staged(context, &item, &job).await;
    }
    Ok(())
}

/// Where a processor runs for an item: as its bucket or the application has chosen.
fn backend_of(settings: &Settings, bucket: Option<&Bucket>, processor: ProcessorKind) -> Backend {
    let chosen = bucket.map(|it| it.settings.backends).unwrap_or_default();
    chosen.effective(&settings.backends, processor)
}

fn log_outcome(item: &Item, job: &Job) {
    let (name, processor) = (item.display_name(), job.processor.name());
    let reason = job.error.as_ref().map_or("", |problem| problem.message.as_str());
    match (job.state, &job.results) {
        (JobState::Succeeded, Some(results)) if job.processor == ProcessorKind::FacialRecognition => {
            let faces = if results.faces == 1 { "1 face".to_owned() } else { format!("{} faces", results.faces) };
            tracing::info!(item.id = %item.id, faces = results.faces, "completed {name}: {faces}");
        }
        (JobState::Succeeded, _) => tracing::info!(item.id = %item.id, "completed {name}: {processor}"),
        (JobState::Running, _) => tracing::info!(item.id = %item.id, "{processor} works on {name}"),
        (JobState::Queued | JobState::Collecting, _) => {
            tracing::warn!(item.id = %item.id, error = reason, "{name} will be tried again: {reason}");
        }
        (state, _) => {
            tracing::warn!(item.id = %item.id, error = reason, "{processor} of {name} is {}: {reason}", state.name());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(event: &str) -> ProcessCommand {
        let event: serde_json::Value = serde_json::from_str(event).unwrap();
        serde_json::from_str(event["Records"][0]["body"].as_str().unwrap()).unwrap()
    }

    #[test]
    fn its_events_decode() {
        let faces = command(include_str!("../../../events/process.faces.json"));
        assert_eq!(faces.processor, ProcessorKind::FacialRecognition, "commands of before name no processor");
        let objects = command(include_str!("../../../events/process.objects.json"));
        assert_eq!((objects.processor, objects.forget), (ProcessorKind::ObjectDetection, None));
        let removal = command(include_str!("../../../events/process.removal.json"));
        let job = Job { attempt: 3, ..Job::queued(ProcessorKind::ObjectDetection) };
        assert_eq!(removal, ProcessCommand::removal(removal.item, &job));
    }
}
