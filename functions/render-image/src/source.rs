//! The picture that a process is about, and the faces in it.

use std::path::Path;

use domain::bucket::System;
use domain::image::{Process, Source, upload_key};
use domain::item::{Item, Problem};
use domain::result::{Box as Area, Document};
use entry::secrets::process_url_field;
use entry::{Chain, clock};
use iconik::choice::Choice;
use image::DynamicImage;
use media::objects::Objects;
use media::picture::Still;

use crate::handler::Parts;

/// A picture that a URL leads to has at most so many bytes.
const MOST_BYTES: usize = 50 << 20;

/// Why there is no picture.
pub(crate) enum Trouble {
    /// It may work next time.
    Again(String),
    Never(String),
}

fn again(it: &(dyn std::error::Error + 'static)) -> Trouble {
    Trouble::Again(Chain(it).to_string())
}

/// The picture and its faces, as fractions of it: those that were found when the item was processed, or found now, where
/// the application has switched that on.
pub(crate) async fn picture(parts: &Parts, process: &Process) -> Result<(DynamicImage, Vec<Area>), Trouble> {
    let folder = media::workspace::open(None).map_err(|it| again(&it))?;
    let file = folder.path().join("picture");
    let mut known = None;
    match &process.source {
        Source::Upload => {
            let key = upload_key(process.app, &process.id);
            let get = parts.s3.get_object().bucket(&parts.results).key(key).send().await;
            let get = get.map_err(|it| match it.as_service_error() {
                Some(it) if it.is_no_such_key() => Trouble::Never("the uploaded picture is gone".to_owned()),
                _ => again(&it),
            })?;
            let bytes = get.body.collect().await.map_err(|it| again(&it))?.into_bytes();
            std::fs::write(&file, bytes).map_err(|it| again(&it))?;
        }
        Source::Url { url, sealed: None } => download(parts, url, &file).await?,
        Source::Url { sealed: Some(sealed), .. } => {
            let url = parts.secrets.open_text(process.app, &process_url_field(&process.id), sealed).await;
            download(parts, &url.map_err(|it| again(&it))?, &file).await?;
        }
        Source::Item { item } => {
            let gone = || Trouble::Never("the item is gone".to_owned());
            let item = parts.table.item(*item).await.map_err(|it| again(&it))?.filter(|it| it.app == process.app);
            let item = item.ok_or_else(gone)?;
            fetch(parts, &item, &file).await?;
            known = document(parts, &item).await?;
        }
    }
    let still = media::picture::open(&file, &parts.ffmpeg, known.as_ref()).await.map_err(|it| match it {
        media::processor::Trouble::Again(it) => Trouble::Again(it.message),
        media::processor::Trouble::Skip(it) | media::processor::Trouble::Fail(it) => Trouble::Never(it.message),
    })?;
    let Still { picture, faces } = still;
    let faces = match faces {
        _ if !process.subject => Vec::new(),
        Some(faces) => faces,
        None if allowed(parts, process).await? => {
            let (back, found) = media::picture::faces(picture).await.map_err(|it| Trouble::Again(it.to_string()))?;
            return Ok((back, found));
        }
        None => Vec::new(),
    };
    Ok((picture, faces))
}

/// Faces are biometric data: they are looked for where the application has switched it on.
async fn allowed(parts: &Parts, process: &Process) -> Result<bool, Trouble> {
    let application = parts.secrets.application(process.app).await.map_err(|it| again(&it))?;
    Ok(application.facial_recognition.is_some())
}

async fn download(parts: &Parts, url: &str, to: &Path) -> Result<(), Trouble> {
    let url = domain::address::judge(url, &parts.allowed).map_err(|it| Trouble::Never(it.to_string()))?;
    let unreachable = |it: reqwest::Error| {
        Trouble::Again(format!("the picture's address does not answer: {}", Chain(&it.without_url())))
    };
    let mut answer = parts.client.get(url).send().await.map_err(unreachable)?;
    match answer.status().as_u16() {
        200 => {}
        status @ (408 | 429 | 500..=599) => {
            return Err(Trouble::Again(format!("the picture's address answers {status}")));
        }
        status => return Err(Trouble::Never(format!("the picture's address answers {status}"))),
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MOST_BYTES {
            return Err(Trouble::Never(format!("the picture has more than {MOST_BYTES} bytes")));
        }
    }
    std::fs::write(to, bytes).map_err(|it| again(&it))
}

/// Fetches an item's media from where it lies.
async fn fetch(parts: &Parts, item: &Item, to: &Path) -> Result<(), Trouble> {
    if item.system == System::Iconik {
        return from_iconik(parts, item, to).await;
    }
    let bucket = match item.bucket_id {
        Some(id) => parts.table.bucket(item.app, id).await.map_err(|it| again(&it))?,
        None => None,
    };
    let bucket = bucket.ok_or_else(|| Trouble::Never("the bucket of this item was removed".to_owned()))?;
    let credentials = parts.secrets.of_bucket(&bucket).await.map_err(|it| again(&it))?;
    let meter = parts.meter.counter("media");
    let fetched = match media::objects::open(&bucket, credentials, None, clock::now(), &parts.allowed, meter) {
        Ok(objects) => objects.fetch(&item.key, &item.version, item.size, to).await,
        Err(error) => Err(error),
    };
    use media::objects::ObjectsError::{Key, NoBucket, NoObject, Replaced};
    fetched.map(drop).map_err(|it| match it {
        Key | NoBucket | NoObject | Replaced => Trouble::Never(it.to_string()),
        it => again(&it),
    })
}

async fn from_iconik(parts: &Parts, item: &Item, to: &Path) -> Result<(), Trouble> {
    let (Ok(asset), Ok(version)) = (item.key.parse(), item.version.parse()) else {
        return Err(Trouble::Never("the item names no asset and version".to_owned()));
    };
    let settings = parts.settings.of(item.app).await.map_err(|it| again(&it))?;
    let iconik = parts.connections.of(item.app, &settings).await.map_err(|it| again(&it))?;
    match iconik.media(asset, version, &item.media_type).await.map_err(|it| again(&it))? {
        Choice::Fetch(media) => iconik.fetch(asset, media, to).await.map(drop).map_err(|it| again(&it)),
        Choice::Wait => Err(Trouble::Again("the media is not there (any more)".to_owned())),
    }
}

/// The result of an item that was processed.
async fn document(parts: &Parts, item: &Item) -> Result<Option<Document>, Trouble> {
    let Some(results) = &item.results else { return Ok(None) };
    let get = parts.s3.get_object().bucket(&parts.results).key(&results.document).send().await;
    let Ok(get) = get else { return Ok(None) }; // a crop towards the middle is better than none
    let bytes = get.body.collect().await.map_err(|it| again(&it))?.into_bytes();
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|it| Trouble::Never(Problem::new("internal", it.to_string()).message))
}
