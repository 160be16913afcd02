//! Removes what was written of an erased result at its item's source (processors, section 10).

use domain::command::ProcessCommand;
use domain::item::Item;
use entry::MessageError;
use time::Duration;

use crate::admission;
use crate::context::Context;
use crate::source;

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
