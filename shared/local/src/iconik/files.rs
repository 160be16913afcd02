//! Files, proxies and formats, and signed links to their bytes.

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{Response, StatusCode};
use axum::routing::{get, post};
use axum::{Json, response::IntoResponse, response::Redirect};
use ring::hmac;
use serde_json::{Value, json};

use super::door::{Answer, error, made, ok};
use super::{Iconik, text};
use crate::now_ms;

/// How long a link is good: Iconik's are for hours.
const GOOD_FOR: i64 = 3_600_000;

type Asked = Query<Vec<(String, String)>>;

pub(super) fn routes() -> Router<Iconik> {
    let a = "/API/files/v1/assets/{id}";
    Router::new()
        .route(&format!("{a}/files/"), get(files))
        .route(&format!("{a}/files/{{file}}/download_url/"), get(file_link))
        .route(&format!("{a}/proxies/"), get(proxies))
        .route(&format!("{a}/proxies/{{file}}/download_url/"), get(proxy_link))
        .route(&format!("{a}/formats/"), get(formats))
        .route(&format!("{a}/formats/{{name}}/"), get(format_of))
        .route(&format!("{a}/subtitles/"), post(subtitles))
}

/// A list that goes on behind `last_id`.
fn listed(it: &Iconik, kind: &str, asset: &str, query: &[(String, String)]) -> Value {
    let value = |name: &str| query.iter().find(|it| it.0 == name).map(|it| it.1.clone());
    let per_page = value("per_page").and_then(|it| it.parse().ok()).unwrap_or(10_usize).clamp(1, 1_000);
    let store = it.store();
    let all: Vec<Value> = store.all(kind).filter(|it| it["asset_id"] == asset).cloned().collect();
    let from =
        value("last_id").and_then(|last| all.iter().position(|it| it["id"] == last.as_str())).map_or(0, |it| it + 1);
    json!({ "objects": all.into_iter().skip(from).take(per_page).collect::<Vec<Value>>() })
}

async fn files(State(it): State<Iconik>, Path(id): Path<String>, Query(query): Asked) -> Answer {
    ok(listed(&it, "file", &id, &query))
}

async fn proxies(State(it): State<Iconik>, Path(id): Path<String>, Query(query): Asked) -> Answer {
    ok(listed(&it, "proxy", &id, &query))
}

async fn formats(State(it): State<Iconik>, Path(id): Path<String>, Query(query): Asked) -> Answer {
    ok(listed(&it, "format", &id, &query))
}

async fn format_of(State(it): State<Iconik>, Path((id, name)): Path<(String, String)>) -> Answer {
    let store = it.store();
    let fits = store.all("format").filter(|it| it["asset_id"] == id.as_str() && it["name"] == name.as_str());
    ok(fits.last().cloned().ok_or_else(|| error(StatusCode::NOT_FOUND, "no such format"))?)
}

async fn file_link(State(it): State<Iconik>, Path((asset, file)): Path<(String, String)>) -> Answer {
    link(&it, "file", &asset, &file)
}

async fn proxy_link(State(it): State<Iconik>, Path((asset, file)): Path<(String, String)>) -> Answer {
    link(&it, "proxy", &asset, &file)
}

fn link(it: &Iconik, kind: &str, asset: &str, id: &str) -> Answer {
    let found = it.store().get(kind, id).filter(|it| it["asset_id"] == asset && it["status"] == "CLOSED").cloned();
    let found = found.ok_or_else(|| error(StatusCode::NOT_FOUND, "no such file, or it is not closed"))?;
    let (file, expires) = (text(&found["media"]), now_ms() + GOOD_FOR);
    let signature = signature(it, &file, expires);
    ok(json!({ "url": format!("{}/media/{file}?expires={expires}&signature={signature}", it.url()) }))
}

fn signature(it: &Iconik, file: &str, expires: i64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, it.token().as_bytes());
    let tag = hmac::sign(&key, format!("{file}|{expires}").as_bytes());
    tag.as_ref().iter().map(|it| format!("{it:02x}")).collect()
}

/// The bytes behind a link.
pub(super) async fn bytes(State(it): State<Iconik>, Path(file): Path<String>, Query(query): Asked) -> Response<Body> {
    let value = |name: &str| query.iter().find(|it| it.0 == name).map(|it| it.1.clone()).unwrap_or_default();
    let elsewhere = it.faults().redirect.clone();
    if !elsewhere.is_empty() && value("hop").is_empty() {
        let query: String = query.iter().map(|(name, value)| format!("&{name}={value}")).collect();
        return Redirect::temporary(&format!("{elsewhere}/media/{file}?hop=1{query}")).into_response();
    }
    let expires: i64 = value("expires").parse().unwrap_or(0);
    if expires < now_ms() || value("signature") != signature(&it, &file, expires) {
        return error(StatusCode::FORBIDDEN, "the link has expired").into_response();
    }
    // a media file is named by an id: no path leads out of the folder
    let plain = file.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-');
    match tokio::fs::read(it.inner.media.join(&file)).await {
        Ok(bytes) if plain => bytes.into_response(),
        _ => error(StatusCode::NOT_FOUND, "the media is gone").into_response(),
    }
}

async fn subtitles(State(it): State<Iconik>, Path(asset): Path<String>, Json(mut body): Json<Value>) -> Answer {
    if body["language"].is_null() || body["closed_captions"].is_null() || body["format_id"].is_null() {
        return Err(error(StatusCode::BAD_REQUEST, "language, closed_captions and format_id are required"));
    }
    let id = crate::sqs::random_id();
    body["id"] = id.clone().into();
    body["asset_id"] = asset.into();
    it.store().put("subtitle", &id, body.clone());
    made(body)
}
