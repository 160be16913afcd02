//! Files, proxies and formats, and signed URLs of their bytes.

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::routing::{get, post};
use axum::{Json, response::IntoResponse, response::Redirect};
use ring::hmac;
use serde_json::{Value, json};

use super::emulator::{IconikEmulator, string};
use super::query::{QueryPairs, per_page, query_value};
use super::response::{ApiResult, created, error, ok};
use crate::clock::now_ms;
use crate::digest::hex;
use crate::random::random_id;

/// How long a signed URL is valid: 1 hour. Iconik's are valid for hours.
const LINK_LIFETIME_MS: i64 = 3_600_000;

pub(super) fn routes() -> Router<IconikEmulator> {
    let a = "/API/files/v1/assets/{id}";
    Router::new()
        .route(&format!("{a}/files/"), get(list_files))
        .route(&format!("{a}/files/{{file}}/download_url/"), get(file_download_url))
        .route(&format!("{a}/proxies/"), get(list_proxies))
        .route(&format!("{a}/proxies/{{file}}/download_url/"), get(proxy_download_url))
        .route(&format!("{a}/formats/"), get(list_formats))
        .route(&format!("{a}/formats/{{name}}/"), get(read_format))
        .route(&format!("{a}/subtitles/"), post(add_subtitles))
}

/// The page of a list that `last_id` and `per_page` ask for: objects behind the one with that id.
fn list_page(iconik: &IconikEmulator, kind: &str, asset: &str, query: &[(String, String)]) -> Value {
    let store = iconik.store();
    let all: Vec<Value> = store.all(kind).filter(|it| it["asset_id"] == asset).cloned().collect();
    let last = query_value(query, "last_id").and_then(|last| all.iter().position(|it| it["id"] == last));
    let objects = all.into_iter().skip(last.map_or(0, |it| it + 1)).take(per_page(query, 1_000));
    json!({ "objects": objects.collect::<Vec<Value>>() })
}

async fn list_files(
    State(iconik): State<IconikEmulator>,
    Path(id): Path<String>,
    Query(query): QueryPairs,
) -> ApiResult {
    ok(list_page(&iconik, "file", &id, &query))
}

async fn list_proxies(
    State(iconik): State<IconikEmulator>,
    Path(id): Path<String>,
    Query(query): QueryPairs,
) -> ApiResult {
    ok(list_page(&iconik, "proxy", &id, &query))
}

async fn list_formats(
    State(iconik): State<IconikEmulator>,
    Path(id): Path<String>,
    Query(query): QueryPairs,
) -> ApiResult {
    ok(list_page(&iconik, "format", &id, &query))
}

async fn read_format(State(iconik): State<IconikEmulator>, Path((id, name)): Path<(String, String)>) -> ApiResult {
    let store = iconik.store();
    let matching = store.all("format").filter(|it| it["asset_id"] == id.as_str() && it["name"] == name.as_str());
    ok(matching.last().cloned().ok_or_else(|| error(StatusCode::NOT_FOUND, "no such format"))?)
}

async fn file_download_url(
    State(iconik): State<IconikEmulator>,
    Path((asset, file)): Path<(String, String)>,
) -> ApiResult {
    download_url(&iconik, "file", &asset, &file)
}

async fn proxy_download_url(
    State(iconik): State<IconikEmulator>,
    Path((asset, file)): Path<(String, String)>,
) -> ApiResult {
    download_url(&iconik, "proxy", &asset, &file)
}

fn download_url(iconik: &IconikEmulator, kind: &str, asset: &str, id: &str) -> ApiResult {
    let found = iconik.store().get(kind, id).filter(|it| it["asset_id"] == asset && it["status"] == "CLOSED").cloned();
    let found = found.ok_or_else(|| error(StatusCode::NOT_FOUND, "no such file, or it is not closed"))?;
    let (file, expires) = (string(&found["media"]), now_ms() + LINK_LIFETIME_MS);
    let signature = signature(iconik, &file, expires);
    ok(json!({ "url": format!("{}/media/{file}?expires={expires}&signature={signature}", iconik.url()) }))
}

fn signature(iconik: &IconikEmulator, file: &str, expires: i64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, iconik.token().as_bytes());
    let tag = hmac::sign(&key, format!("{file}|{expires}").as_bytes());
    hex(tag.as_ref())
}

/// The bytes of a signed URL; 403 once it has expired.
pub(super) async fn media_bytes(
    State(iconik): State<IconikEmulator>,
    Path(file): Path<String>,
    Query(query): QueryPairs,
    headers: HeaderMap,
) -> Response<Body> {
    let value = |name: &str| query_value(&query, name).unwrap_or_default();
    let redirect_origin = iconik.faults().redirect.clone();
    if !redirect_origin.is_empty() && value("hop").is_empty() {
        let query: String = query.iter().map(|(name, value)| format!("&{name}={value}")).collect();
        return Redirect::temporary(&format!("{redirect_origin}/media/{file}?hop=1{query}")).into_response();
    }
    let expires: i64 = value("expires").parse().unwrap_or(0);
    if expires < now_ms() || value("signature") != signature(&iconik, &file, expires) {
        return error(StatusCode::FORBIDDEN, "the link has expired").into_response();
    }
    // a media file is named by an id: no path leads out of the folder
    let is_plain_name = file.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-');
    match tokio::fs::read(iconik.media_path(&file)).await {
        Ok(bytes) if is_plain_name => part(&headers, bytes),
        _ => error(StatusCode::NOT_FOUND, "the media is gone").into_response(),
    }
}

/// All of a file, or what `Range` asks for, as the storage behind such links answers.
fn part(headers: &HeaderMap, bytes: Vec<u8>) -> Response<Body> {
    let range = headers.get(header::RANGE).and_then(|it| it.to_str().ok()?.strip_prefix("bytes=")?.split_once('-'));
    let range = range.and_then(|(first, last)| Some((first.parse::<usize>().ok()?, last.parse::<usize>().ok()?)));
    match range.filter(|(first, last)| first <= last && *last < bytes.len()) {
        Some((first, last)) => {
            let shown = format!("bytes {first}-{last}/{}", bytes.len());
            let part = bytes[first..=last].to_vec();
            (StatusCode::PARTIAL_CONTENT, [(header::CONTENT_RANGE, shown)], part).into_response()
        }
        None => bytes.into_response(),
    }
}

async fn add_subtitles(
    State(iconik): State<IconikEmulator>,
    Path(asset): Path<String>,
    Json(mut body): Json<Value>,
) -> ApiResult {
    if body["language"].is_null() || body["closed_captions"].is_null() || body["format_id"].is_null() {
        return Err(error(StatusCode::BAD_REQUEST, "language, closed_captions and format_id are required"));
    }
    let id = random_id();
    body["id"] = id.clone().into();
    body["asset_id"] = asset.into();
    iconik.store().put("subtitle", &id, body.clone());
    created(body)
}
