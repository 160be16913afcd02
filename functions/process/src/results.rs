//! The result of a job in the results bucket: the document, the preview and the subtitles, and their summary.

use aws_sdk_s3::primitives::ByteStream;
use domain::item::{Item, MAX_LABELS, ResultSummary};
use domain::job::{Job, result_folder};
use domain::processor::{Backend, ProcessorKind};
use domain::received_result::{ReceivedResult, Translation};
use domain::result::{Asset, MediaInfo, Model, Producer, ResultDocument, SCHEMA, Track, Warning};
use domain::transcript::{Subtitle, SubtitleFormat, Transcript};
use entry::MessageError;
use media::processor::Analysis;

use crate::context::Context;
use crate::subtitles;

/// What a backend has found.
pub(crate) struct Produced {
    models: Vec<Model>,
    quality: String,
    media: MediaInfo,
    tracks: Vec<Track>,
    transcript: Option<Transcript>,
    translations: Vec<Translation>,
    warnings: Vec<Warning>,
    /// A picture with boxes around what was found; JPEG.
    preview: Option<Vec<u8>>,
}

impl From<Analysis> for Produced {
    fn from(analysis: Analysis) -> Self {
        Self {
            models: analysis.models,
            quality: analysis.quality.to_owned(),
            media: analysis.media,
            tracks: analysis.tracks,
            transcript: None,
            translations: Vec::new(),
            warnings: analysis.warnings,
            preview: Some(analysis.preview),
        }
    }
}

impl From<ReceivedResult> for Produced {
    fn from(received: ReceivedResult) -> Self {
        Self {
            models: received.models,
            quality: received.quality,
            media: received.media,
            tracks: received.tracks,
            transcript: received.transcript,
            translations: received.subtitles,
            warnings: received.warnings,
            preview: None,
        }
    }
}

/// Stores a result. `sha256` is that of the media. A repeated attempt overwrites what an earlier one has stored.
pub(crate) async fn store(
    context: &Context,
    item: &Item,
    job: &Job,
    produced: Produced,
    sha256: String,
) -> Result<(ResultDocument, ResultSummary), MessageError> {
    let folder = result_folder(item.app, item.id, job.processor);
    let subtitles = put_subtitles(context, &folder, &produced).await?;
    let document = ResultDocument {
        schema: SCHEMA.to_owned(),
        job_id: job_id(item, job),
        asset: Asset { id: item.id.to_string(), version: item.version.clone(), sha256: sha256.clone() },
        producer: Producer {
            kind: job.processor.kind().to_owned(),
            backend: job.backend.name().to_owned(),
            models: produced.models,
            quality: produced.quality,
        },
        media: produced.media,
        tracks: produced.tracks,
        transcript: produced.transcript,
        subtitles,
        warnings: produced.warnings,
    };
    let document_key = format!("{folder}/result.json");
    put_object(context, &document_key, serde_json::to_vec(&document)?, "application/json").await?;
    let mut preview = String::new();
    if let Some(picture) = produced.preview {
        preview = format!("{folder}/preview.jpg");
        put_object(context, &preview, picture, "image/jpeg").await?;
    }
    let summary = summary(&document, document_key, preview, sha256);
    Ok((document, summary))
}

/// The embedded backend's documents have always named the item.
fn job_id(item: &Item, job: &Job) -> String {
    match job.backend {
        Backend::Embedded => item.id.to_string(),
        _ => item.job_id(job.processor).to_string(),
    }
}

async fn put_subtitles(context: &Context, folder: &str, produced: &Produced) -> Result<Vec<Subtitle>, MessageError> {
    let spoken = produced.transcript.iter().map(|it| (&it.language, None, &it.cues));
    let translated = produced.translations.iter().map(|it| (&it.language, it.translated_from.clone(), &it.cues));
    let mut subtitles: Vec<Subtitle> = Vec::new();
    for (language, translated_from, cues) in spoken.chain(translated) {
        if subtitles.iter().any(|it| it.language == *language) {
            continue;
        }
        for format in SubtitleFormat::ALL {
            let key = format!("{folder}/{language}.{}", format.extension());
            put_object(context, &key, subtitles::render(format, cues).into_bytes(), format.media_type()).await?;
            let (language, translated_from) = (language.clone(), translated_from.clone());
            subtitles.push(Subtitle { language, translated_from, format, key, machine: true });
        }
    }
    Ok(subtitles)
}

fn summary(document: &ResultDocument, key: String, preview: String, sha256: String) -> ResultSummary {
    let count = |kind: &str| document.tracks.iter().filter(|it| it.kind == kind).count() as u64;
    let (mut labels, mut languages): (Vec<String>, Vec<String>) = Default::default();
    for track in document.tracks.iter().filter(|it| it.kind == "object") {
        if !labels.contains(&track.label) && labels.len() < MAX_LABELS {
            labels.push(track.label.clone());
        }
    }
    for subtitle in &document.subtitles {
        if !languages.contains(&subtitle.language) {
            languages.push(subtitle.language.clone());
        }
    }
    ResultSummary {
        faces: count("face"),
        objects: count("object"),
        labels,
        cues: document.transcript.as_ref().map_or(0, |it| it.cues.len() as u64),
        languages,
        quality: document.producer.quality.clone(),
        document: key,
        preview,
        sha256,
    }
}

/// Removes what is stored of a processor's result of an item; `false` if nothing is. There is far less than a page of it.
pub(crate) async fn remove(context: &Context, item: &Item, processor: ProcessorKind) -> Result<bool, MessageError> {
    let prefix = format!("{}/", result_folder(item.app, item.id, processor));
    let list = context.s3.list_objects_v2().bucket(&context.results_bucket).prefix(&prefix);
    let mut is_any = false;
    for object in list.send().await?.contents() {
        // the item's own folder has those of its other processors in it
        let is_own = |key: &&str| key.strip_prefix(&prefix).is_some_and(|name| !name.contains('/'));
        let Some(key) = object.key().filter(is_own) else { continue };
        context.s3.delete_object().bucket(&context.results_bucket).key(key).send().await?;
        is_any = true;
    }
    Ok(is_any)
}

/// Stores an object in the results bucket.
pub(crate) async fn put_object(
    context: &Context,
    key: &str,
    bytes: Vec<u8>,
    media_type: &str,
) -> Result<(), MessageError> {
    let put = context.s3.put_object().bucket(&context.results_bucket).key(key).content_type(media_type);
    put.body(ByteStream::from(bytes)).send().await?;
    Ok(())
}

/// An object of the results bucket; `None` if it is not there.
pub(crate) async fn read_object(context: &Context, key: &str) -> Result<Option<Vec<u8>>, MessageError> {
    match context.s3.get_object().bucket(&context.results_bucket).key(key).send().await {
        Ok(found) => Ok(Some(found.body.collect().await?.to_vec())),
        Err(error) if error.as_service_error().is_some_and(|it| it.is_no_such_key()) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
