//! Removes what was written of an erased result at its item's source (processors, section 10), and what a worker has made of
//! a job without knowing that it was given up.

use domain::command::ProcessCommand;
use domain::item::Item;
use domain::processor::ProcessorKind;
use entry::MessageError;
use time::Duration;

use crate::context::Context;
use crate::{admission, results, source};

/// How long the removal waits while the job is done again.
const WAIT: Duration = Duration::minutes(5);

/// Removes what was written of the result of an attempt; not if a later one has replaced it.
///
/// # Errors
/// Something could not be removed: the message is received again, and all is tried again.
pub(crate) async fn run(
    context: &Context,
    command: &ProcessCommand,
    item: Item,
    attempt: u32,
) -> Result<(), MessageError> {
    let (job, processor) = (item.job(command.processor), command.processor);
    if !job.state.is_final() {
        // only its end shows whether a new result replaces the old one
        return Ok(context.process_queue.send(command, WAIT).await?);
    }
    if job.attempt != attempt && job.results.is_some() {
        return Ok(());
    }
    let settings = admission::settings(context, item.app).await?;
    let bucket = source::bucket_of(context, &item).await?;
    source::remove_written(context, &settings, &item, processor, bucket).await?;
    tracing::info!(item.id = %item.id, "what {} had written of {} is removed", processor.name(), item.display_name());
    Ok(())
}

/// Removes what a worker that has lost its job may have stored, if the job is given up: it was cancelled, and perhaps its
/// results were erased, while the worker did not know of it. What it has written at the source is removed by a command.
///
/// # Errors
/// The table, the results bucket or the queue fails.
pub(crate) async fn undo(context: &Context, lost: &Item, processor: ProcessorKind) -> Result<(), MessageError> {
    let Some(item) = context.table.item(lost.id).await? else { return Ok(()) };
    let job = item.job(processor);
    if !job.is_given_up() || !results::remove(context, &item, processor).await? {
        return Ok(());
    }
    tracing::info!(item.id = %item.id, "what {} has stored of {} too late is removed", processor.name(), item.display_name());
    Ok(context.process_queue.send(&ProcessCommand::removal(item.id, &job), Duration::ZERO).await?)
}
