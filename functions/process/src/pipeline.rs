//! Fetch, run, keep the result, write it back.

use std::sync::Arc;

use aws_sdk_s3::primitives::ByteStream;
use domain::bucket::ProcessorKind;
use domain::item::{Item, Problem, ResultSummary};
use domain::result::{Asset, Producer, ResultDocument, SCHEMA};
use domain::settings::Settings;
use entry::Failure;
use media::processor::{self, Analysis, MediaError};
use media::workspace;

use crate::handler::Context;
use crate::source::Source;

/// How the work ended.
pub(crate) enum ItemOutcome {
    Completed(ResultSummary),
    Skipped(Problem),
    Failed(Problem),
    RetryLater(Problem),
    /// Something stands in the way that is not the item's fault: the attempt does not count.
    Postponed(Problem),
    /// The same, and its system says for how many seconds.
    PostponedFor(Problem, u64),
}

/// Does the whole work for an item that is held. An error is our own: the order comes back, the item when its lease ends.
/// The item learns the job that shows the work.
pub(crate) async fn run(parts: &Context, settings: &Arc<Settings>, item: &mut Item) -> Result<ItemOutcome, Failure> {
    if item.processor == ProcessorKind::FacialRecognition
        && parts.secrets.application(item.app).await?.facial_recognition.is_none()
    {
        let why = "facial recognition is not switched on for this application";
        return Ok(ItemOutcome::Skipped(Problem::new("processor_disabled", why)));
    }
    let source = match Source::open(parts, settings, item).await? {
        Ok(source) => source,
        Err(end) => return Ok(end),
    };
    let folder = match workspace::create(settings.temp_folder.as_deref()) {
        Ok(folder) => folder,
        Err(error) => {
            return Ok(ItemOutcome::RetryLater(Problem::new("internal", format!("no temporary folder: {error}"))));
        }
    };
    let file = folder.path().join("media");
    let sha256 = match source.fetch(parts, item, &file).await? {
        Ok(sha256) => sha256,
        Err(end) => return Ok(end),
    };
    if let Some(end) = source.skip_if_same_content(parts, item, &sha256).await? {
        return Ok(end);
    }
    let analysis = match processor::run(item.processor, &source.processor_settings(), &file, &parts.ffmpeg).await {
        Ok(analysis) => analysis,
        Err(MediaError::Skipped(it)) => return Ok(ItemOutcome::Skipped(it)),
        Err(MediaError::Failed(it)) => return Ok(ItemOutcome::Failed(it)),
        Err(MediaError::RetryLater(it)) => return Ok(ItemOutcome::RetryLater(it)),
    };
    let (document, results) = store_result(parts, item, analysis, sha256).await?;
    match source.write_back(parts, item, &document, &results).await? {
        Ok(()) => Ok(ItemOutcome::Completed(results)),
        Err(end) => Ok(end),
    }
}

/// Stores document and preview. An attempt that is repeated replaces them with the same.
async fn store_result(
    parts: &Context,
    item: &Item,
    analysis: Analysis,
    sha256: String,
) -> Result<(ResultDocument, ResultSummary), Failure> {
    let faces = analysis.tracks.len() as u64;
    let document = ResultDocument {
        schema: SCHEMA.to_owned(),
        job_id: item.id.to_string(),
        asset: Asset { id: item.id.to_string(), version: item.version.clone(), sha256: sha256.clone() },
        producer: Producer {
            kind: "facial_recognition".to_owned(),
            backend: analysis.backend.to_owned(),
            models: analysis.models,
            quality: analysis.quality.to_owned(),
        },
        media: analysis.media,
        tracks: analysis.tracks,
        warnings: analysis.warnings,
    };
    let object_key = |name: &str| format!("results/{}/{}/{name}", item.app, item.id);
    let (document_key, preview_key) = (object_key("result.json"), object_key("preview.jpg"));
    let json = serde_json::to_vec(&document)?;
    put_object(parts, &document_key, json, "application/json").await?;
    put_object(parts, &preview_key, analysis.preview, "image/jpeg").await?;
    let quality = document.producer.quality.clone();
    let results = ResultSummary { faces, quality, document: document_key, preview: preview_key, sha256 };
    Ok((document, results))
}

async fn put_object(parts: &Context, key: &str, bytes: Vec<u8>, media_type: &str) -> Result<(), Failure> {
    let put = parts.s3.put_object().bucket(&parts.results_bucket).key(key).content_type(media_type);
    put.body(ByteStream::from(bytes)).send().await?;
    Ok(())
}
