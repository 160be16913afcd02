//! The steps of the work on an item: fetch the media, analyse it, store the result, write it back.

use std::sync::Arc;

use aws_sdk_s3::primitives::ByteStream;
use domain::bucket::ProcessorKind;
use domain::item::{Item, Problem, ResultSummary};
use domain::result::{Asset, Producer, ResultDocument, SCHEMA};
use domain::settings::Settings;
use entry::MessageError;
use media::processor::{self, Analysis};
use media::workspace;

use crate::context::Context;
use crate::outcome::ItemOutcome;
use crate::source::Source;

/// Does the whole work for a claimed item. Sets `item.job` to the Iconik job that shows the work.
///
/// # Errors
/// A failure of our own infrastructure: the message is received again, and the item is released when its lease expires.
pub(crate) async fn run(
    context: &Context,
    settings: &Arc<Settings>,
    item: &mut Item,
) -> Result<ItemOutcome, MessageError> {
    if item.processor == ProcessorKind::FacialRecognition
        && context.secrets.application(item.app).await?.facial_recognition.is_none()
    {
        let reason = "facial recognition is not switched on for this application";
        return Ok(ItemOutcome::Skipped(Problem::new("processor_disabled", reason)));
    }
    let source = match Source::open(context, settings, item).await? {
        Ok(source) => source,
        Err(outcome) => return Ok(outcome),
    };
    let folder = match workspace::create(settings.temp_folder.as_deref()) {
        Ok(folder) => folder,
        Err(error) => {
            return Ok(ItemOutcome::RetryLater(Problem::new("internal", format!("no temporary folder: {error}"))));
        }
    };
    let file = folder.path().join("media");
    let sha256 = match source.fetch(context, item, &file).await? {
        Ok(sha256) => sha256,
        Err(outcome) => return Ok(outcome),
    };
    if let Some(outcome) = source.skip_if_same_content(context, item, &sha256).await? {
        return Ok(outcome);
    }
    let analysis = match processor::run(item.processor, &source.processor_settings(), &file, &context.ffmpeg).await {
        Ok(analysis) => analysis,
        Err(error) => return Ok(error.into()),
    };
    let (document, results) = store_result(context, item, analysis, sha256).await?;
    match source.write_back(context, item, &document, &results).await? {
        Ok(()) => Ok(ItemOutcome::Completed(results)),
        Err(outcome) => Ok(outcome),
    }
}

/// Stores the result document and the preview in the results bucket. A repeated attempt overwrites them.
async fn store_result(
    context: &Context,
    item: &Item,
    analysis: Analysis,
    sha256: String,
) -> Result<(ResultDocument, ResultSummary), MessageError> {
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
    put_object(context, &document_key, json, "application/json").await?;
    put_object(context, &preview_key, analysis.preview, "image/jpeg").await?;
    let quality = document.producer.quality.clone();
    let results = ResultSummary { faces, quality, document: document_key, preview: preview_key, sha256 };
    Ok((document, results))
}

async fn put_object(context: &Context, key: &str, bytes: Vec<u8>, media_type: &str) -> Result<(), MessageError> {
    let put = context.s3.put_object().bucket(&context.results_bucket).key(key).content_type(media_type);
    put.body(ByteStream::from(bytes)).send().await?;
    Ok(())
}
