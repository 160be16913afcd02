//! An order: the picture, its faces, the rendition; then the process is moved on and the news told, together.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use domain::address::Allowed;
use domain::image::{Process, Task, key};
use domain::order::RenderOrder;
use entry::{AppSettings, Failure, Message, Meter, Secrets};
use iconik::Connections;
use media::program::Program;
use render::Wanted;
use table::{Committed, Table};
use time::OffsetDateTime;

use crate::source::{self, Trouble};

/// The last try of an order: what went wrong then is told, and not tried again.
const LAST: u32 = 4;
/// How often a process is moved on while other tasks of it end.
const TRIES: usize = 30;

/// What the handler works with.
pub(crate) struct Parts {
    pub(crate) table: Table,
    pub(crate) settings: AppSettings,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) connections: Connections,
    pub(crate) s3: aws_sdk_s3::Client,
    /// The bucket of results.
    pub(crate) results: String,
    /// What decodes videos, and the memory for it.
    pub(crate) ffmpeg: Program,
    pub(crate) client: guard::Client,
    /// Shorter than the function's own: it ends in a word, not in silence.
    pub(crate) deadline: Duration,
    pub(crate) allowed: Allowed,
    pub(crate) meter: Meter,
}

/// Handles an order. A task that has ended is acknowledged: twice is once.
pub(crate) async fn handle(parts: &Parts, now: OffsetDateTime, message: Message) -> Result<(), Failure> {
    let order: RenderOrder = message.order("order to render")?;
    let Some(process) = parts.table.process(order.app, &order.process).await? else { return Ok(()) };
    let Some(task) = process.tasks.iter().find(|it| it.id == order.task && it.state != domain::image::ENDED) else {
        return Ok(());
    };
    let made = tokio::time::timeout(parts.deadline, rendition(parts, &process, task)).await;
    let outcome = match made.unwrap_or_else(|_| Err(Trouble::Again("it took too long".to_owned()))) {
        Ok(size) => Ok(size),
        Err(Trouble::Never(why)) => Err(why),
        Err(Trouble::Again(why)) if message.receives >= LAST => {
            // our own causes are nobody's business
            tracing::error!(process.id = %process.id, "given up after {} tries: {why}", message.receives);
            Err(format!("the picture could not be fetched or made in {} tries", message.receives))
        }
        Err(Trouble::Again(why)) => return Err(Failure::Again(why.into())),
    };
    let (name, ..) = task.rendition();
    match &outcome {
        Ok(size) => tracing::info!(process.id = %process.id, size, "{name} of process {} is done", process.id),
        Err(why) => tracing::warn!(process.id = %process.id, "{name} of process {} failed: {why}", process.id),
    }
    end(parts, process, &order.task, outcome, now).await
}

/// Makes the rendition and stores it; answers its size.
async fn rendition(parts: &Parts, process: &Process, task: &Task) -> Result<u64, Trouble> {
    let (picture, faces) = source::picture(parts, process).await?;
    let (_, width, height) = task.rendition();
    let (headline, colour) = (process.headline.clone(), process.colour.unwrap_or([255, 255, 255]));
    let (format, quality) = (process.format, process.quality);
    let made = tokio::task::spawn_blocking(move || {
        let picture = media::picture::over_white(&picture);
        let wanted = Wanted { width, height, headline: headline.as_deref(), colour, format, quality };
        render::render(&picture, &faces, wanted)
    });
    let bytes =
        made.await.map_err(|it| Trouble::Again(it.to_string()))?.map_err(|it| Trouble::Never(it.to_string()))?;
    let size = bytes.len() as u64;
    let put = parts.s3.put_object().bucket(&parts.results).key(key(process.app, &process.id, &task.id));
    let put = put.content_type(format.media_type()).body(ByteStream::from(bytes)).send().await;
    put.map_err(|it| Trouble::Again(format!("the picture could not be stored: {}", entry::Chain(&it))))?;
    Ok(size)
}

/// Ends a task. Other tasks of the process may end at the same time: then it is done again from what is there.
async fn end(
    parts: &Parts,
    mut process: Process,
    task: &str,
    outcome: Result<u64, String>,
    now: OffsetDateTime,
) -> Result<(), Failure> {
    for _ in 0..TRIES {
        let Some((next, news)) = process.end(task, outcome.clone()) else { return Ok(()) };
        if parts.table.commit_process(&next, &news, now).await? == Committed::Done {
            return Ok(());
        }
        match parts.table.process(process.app, &process.id).await? {
            Some(it) => process = it,
            None => return Ok(()),
        }
    }
    Err(Failure::Again("the process changes all the time".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_events_decode() {
        let event = include_str!("../../../events/render-image.task.json");
        let event: serde_json::Value = serde_json::from_str(event).unwrap();
        let order: RenderOrder = serde_json::from_str(event["Records"][0]["body"].as_str().unwrap()).unwrap();
        assert_eq!(order.task, "9baa8e55-ddc8-4940-907f-eb5fc81e53f6");
    }
}
