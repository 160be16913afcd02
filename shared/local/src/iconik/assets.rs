//! Assets, their history, and collections.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::emulator::{IconikEmulator, SERVICE_USER, UPLOADING_USER, string, timestamp};
use super::query::{QueryPairs, page};
use super::response::{ApiResult, created, error, ok};
use super::webhooks;
use crate::clock::now_ms;
use crate::random::random_id;

pub(super) fn routes() -> Router<IconikEmulator> {
    let a = "/API/assets/v1";
    Router::new()
        .route(&format!("{a}/assets/{{id}}/"), get(read).patch(update))
        .route(&format!("{a}/assets/{{id}}/history/"), post(add_history))
        .route(&format!("{a}/assets/{{id}}/versions/{{version}}/transcriptions/subtitles/"), post(add_transcription))
        .route(&format!("{a}/collections/"), get(list_collections).post(create_collection))
        .route(&format!("{a}/collections/{{id}}/"), get(read_collection))
        .route(&format!("{a}/collections/{{id}}/ancestors/"), get(list_ancestors))
        .route(&format!("{a}/collections/{{id}}/contents/"), get(list_contents).post(add_content))
}

async fn read(State(iconik): State<IconikEmulator>, Path(id): Path<String>) -> ApiResult {
    let mut asset = iconik.find("asset", &id)?;
    let store = iconik.store();
    let memberships = store.all("member").filter(|it| it["object_id"] == id.as_str());
    asset["in_collections"] = memberships.map(|it| it["collection_id"].clone()).collect();
    ok(asset)
}

async fn update(State(iconik): State<IconikEmulator>, Path(id): Path<String>, Json(body): Json<Value>) -> ApiResult {
    let mut asset = iconik.find("asset", &id)?;
    for name in ["title", "status", "archive_status", "type"] {
        if let Some(value) = body.get(name) {
            asset[name] = value.clone();
        }
    }
    asset["date_modified"] = timestamp().into();
    iconik.store().put("asset", &id, asset.clone());
    webhooks::publish(&iconik, "assets", "entity", "update", &id, SERVICE_USER, asset.clone());
    ok(asset)
}

async fn add_history(
    State(iconik): State<IconikEmulator>,
    Path(id): Path<String>,
    Json(mut body): Json<Value>,
) -> ApiResult {
    let entry_id = random_id();
    body["id"] = entry_id.clone().into();
    body["asset_id"] = id.into();
    iconik.store().put("history", &entry_id, body.clone());
    created(body)
}

async fn add_transcription(
    State(iconik): State<IconikEmulator>,
    Path((asset, version)): Path<(String, String)>,
    Json(mut body): Json<Value>,
) -> ApiResult {
    if body["content"].as_str().is_none_or(str::is_empty) || body["language"].as_str().is_none_or(|it| it.len() != 2) {
        return Err(error(StatusCode::BAD_REQUEST, "content and language are required"));
    }
    let id = format!("{version}.{}", string(&body["language"]));
    body["asset_id"] = asset.into();
    body["version_id"] = version.into();
    iconik.store().put("transcript", &id, body.clone());
    ok(body)
}

async fn list_collections(State(iconik): State<IconikEmulator>, Query(query): QueryPairs) -> ApiResult {
    ok(page(iconik.objects("collection"), &query, 1_000))
}

async fn read_collection(State(iconik): State<IconikEmulator>, Path(id): Path<String>) -> ApiResult {
    ok(iconik.find("collection", &id)?)
}

async fn create_collection(State(iconik): State<IconikEmulator>, Json(body): Json<Value>) -> ApiResult {
    let id = random_id();
    let parent = string(&body["parent_id"]);
    let collection = json!({ "id": id, "title": body["title"], "status": "ACTIVE", "parent_id": body["parent_id"], "date_created": timestamp() });
    iconik.store().put("collection", &id, collection.clone());
    if !parent.is_empty() {
        add_to_collection(&iconik, &parent, "collections", &id, SERVICE_USER);
    }
    created(collection)
}

async fn list_ancestors(State(iconik): State<IconikEmulator>, Path(id): Path<String>) -> ApiResult {
    let ancestors: Vec<Value> =
        with_ancestors(&iconik, &id).into_iter().skip(1).map(|it| json!({ "id": it })).collect();
    ok(json!({ "objects": ancestors }))
}

async fn list_contents(
    State(iconik): State<IconikEmulator>,
    Path(id): Path<String>,
    Query(query): QueryPairs,
) -> ApiResult {
    let visible = now_ms() - iconik.faults().lag_ms;
    iconik.find("collection", &id)?;
    let store = iconik.store();
    let members = store.all("member").filter(|it| it["collection_id"] == id.as_str());
    let members = members.filter(|it| it["indexed_at"].as_i64().unwrap_or(0) <= visible);
    let objects =
        members.map(|it| json!({ "id": it["object_id"], "object_type": it["object_type"], "title": it["title"] }));
    ok(page(objects.collect(), &query, 1_000))
}

async fn add_content(
    State(iconik): State<IconikEmulator>,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> ApiResult {
    let (object, kind) = (string(&body["object_id"]), string(&body["object_type"]));
    if object.is_empty() || !["assets", "collections"].contains(&kind.as_str()) {
        return Err(error(StatusCode::BAD_REQUEST, "object_id and object_type are required"));
    }
    add_to_collection(&iconik, &id, &kind, &object, SERVICE_USER);
    created(body)
}

/// Adds an asset or a collection (`kind` is `assets` or `collections`) to a collection, and publishes that.
pub(super) fn add_to_collection(iconik: &IconikEmulator, collection: &str, kind: &str, object: &str, user: &str) {
    let title = iconik.store().get(kind.trim_end_matches('s'), object).map(|it| it["title"].clone());
    let member = json!({
        "collection_id": collection, "object_id": object, "object_type": kind, "title": title, "indexed_at": now_ms(),
    });
    iconik.store().put("member", &format!("{collection}/{object}"), member);
    let parents: Vec<String> = with_ancestors(iconik, collection).into_iter().skip(1).collect();
    let data = json!({
        "collection_id": collection, "date_created": timestamp(), "object_id": object, "object_type": kind, "parents": parents,
    });
    webhooks::publish(iconik, "collections", "contents", "create", object, user, data);
}

/// The ids of a collection and of its ancestors, innermost first.
pub(super) fn with_ancestors(iconik: &IconikEmulator, id: &str) -> Vec<String> {
    let store = iconik.store();
    let mut path = vec![id.to_owned()];
    while let Some(parent) = store.get("collection", &path[path.len() - 1]).and_then(|it| it["parent_id"].as_str()) {
        if path.iter().any(|it| it == parent) {
            break;
        }
        path.push(parent.to_owned());
    }
    path
}

/// Creates an asset with its first version, still without files. Returns the ids of both.
pub(super) fn create_asset(iconik: &IconikEmulator, title: &str) -> (String, String) {
    let (id, at) = (random_id(), timestamp());
    let version = new_version(1);
    let version_id = string(&version["id"]);
    let asset = json!({
        "id": id, "title": title, "type": "ASSET", "status": "ACTIVE", "archive_status": "NOT_ARCHIVED", "analyze_status": "N/A",
        "category": null, "created_by_user": UPLOADING_USER, "date_created": at, "date_modified": at, "external_id": null,
        "is_blocked": false, "is_online": false, "system_domain_id": iconik.domain(), "versions": [version],
    });
    iconik.store().put("asset", &id, asset.clone());
    webhooks::publish(iconik, "assets", "entity", "create", &id, UPLOADING_USER, asset);
    (id, version_id)
}

/// A new version of an asset, with its number from 1.
pub(super) fn new_version(number: u64) -> Value {
    json!({
        "id": random_id(), "version_number": number, "status": "ACTIVE", "is_online": false,
        "analyze_status": "N/A", "archive_status": "NOT_ARCHIVED", "transcribe_status": "N/A",
        "created_by_user": UPLOADING_USER, "date_created": timestamp(),
    })
}
