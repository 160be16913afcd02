//! Handles a `RenderCommand`: opens the picture, makes the rendition, ends the task and publishes its notification in one
//! transaction.

use aws_sdk_s3::primitives::ByteStream;
use domain::command::RenderCommand;
use domain::image::{RenderProcess, RenderTask, TASK_ENDED, result_key};
use entry::{Chain, Message, MessageError};
use render::RenderOptions;
use table::CommitOutcome;
use time::OffsetDateTime;

use crate::context::Context;
use crate::error::RenderTaskError;
use crate::source;

/// At this receive count the task fails instead of being tried again.
const MAX_RECEIVES: u32 = 4;
/// Tries to commit a process while other tasks of it end at the same time.
const MAX_COMMIT_ATTEMPTS: usize = 30;

/// Handles a `RenderCommand`. A command whose task has ended already is acknowledged without work.
pub(crate) async fn handle(context: &Context, now: OffsetDateTime, message: Message) -> Result<(), MessageError> {
    let command: RenderCommand = message.command("render command")?;
    let Some(process) = context.table.process(command.app, &command.process).await? else { return Ok(()) };
    let open = |task: &&RenderTask| task.id == command.task && task.state != TASK_ENDED;
    let Some(task) = process.tasks.iter().find(open) else { return Ok(()) };
    let rendered = tokio::time::timeout(context.deadline, render_task(context, &process, task)).await;
    let outcome = match rendered.unwrap_or_else(|_| Err(RenderTaskError::Transient("it took too long".to_owned()))) {
        Ok(size) => Ok(size),
        Err(RenderTaskError::Permanent(reason)) => Err(reason),
        Err(RenderTaskError::Transient(reason)) if message.receive_count >= MAX_RECEIVES => {
            // the caller does not see internal causes
            tracing::error!(process.id = %process.id, "given up after {} tries: {reason}", message.receive_count);
            Err(format!("the picture could not be fetched or made in {} tries", message.receive_count))
        }
        Err(RenderTaskError::Transient(reason)) => return Err(MessageError::Retry(reason.into())),
    };
    let (name, ..) = task.rendition();
    match &outcome {
        Ok(size) => tracing::info!(process.id = %process.id, size, "{name} of process {} is done", process.id),
        Err(reason) => tracing::warn!(process.id = %process.id, "{name} of process {} failed: {reason}", process.id),
    }
    end_task(context, process, &command.task, outcome, now).await
}

/// Makes the rendition and stores it in the results bucket. Returns its size in bytes.
async fn render_task(context: &Context, process: &RenderProcess, task: &RenderTask) -> Result<u64, RenderTaskError> {
    let (picture, faces) = source::open_picture(context, process).await?;
    let (_, width, height) = task.rendition();
    let (headline, colour) = (process.headline.clone(), process.colour.unwrap_or([255, 255, 255]));
    let (format, quality) = (process.format, process.quality);
    let rendered = tokio::task::spawn_blocking(move || {
        let picture = media::picture::flattened_over_white(&picture);
        let options = RenderOptions { width, height, headline: headline.as_deref(), colour, format, quality };
        render::render(&picture, &faces, options)
    });
    let rendered = rendered.await.map_err(|error| RenderTaskError::Transient(error.to_string()))?;
    let bytes = rendered.map_err(|error| RenderTaskError::Permanent(error.to_string()))?;
    let size = bytes.len() as u64;
    let key = result_key(process.app, &process.id, &task.id);
    let put = context.s3.put_object().bucket(&context.results_bucket).key(key).content_type(format.media_type());
    put.body(ByteStream::from(bytes))
        .send()
        .await
        .map_err(|error| RenderTaskError::Transient(format!("the picture could not be stored: {}", Chain(&error))))?;
    Ok(size)
}

/// Ends a task, and publishes its notifications in the same transaction. On a conflict with another task of the process,
/// reads the process again and repeats.
async fn end_task(
    context: &Context,
    mut process: RenderProcess,
    task: &str,
    outcome: Result<u64, String>,
    now: OffsetDateTime,
) -> Result<(), MessageError> {
    for _ in 0..MAX_COMMIT_ATTEMPTS {
        let Some((next, notifications)) = process.finish_task(task, outcome.clone()) else { return Ok(()) };
        if context.table.commit_process(&next, &notifications, now).await? == CommitOutcome::Committed {
            return Ok(());
        }
        match context.table.process(process.app, &process.id).await? {
            Some(current) => process = current,
            None => return Ok(()),
        }
    }
    Err(MessageError::Retry("the process changes all the time".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_events_decode() {
        let event = include_str!("../../../events/render-image.task.json");
        let event: serde_json::Value = serde_json::from_str(event).unwrap();
        let command: RenderCommand = serde_json::from_str(event["Records"][0]["body"].as_str().unwrap()).unwrap();
        assert_eq!(command.task, "9baa8e55-ddc8-4940-907f-eb5fc81e53f6");
    }
}
