//! The picture of a process, and the faces in it.

use std::path::Path;

use domain::bucket::{MediaSystem, ProcessorKind};
use domain::image::{ImageSource, RenderProcess, upload_key};
use domain::item::Item;
use domain::result::{BoundingBox, ResultDocument};
use entry::secrets::process_url_field;
use entry::{Chain, clock};
use iconik::source::SourceChoice;
use image::DynamicImage;
use media::picture::PictureWithFaces;
use object_store::{ObjectStore, ObjectStoreError};

use crate::context::Context;
use crate::error::{RenderTaskError, transient};

/// Bytes of a picture by URL, at most.
const MAX_DOWNLOAD_BYTES: usize = 50 << 20;

/// The picture and its faces, as fractions of it. The faces are those of the item's stored result, or, where the
/// application has switched facial recognition on, those that the detector finds now.
pub(crate) async fn open_picture(
    context: &Context,
    process: &RenderProcess,
) -> Result<(DynamicImage, Vec<BoundingBox>), RenderTaskError> {
    let folder = media::workspace::create(None).map_err(transient)?;
    let file = folder.path().join("picture");
    let mut document = None;
    match &process.source {
        ImageSource::Upload => fetch_upload(context, process, &file).await?,
        ImageSource::Url { url, sealed: None } => download(context, url, &file).await?,
        ImageSource::Url { sealed: Some(sealed), .. } => {
            let url = context.secrets.open_text(process.app, &process_url_field(&process.id), sealed).await;
            download(context, &url.map_err(transient)?, &file).await?;
        }
        ImageSource::Item { item } => {
            let gone = || RenderTaskError::Permanent("the item is gone".to_owned());
            let item = context.table.item(*item).await.map_err(transient)?.filter(|it| it.app == process.app);
            let item = item.ok_or_else(gone)?;
            fetch_item(context, &item, &file).await?;
            document = stored_document(context, &item).await?;
        }
    }
    let PictureWithFaces { picture, faces } = media::picture::open(&file, &context.ffmpeg, document.as_ref()).await?;
    match faces {
        _ if !process.subject => Ok((picture, Vec::new())),
        Some(faces) => Ok((picture, faces)),
        None if may_detect_faces(context, process).await? => {
            let detected = media::picture::find_faces(picture).await;
            detected.map_err(|error| RenderTaskError::Transient(error.to_string()))
        }
        None => Ok((picture, Vec::new())),
    }
}

async fn fetch_upload(context: &Context, process: &RenderProcess, to: &Path) -> Result<(), RenderTaskError> {
    let key = upload_key(process.app, &process.id);
    let response = context.s3.get_object().bucket(&context.results_bucket).key(key).send().await;
    let response = response.map_err(|error| match error.as_service_error() {
        Some(service) if service.is_no_such_key() => {
            RenderTaskError::Permanent("the uploaded picture is gone".to_owned())
        }
        _ => transient(error),
    })?;
    let bytes = response.body.collect().await.map_err(transient)?.into_bytes();
    std::fs::write(to, bytes).map_err(transient)
}

/// Faces are biometric data: the detector runs only where the application has switched facial recognition on.
async fn may_detect_faces(context: &Context, process: &RenderProcess) -> Result<bool, RenderTaskError> {
    let application = context.secrets.application(process.app).await.map_err(transient)?;
    Ok(application.facial_recognition.is_some())
}

/// Downloads a picture by URL. The client follows no redirect and connects to no private address.
async fn download(context: &Context, url: &str, to: &Path) -> Result<(), RenderTaskError> {
    let url = domain::ssrf::check_url(url, &context.allowed_networks)
        .map_err(|error| RenderTaskError::Permanent(error.to_string()))?;
    let unreachable = |error: reqwest::Error| {
        RenderTaskError::Transient(format!("the picture's address does not answer: {}", Chain(&error.without_url())))
    };
    let mut response = context.client.get(url).send().await.map_err(unreachable)?;
    match response.status().as_u16() {
        200 => {}
        status @ (408 | 429 | 500..=599) => {
            return Err(RenderTaskError::Transient(format!("the picture's address answers {status}")));
        }
        status => return Err(RenderTaskError::Permanent(format!("the picture's address answers {status}"))),
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MAX_DOWNLOAD_BYTES {
            return Err(RenderTaskError::Permanent(format!("the picture has more than {MAX_DOWNLOAD_BYTES} bytes")));
        }
    }
    std::fs::write(to, bytes).map_err(transient)
}

/// Fetches an item's media from its bucket or from Iconik.
async fn fetch_item(context: &Context, item: &Item, to: &Path) -> Result<(), RenderTaskError> {
    if item.system == MediaSystem::Iconik {
        return fetch_from_iconik(context, item, to).await;
    }
    let bucket = match item.bucket_id {
        Some(id) => context.table.bucket(item.app, id).await.map_err(transient)?,
        None => None,
    };
    let bucket = bucket.ok_or_else(|| RenderTaskError::Permanent("the bucket of this item was removed".to_owned()))?;
    let credentials = context.secrets.bucket_credentials(&bucket).await.map_err(transient)?;
    let meter = context.meter.counter("media");
    let store = object_store::open(&bucket, credentials, None, clock::now(), &context.allowed_networks, meter);
    let fetched = match store {
        Ok(store) => store.fetch(&item.key, &item.version, item.size, to).await,
        Err(error) => Err(error),
    };
    fetched.map(drop).map_err(|error| match error {
        ObjectStoreError::UnsupportedKey
        | ObjectStoreError::NoBucket
        | ObjectStoreError::NoObject
        | ObjectStoreError::Replaced => RenderTaskError::Permanent(error.to_string()),
        error => transient(error),
    })
}

async fn fetch_from_iconik(context: &Context, item: &Item, to: &Path) -> Result<(), RenderTaskError> {
    let (Ok(asset), Ok(version)) = (item.key.parse(), item.version.parse()) else {
        return Err(RenderTaskError::Permanent("the item names no asset and version".to_owned()));
    };
    let settings = context.settings.get(item.app).await.map_err(transient)?;
    let iconik = context.connections.get(item.app, &settings).await.map_err(transient)?;
    match iconik.choose_source(asset, version, &item.media_type).await.map_err(transient)? {
        SourceChoice::Fetch(media) => iconik.fetch(asset, media, to).await.map(drop).map_err(transient),
        SourceChoice::Wait => Err(RenderTaskError::Transient("the media is not there (any more)".to_owned())),
    }
}

/// The stored result of an item. `None` if the item has none, or it cannot be fetched: the crop then goes towards the
/// middle.
async fn stored_document(context: &Context, item: &Item) -> Result<Option<ResultDocument>, RenderTaskError> {
    let Some(results) = item.job(ProcessorKind::FacialRecognition).results else { return Ok(None) };
    let get = context.s3.get_object().bucket(&context.results_bucket).key(&results.document).send().await;
    let Ok(get) = get else { return Ok(None) };
    let bytes = get.body.collect().await.map_err(transient)?.into_bytes();
    serde_json::from_slice(&bytes).map(Some).map_err(|error| RenderTaskError::Permanent(error.to_string()))
}
