//! The picture that a process is about, and the faces in it.

use std::path::Path;

use domain::bucket::MediaSystem;
use domain::image::{ImageSource, RenderProcess, upload_key};
use domain::item::{Item, Problem};
use domain::result::{BoundingBox as Area, ResultDocument};
use entry::secrets::process_url_field;
use entry::{Chain, clock};
use iconik::source::SourceChoice;
use image::DynamicImage;
use media::object_store::ObjectStore;
use media::picture::PictureWithFaces;

use crate::handler::Context;

/// A picture that a URL leads to has at most so many bytes.
const MOST_BYTES: usize = 50 << 20;

/// Why there is no picture.
pub(crate) enum RenderTaskError {
    /// It may work next time.
    Transient(String),
    Permanent(String),
}

fn transient(it: &(dyn std::error::Error + 'static)) -> RenderTaskError {
    RenderTaskError::Transient(Chain(it).to_string())
}

/// The picture and its faces, as fractions of it: those that were found when the item was processed, or found now, where
/// the application has switched that on.
pub(crate) async fn open_picture(
    parts: &Context,
    process: &RenderProcess,
) -> Result<(DynamicImage, Vec<Area>), RenderTaskError> {
    let folder = media::workspace::create(None).map_err(|it| transient(&it))?;
    let file = folder.path().join("picture");
    let mut document = None;
    match &process.source {
        ImageSource::Upload => {
            let key = upload_key(process.app, &process.id);
            let get = parts.s3.get_object().bucket(&parts.results_bucket).key(key).send().await;
            let get = get.map_err(|it| match it.as_service_error() {
                Some(it) if it.is_no_such_key() => {
                    RenderTaskError::Permanent("the uploaded picture is gone".to_owned())
                }
                _ => transient(&it),
            })?;
            let bytes = get.body.collect().await.map_err(|it| transient(&it))?.into_bytes();
            std::fs::write(&file, bytes).map_err(|it| transient(&it))?;
        }
        ImageSource::Url { url, sealed: None } => download(parts, url, &file).await?,
        ImageSource::Url { sealed: Some(sealed), .. } => {
            let url = parts.secrets.open_text(process.app, &process_url_field(&process.id), sealed).await;
            download(parts, &url.map_err(|it| transient(&it))?, &file).await?;
        }
        ImageSource::Item { item } => {
            let gone = || RenderTaskError::Permanent("the item is gone".to_owned());
            let item = parts.table.item(*item).await.map_err(|it| transient(&it))?.filter(|it| it.app == process.app);
            let item = item.ok_or_else(gone)?;
            fetch_item(parts, &item, &file).await?;
            document = stored_document(parts, &item).await?;
        }
    }
    let still = media::picture::open(&file, &parts.ffmpeg, document.as_ref()).await.map_err(|it| match it {
        media::processor::MediaError::RetryLater(it) => RenderTaskError::Transient(it.message),
        media::processor::MediaError::Skipped(it) | media::processor::MediaError::Failed(it) => {
            RenderTaskError::Permanent(it.message)
        }
    })?;
    let PictureWithFaces { picture, faces } = still;
    let faces = match faces {
        _ if !process.subject => Vec::new(),
        Some(faces) => faces,
        None if may_detect_faces(parts, process).await? => {
            let (picture, found) =
                media::picture::find_faces(picture).await.map_err(|it| RenderTaskError::Transient(it.to_string()))?;
            return Ok((picture, found));
        }
        None => Vec::new(),
    };
    Ok((picture, faces))
}

/// Faces are biometric data: they are looked for where the application has switched it on.
async fn may_detect_faces(parts: &Context, process: &RenderProcess) -> Result<bool, RenderTaskError> {
    let application = parts.secrets.application(process.app).await.map_err(|it| transient(&it))?;
    Ok(application.facial_recognition.is_some())
}

async fn download(parts: &Context, url: &str, to: &Path) -> Result<(), RenderTaskError> {
    let url = domain::ssrf::check_url(url, &parts.allowed_networks)
        .map_err(|it| RenderTaskError::Permanent(it.to_string()))?;
    let unreachable = |it: reqwest::Error| {
        RenderTaskError::Transient(format!("the picture's address does not answer: {}", Chain(&it.without_url())))
    };
    let mut answer = parts.client.get(url).send().await.map_err(unreachable)?;
    match answer.status().as_u16() {
        200 => {}
        status @ (408 | 429 | 500..=599) => {
            return Err(RenderTaskError::Transient(format!("the picture's address answers {status}")));
        }
        status => return Err(RenderTaskError::Permanent(format!("the picture's address answers {status}"))),
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MOST_BYTES {
            return Err(RenderTaskError::Permanent(format!("the picture has more than {MOST_BYTES} bytes")));
        }
    }
    std::fs::write(to, bytes).map_err(|it| transient(&it))
}

/// Fetches an item's media from where it lies.
async fn fetch_item(parts: &Context, item: &Item, to: &Path) -> Result<(), RenderTaskError> {
    if item.system == MediaSystem::Iconik {
        return fetch_from_iconik(parts, item, to).await;
    }
    let bucket = match item.bucket_id {
        Some(id) => parts.table.bucket(item.app, id).await.map_err(|it| transient(&it))?,
        None => None,
    };
    let bucket = bucket.ok_or_else(|| RenderTaskError::Permanent("the bucket of this item was removed".to_owned()))?;
    let credentials = parts.secrets.bucket_credentials(&bucket).await.map_err(|it| transient(&it))?;
    let meter = parts.meter.counter("media");
    let fetched =
        match media::object_store::open(&bucket, credentials, None, clock::now(), &parts.allowed_networks, meter) {
            Ok(objects) => objects.fetch(&item.key, &item.version, item.size, to).await,
            Err(error) => Err(error),
        };
    use media::object_store::ObjectStoreError::{NoBucket, NoObject, Replaced, UnsupportedKey};
    fetched.map(drop).map_err(|it| match it {
        UnsupportedKey | NoBucket | NoObject | Replaced => RenderTaskError::Permanent(it.to_string()),
        it => transient(&it),
    })
}

async fn fetch_from_iconik(parts: &Context, item: &Item, to: &Path) -> Result<(), RenderTaskError> {
    let (Ok(asset), Ok(version)) = (item.key.parse(), item.version.parse()) else {
        return Err(RenderTaskError::Permanent("the item names no asset and version".to_owned()));
    };
    let settings = parts.settings.get(item.app).await.map_err(|it| transient(&it))?;
    let iconik = parts.connections.get(item.app, &settings).await.map_err(|it| transient(&it))?;
    match iconik.choose_source(asset, version, &item.media_type).await.map_err(|it| transient(&it))? {
        SourceChoice::Fetch(media) => iconik.fetch(asset, media, to).await.map(drop).map_err(|it| transient(&it)),
        SourceChoice::Wait => Err(RenderTaskError::Transient("the media is not there (any more)".to_owned())),
    }
}

/// The result of an item that was processed.
async fn stored_document(parts: &Context, item: &Item) -> Result<Option<ResultDocument>, RenderTaskError> {
    let Some(results) = &item.results else { return Ok(None) };
    let get = parts.s3.get_object().bucket(&parts.results_bucket).key(&results.document).send().await;
    let Ok(get) = get else { return Ok(None) }; // a crop towards the middle is better than none
    let bytes = get.body.collect().await.map_err(|it| transient(&it))?.into_bytes();
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|it| RenderTaskError::Permanent(Problem::new("internal", it.to_string()).message))
}
