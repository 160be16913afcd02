//! Fetch, run, keep the result, write it back.

use std::sync::Arc;

use aws_sdk_s3::primitives::ByteStream;
use domain::bucket::ProcessorKind;
use domain::item::{Item, Problem, Results};
use domain::result::{Asset, Document, Producer, SCHEMA};
use domain::settings::Settings;
use entry::Failure;
use media::processor::{self, Analysis, Trouble};
use media::workspace;

use crate::handler::Parts;
use crate::source::Source;

/// How the work ended.
pub(crate) enum End {
    Done(Results),
    Skip(Problem),
    Fail(Problem),
    Again(Problem),
    /// Something stands in the way that is not the item's fault: the attempt does not count.
    Postpone(Problem),
    /// The same, and its system says for how many seconds.
    Wait(Problem, u64),
}

/// Does the whole work for an item that is held. An error is our own: the order comes back, the item when its lease ends.
/// The item learns the job that shows the work.
pub(crate) async fn run(parts: &Parts, settings: &Arc<Settings>, item: &mut Item) -> Result<End, Failure> {
    if item.processor == ProcessorKind::FacialRecognition
        && parts.secrets.application(item.app).await?.facial_recognition.is_none()
    {
        let why = "facial recognition is not switched on for this application";
        return Ok(End::Skip(Problem::new("processor_disabled", why)));
    }
    let source = match Source::of(parts, settings, item).await? {
        Ok(source) => source,
        Err(end) => return Ok(end),
    };
    let folder = match workspace::open(settings.temp_folder.as_deref()) {
        Ok(folder) => folder,
        Err(error) => return Ok(End::Again(Problem::new("internal", format!("no temporary folder: {error}")))),
    };
    let file = folder.path().join("media");
    let sha256 = match source.fetch(parts, item, &file).await? {
        Ok(sha256) => sha256,
        Err(end) => return Ok(end),
    };
    if let Some(end) = source.same(parts, item, &sha256).await? {
        return Ok(end);
    }
    let analysis = match processor::run(item.processor, &source.processor_settings(), &file, &parts.ffmpeg).await {
        Ok(analysis) => analysis,
        Err(Trouble::Skip(it)) => return Ok(End::Skip(it)),
        Err(Trouble::Fail(it)) => return Ok(End::Fail(it)),
        Err(Trouble::Again(it)) => return Ok(End::Again(it)),
    };
    let (document, results) = store(parts, item, analysis, sha256).await?;
    match source.write_back(parts, item, &document, &results).await? {
        Ok(()) => Ok(End::Done(results)),
        Err(end) => Ok(end),
    }
}

/// Stores document and preview. An attempt that is repeated replaces them with the same.
async fn store(parts: &Parts, item: &Item, analysis: Analysis, sha256: String) -> Result<(Document, Results), Failure> {
    let faces = analysis.tracks.len() as u64;
    let document = Document {
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
    let place = |name: &str| format!("results/{}/{}/{name}", item.app, item.id);
    let (document_key, preview_key) = (place("result.json"), place("preview.jpg"));
    let json = serde_json::to_vec(&document)?;
    put(parts, &document_key, json, "application/json").await?;
    put(parts, &preview_key, analysis.preview, "image/jpeg").await?;
    let quality = document.producer.quality.clone();
    let results = Results { faces, quality, document: document_key, preview: preview_key, sha256 };
    Ok((document, results))
}

async fn put(parts: &Parts, key: &str, bytes: Vec<u8>, media_type: &str) -> Result<(), Failure> {
    let put = parts.s3.put_object().bucket(&parts.results).key(key).content_type(media_type);
    put.body(ByteStream::from(bytes)).send().await?;
    Ok(())
}
