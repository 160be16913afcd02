//! The steps of the work on a job: fetch the media, analyse it, store the result, write it back. A remote backend is handed the
//! media, and its result is collected later.

use std::sync::Arc;

use domain::bucket::{Bucket, ProcessorKind};
use domain::item::{Item, Problem};
use domain::job::{Job, JobState};
use domain::processor::Backend;
use domain::settings::Settings;
use entry::MessageError;
use media::processor;

use crate::context::Context;
use crate::outcome::ItemOutcome;
use crate::remote;
use crate::results::{self, Produced};
use crate::source::Source;

/// Does the work on a claimed job. The item's job names the Iconik job that shows the work.
///
/// # Errors
/// A failure of our own infrastructure: the message is received again, and the job is released when its lease expires.
pub(crate) async fn run(
    context: &Context,
    settings: &Arc<Settings>,
    item: &mut Item,
    job: &Job,
    bucket: Option<Bucket>,
) -> Result<ItemOutcome, MessageError> {
    if job.processor == ProcessorKind::FacialRecognition
        && context.secrets.application(item.app).await?.facial_recognition.is_none()
    {
        let reason = "facial recognition is not switched on for this application";
        return Ok(ItemOutcome::Skipped(Problem::new("processor_disabled", reason)));
    }
    if let Some(problem) = remote::refusal(item, job) {
        return Ok(ItemOutcome::Skipped(problem));
    }
    let starts = job.backend != Backend::Embedded && job.state != JobState::Collecting;
    let endpoint = if starts { remote::endpoint(context, item, job).await? } else { None };
    if starts && endpoint.is_none() {
        return Ok(remote::unavailable(job));
    }
    let source = match Source::open(context, settings, item, job, bucket).await? {
        Ok(source) => source,
        Err(outcome) => return Ok(outcome),
    };
    if let Some(endpoint) = &endpoint {
        return remote::start(context, settings, item, job, &source, endpoint).await;
    }
    let produced = match job.state {
        JobState::Collecting => remote::collect(context, item, job).await?,
        _ => analyse(context, settings, item, &source).await?,
    };
    let (produced, sha256) = match produced {
        Ok(produced) => produced,
        Err(outcome) => return Ok(outcome),
    };
    let (document, summary) = results::store(context, item, job, produced, sha256).await?;
    match source.write_back(context, item, job.processor, &document, &summary).await? {
        Ok(()) => Ok(ItemOutcome::Completed(summary)),
        Err(outcome) => Ok(outcome),
    }
}

/// Analyses the media here. Returns what was found, and the SHA-256 of the media.
async fn analyse(
    context: &Context,
    settings: &Settings,
    item: &Item,
    source: &Source,
) -> Result<Result<(Produced, String), ItemOutcome>, MessageError> {
    let media = match source.fetch_media(context, settings, item).await? {
        Ok(media) => media,
        Err(outcome) => return Ok(Err(outcome)),
    };
    match processor::detect_faces(&source.processor_settings(), &media.file, &context.ffmpeg).await {
        Ok(analysis) => Ok(Ok((analysis.into(), media.sha256))),
        Err(error) => Ok(Err(error.into())),
    }
}
