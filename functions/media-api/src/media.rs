//! `GET /api/v1/Media/Items/{id}/media`: an item's media out of its bucket or Iconik, part by part, as players ask for it.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::bucket::MediaSystem;
use domain::byte_range::{self, RangeRequest};
use domain::item::Item;
use entry::clock;
use entry::http::auth::Caller;
use entry::http::{Problem, ProblemType};
use iconik::download::FetchError;
use iconik::source::{MediaSource, SourceChoice};
use iconik::{Iconik, IconikError};
use object_store::{ObjectStore, ObjectStoreError};
use uuid::Uuid;

use crate::context::Context;
use crate::item::find;

/// The most bytes of a part: in base64 they fit into a function's answer (6 MB; AWS Lambda, quotas).
const MAX_PART_BYTES: u64 = 4 << 20;
/// Endings of media types whose bodies `lambda_http` sends as text: a part of one, or one in another character set, would arrive
/// changed (`TEXT_ENCODING_SUFFIXES` there).
const SENT_AS_TEXT: [&str; 3] = ["+xml", "+yaml", "+json"];
/// How long a link of Iconik's is used. It is good for longer.
const LINK_TTL: std::time::Duration = std::time::Duration::from_secs(60);

/// The item's media: the object in its bucket; of an asset in Iconik, what is analysed, which for a video is its proxy. A part has
/// up to 4 MiB: with `Range`, as players send it, the answer is the beginning of what was asked for, or all of it. Without, it is
/// all of the media if it is no larger.
#[utoipa::path(get, path = "/api/v1/Media/Items/{id}/media", tag = "Items", security(("keys" = [])),
    params(("id" = String, Path), ("Range" = Option<String>, Header)),
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>), (status = 206, content_type = "application/octet-stream", body = Vec<u8>),
        (status = 404, body = Problem), (status = 416, body = Problem), (status = 422, body = Problem), (status = 502, body = Problem)))]
pub(crate) async fn get(
    State(context): State<Context>,
    Caller(app): Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let item = find(&context, app, &id).await?;
    let asset = match item.system {
        MediaSystem::Iconik => Some(Asset::open(&context, &item).await?),
        MediaSystem::DataCore | MediaSystem::ObjectMatrix => None,
    };
    let (size, media_type) = match &asset {
        Some(asset) => (asset.media.size(), asset.media_type(&item)),
        None => (item.size, item.media_type.as_str()),
    };
    let range = headers.get(header::RANGE).and_then(|it| it.to_str().ok());
    let (first, last, status) = match byte_range::parse(range, size, MAX_PART_BYTES) {
        RangeRequest::Part { first, last } => (first, last, StatusCode::PARTIAL_CONTENT),
        RangeRequest::Whole if size == 0 => return Ok(response(StatusCode::OK, media_type, Vec::new())),
        RangeRequest::Whole if size <= MAX_PART_BYTES => (0, size - 1, StatusCode::OK),
        RangeRequest::Whole => {
            let reason = format!("the media has {size} bytes: ask for parts of at most {MAX_PART_BYTES}");
            return Err(Problem::invalid("Range", reason));
        }
        RangeRequest::Unsatisfiable => {
            let problem = Problem::new(ProblemType::Range, format!("the media has {size} bytes"));
            return Ok(with_range(problem.into_response(), &format!("bytes */{size}")));
        }
    };
    let bytes = match &asset {
        Some(asset) => asset.part(&context, &item, first, last).await?,
        None => part_of_object(&context, &item, first, last).await?,
    };
    let response = response(status, media_type, bytes);
    if status == StatusCode::PARTIAL_CONTENT {
        return Ok(with_range(response, &format!("bytes {first}-{last}/{size}")));
    }
    Ok(response)
}

/// Bytes of a media type that shows nothing but media: what is stored is a stranger's, and the answer is at the API's own origin.
fn response(status: StatusCode, media_type: &str, bytes: Vec<u8>) -> Response {
    let is_text = SENT_AS_TEXT.iter().any(|it| media_type.split(';').any(|part| part.trim_end().ends_with(it)));
    let is_media = !is_text && ["video/", "audio/", "image/"].iter().any(|it| media_type.starts_with(it));
    let media_type = HeaderValue::from_str(media_type).ok().filter(|_| is_media);
    let headers: [(HeaderName, HeaderValue); 6] = [
        (header::CONTENT_TYPE, media_type.unwrap_or(HeaderValue::from_static("application/octet-stream"))),
        (header::ACCEPT_RANGES, HeaderValue::from_static("bytes")),
        (header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=60")),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox")),
    ];
    (status, headers, bytes).into_response()
}

fn with_range(mut response: Response, range: &str) -> Response {
    if let Ok(range) = HeaderValue::from_str(range) {
        response.headers_mut().insert(header::CONTENT_RANGE, range);
    }
    response
}

async fn part_of_object(context: &Context, item: &Item, first: u64, last: u64) -> Result<Vec<u8>, Problem> {
    let bucket = match item.bucket_id {
        Some(id) => context.table.bucket(item.app, id).await?,
        None => None,
    };
    let bucket = bucket.ok_or_else(|| gone("the bucket of this item was removed"))?;
    let credentials = context.secrets.bucket_credentials(&bucket).await?;
    let meter = context.meter.counter("media");
    let store = object_store::open(&bucket, credentials, None, clock::now(), &context.allowed_networks, meter);
    let store = store.map_err(store_problem)?;
    store.part(&item.key, &item.version, item.size, first, last).await.map_err(store_problem)
}

fn store_problem(error: ObjectStoreError) -> Problem {
    match error {
        ObjectStoreError::NoBucket | ObjectStoreError::NoObject | ObjectStoreError::Replaced => {
            gone(&error.to_string())
        }
        error => Problem::new(ProblemType::MediaSystem, error.to_string()),
    }
}

fn gone(reason: &str) -> Problem {
    Problem::new(ProblemType::NoMedia, reason)
}

/// An asset in Iconik, and which of its files are the media.
struct Asset {
    iconik: std::sync::Arc<Iconik>,
    id: Uuid,
    media: MediaSource,
    link: String,
    /// Whether the link was just asked for.
    is_new: bool,
}

impl Asset {
    async fn open(context: &Context, item: &Item) -> Result<Self, Problem> {
        let settings = context.settings.get(item.app).await?;
        let iconik = context.connections.get(item.app, &settings).await.map_err(iconik_problem)?;
        let names = item.key.parse::<Uuid>().ok().zip(item.version.parse::<Uuid>().ok());
        let (id, version) = names.ok_or_else(|| gone("the item names no asset and version"))?;
        if let Some((media, link)) = context.links.get(&item.id) {
            return Ok(Self { iconik, id, media, link, is_new: false });
        }
        let choice = iconik.choose_source(id, version, &item.media_type).await.map_err(iconik_problem)?;
        let SourceChoice::Fetch(media) = choice else { return Err(gone("Iconik has no proxy and no file of it")) };
        let link = iconik.media_link(id, media).await.map_err(iconik_problem)?;
        context.links.put(item.id, (media, link.clone()), LINK_TTL);
        Ok(Self { iconik, id, media, link, is_new: true })
    }

    /// Proxies of videos are MP4 (media systems, section 3.10).
    fn media_type<'a>(&self, item: &'a Item) -> &'a str {
        match self.media {
            MediaSource::Proxy(..) if !item.media_type.starts_with("image/") => "video/mp4",
            _ => &item.media_type,
        }
    }

    /// A part; by another link if the one that is known has expired.
    async fn part(&self, context: &Context, item: &Item, first: u64, last: u64) -> Result<Vec<u8>, Problem> {
        match self.iconik.fetch_part(&self.link, first, last).await {
            Err(FetchError::Iconik(IconikError::Response { status: 403, .. })) if !self.is_new => {
                let link = self.iconik.media_link(self.id, self.media).await.map_err(iconik_problem)?;
                context.links.put(item.id, (self.media, link.clone()), LINK_TTL);
                self.iconik.fetch_part(&link, first, last).await.map_err(fetch_problem)
            }
            part => part.map_err(fetch_problem),
        }
    }
}

fn iconik_problem(error: IconikError) -> Problem {
    match error {
        IconikError::NotFound => gone(&error.to_string()),
        IconikError::Table(error) => Problem::internal(&error),
        error => Problem::new(ProblemType::MediaSystem, error.to_string()),
    }
}

fn fetch_problem(error: FetchError) -> Problem {
    match error {
        FetchError::Iconik(error) => iconik_problem(error),
        error => Problem::new(ProblemType::MediaSystem, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_media_is_shown_as_what_it_is() {
        for (media_type, want) in [
            ("video/mp4", "video/mp4"),
            ("image/svg+xml", "application/octet-stream"),
            ("image/svg+xml ; charset=utf-8", "application/octet-stream"),
            ("text/html", "application/octet-stream"),
            ("video/mp4\r\nset-cookie: a=b", "application/octet-stream"),
            ("", "application/octet-stream"),
        ] {
            let response = response(StatusCode::OK, media_type, Vec::new());
            assert_eq!(response.headers()[header::CONTENT_TYPE], want, "{media_type}");
            assert_eq!(response.headers()[header::CONTENT_SECURITY_POLICY], "default-src 'none'; sandbox");
        }
    }
}
