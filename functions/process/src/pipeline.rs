//! Fetch, run, write the result.

use aws_sdk_s3::primitives::ByteStream;
use domain::bucket::{Bucket, ProcessorKind};
use domain::item::{Item, Problem, Results};
use domain::result::{Asset, Document, Producer, SCHEMA};
use entry::Failure;
use media::objects::{Objects, ObjectsError, open};
use media::processor::{self, Analysis, Trouble};

use crate::handler::Parts;
use crate::workspace;

/// How the work ended.
pub(crate) enum End {
    Done(Results),
    Skip(Problem),
    Fail(Problem),
    Again(Problem),
}

/// Does the whole work for an item that is held. An error is our own: the order comes back, the item when its lease ends.
pub(crate) async fn run(parts: &Parts, item: &Item) -> Result<End, Failure> {
    if item.processor == ProcessorKind::FacialRecognition
        && parts.secrets.application(item.app).await?.facial_recognition.is_none()
    {
        let why = "facial recognition is not switched on for this application";
        return Ok(End::Skip(Problem::new("processor_disabled", why)));
    }
    let Some(bucket) = parts.table.bucket(item.app, item.bucket_id).await? else {
        return Ok(End::Fail(Problem::new("access_denied", "the bucket of this item was removed")));
    };
    let folder = match workspace::open() {
        Ok(folder) => folder,
        Err(error) => return Ok(End::Again(Problem::new("internal", format!("no temporary folder: {error}")))),
    };
    let file = folder.path().join("media");
    let sha256 = match fetch(parts, item, &bucket, &file).await? {
        Ok(sha256) => sha256,
        Err(end) => return Ok(end),
    };
    if let Some(other) = parts.table.same_content(item, &sha256).await? {
        return Ok(End::Skip(Problem::new(
            "same_content",
            format!("its bytes are those of {other}, which is completed"),
        )));
    }
    match processor::run(item.processor, &bucket.settings, &file, &parts.ffmpeg).await {
        Ok(analysis) => store(parts, item, analysis, sha256).await.map(End::Done),
        Err(Trouble::Skip(it)) => Ok(End::Skip(it)),
        Err(Trouble::Fail(it)) => Ok(End::Fail(it)),
        Err(Trouble::Again(it)) => Ok(End::Again(it)),
    }
}

async fn fetch(
    parts: &Parts,
    item: &Item,
    bucket: &Bucket,
    file: &std::path::Path,
) -> Result<Result<String, End>, Failure> {
    let credentials = parts.secrets.of_bucket(bucket).await?;
    let fetched = match open(bucket, credentials, &parts.allowed, parts.meter.counter("media")) {
        Ok(objects) => objects.fetch(&item.key, item.size, file).await,
        Err(error) => Err(error),
    };
    Ok(fetched.map_err(|error| {
        let problem = |code: &str| Problem::new(code, error.to_string());
        match error {
            ObjectsError::NoObject | ObjectsError::NoBucket => End::Fail(problem("media_unreadable")),
            ObjectsError::Grown => End::Fail(problem("too_large")),
            ObjectsError::Endpoint(_) => End::Fail(problem("access_denied")),
            ObjectsError::Credentials(_) | ObjectsError::Anonymous => End::Again(problem("access_denied")),
            ObjectsError::Answer(_) | ObjectsError::Unreachable(_) | ObjectsError::Disk(_) => {
                End::Again(problem("internal"))
            }
        }
    }))
}

/// Stores document and preview. An attempt that is repeated replaces them with the same.
async fn store(parts: &Parts, item: &Item, analysis: Analysis, sha256: String) -> Result<Results, Failure> {
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
    Ok(Results { faces, quality: document.producer.quality, document: document_key, preview: preview_key, sha256 })
}

async fn put(parts: &Parts, key: &str, bytes: Vec<u8>, media_type: &str) -> Result<(), Failure> {
    let put = parts.s3.put_object().bucket(&parts.results).key(key).content_type(media_type);
    put.body(ByteStream::from(bytes)).send().await?;
    Ok(())
}
