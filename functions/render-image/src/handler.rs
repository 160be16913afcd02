//! An order: the picture, its faces, the rendition; then the process is moved on and the news told, together.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use domain::command::RenderCommand;
use domain::image::{RenderProcess, RenderTask, result_key};
use domain::ssrf::AllowedNetworks;
use entry::{AppSettings, Failure, Message, Meter, Secrets};
use iconik::Connections;
use media::ffmpeg::Ffmpeg;
use render::RenderOptions;
use table::{CommitOutcome, Table};
use time::OffsetDateTime;

use crate::source::{self, RenderTaskError};

/// The last try of an order: what went wrong then is told, and not tried again.
const MAX_RECEIVES: u32 = 4;
/// How often a process is moved on while other tasks of it end.
const MAX_COMMIT_ATTEMPTS: usize = 30;

/// What the handler works with.
pub(crate) struct Context {
    pub(crate) table: Table,
    pub(crate) settings: AppSettings,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) connections: Connections,
    pub(crate) s3: aws_sdk_s3::Client,
    /// The bucket of results.
    pub(crate) results_bucket: String,
    /// What decodes videos, and the memory for it.
    pub(crate) ffmpeg: Ffmpeg,
    pub(crate) client: guard::Client,
    /// Shorter than the function's own: it ends in a word, not in silence.
    pub(crate) deadline: Duration,
    pub(crate) allowed_networks: AllowedNetworks,
    pub(crate) meter: Meter,
}

/// Handles an order. A task that has ended is acknowledged: twice is once.
pub(crate) async fn handle(parts: &Context, now: OffsetDateTime, message: Message) -> Result<(), Failure> {
    let order: RenderCommand = message.order("order to render")?;
    let Some(process) = parts.table.process(order.app, &order.process).await? else { return Ok(()) };
    let Some(task) = process.tasks.iter().find(|it| it.id == order.task && it.state != domain::image::TASK_ENDED)
    else {
        return Ok(());
    };
    let made = tokio::time::timeout(parts.deadline, render_task(parts, &process, task)).await;
    let outcome = match made.unwrap_or_else(|_| Err(RenderTaskError::Transient("it took too long".to_owned()))) {
        Ok(size) => Ok(size),
        Err(RenderTaskError::Permanent(why)) => Err(why),
        Err(RenderTaskError::Transient(why)) if message.receive_count >= MAX_RECEIVES => {
            // our own causes are nobody's business
            tracing::error!(process.id = %process.id, "given up after {} tries: {why}", message.receive_count);
            Err(format!("the picture could not be fetched or made in {} tries", message.receive_count))
        }
        Err(RenderTaskError::Transient(why)) => return Err(Failure::Retry(why.into())),
    };
    let (name, ..) = task.rendition();
    match &outcome {
        Ok(size) => tracing::info!(process.id = %process.id, size, "{name} of process {} is done", process.id),
        Err(why) => tracing::warn!(process.id = %process.id, "{name} of process {} failed: {why}", process.id),
    }
    end_task(parts, process, &order.task, outcome, now).await
}

/// Makes the rendition and stores it; answers its size.
async fn render_task(parts: &Context, process: &RenderProcess, task: &RenderTask) -> Result<u64, RenderTaskError> {
    let (picture, faces) = source::open_picture(parts, process).await?;
    let (_, width, height) = task.rendition();
    let (headline, colour) = (process.headline.clone(), process.colour.unwrap_or([255, 255, 255]));
    let (format, quality) = (process.format, process.quality);
    let made = tokio::task::spawn_blocking(move || {
        let picture = media::picture::flattened_over_white(&picture);
        let wanted = RenderOptions { width, height, headline: headline.as_deref(), colour, format, quality };
        render::render(&picture, &faces, wanted)
    });
    let bytes = made
        .await
        .map_err(|it| RenderTaskError::Transient(it.to_string()))?
        .map_err(|it| RenderTaskError::Permanent(it.to_string()))?;
    let size = bytes.len() as u64;
    let put = parts.s3.put_object().bucket(&parts.results_bucket).key(result_key(process.app, &process.id, &task.id));
    let put = put.content_type(format.media_type()).body(ByteStream::from(bytes)).send().await;
    put.map_err(|it| RenderTaskError::Transient(format!("the picture could not be stored: {}", entry::Chain(&it))))?;
    Ok(size)
}

/// Ends a task. Other tasks of the process may end at the same time: then it is done again from what is there.
async fn end_task(
    parts: &Context,
    mut process: RenderProcess,
    task: &str,
    outcome: Result<u64, String>,
    now: OffsetDateTime,
) -> Result<(), Failure> {
    for _ in 0..MAX_COMMIT_ATTEMPTS {
        let Some((next, news)) = process.finish_task(task, outcome.clone()) else { return Ok(()) };
        if parts.table.commit_process(&next, &news, now).await? == CommitOutcome::Committed {
            return Ok(());
        }
        match parts.table.process(process.app, &process.id).await? {
            Some(it) => process = it,
            None => return Ok(()),
        }
    }
    Err(Failure::Retry("the process changes all the time".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_events_decode() {
        let event = include_str!("../../../events/render-image.task.json");
        let event: serde_json::Value = serde_json::from_str(event).unwrap();
        let order: RenderCommand = serde_json::from_str(event["Records"][0]["body"].as_str().unwrap()).unwrap();
        assert_eq!(order.task, "9baa8e55-ddc8-4940-907f-eb5fc81e53f6");
    }
}
