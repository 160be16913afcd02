//! Assets, their history, and collections.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::door::{Answer, error, made, ok, page};
use super::{Iconik, UPLOADER, USER, now, text, webhooks};
use crate::now_ms;

type Asked = Query<Vec<(String, String)>>;

pub(super) fn routes() -> Router<Iconik> {
    let a = "/API/assets/v1";
    Router::new()
        .route(&format!("{a}/assets/{{id}}/"), get(read).patch(change))
        .route(&format!("{a}/assets/{{id}}/history/"), post(add_history))
        .route(&format!("{a}/assets/{{id}}/versions/{{version}}/transcriptions/subtitles/"), post(transcript))
        .route(&format!("{a}/collections/"), get(collections).post(make_collection))
        .route(&format!("{a}/collections/{{id}}/"), get(collection))
        .route(&format!("{a}/collections/{{id}}/ancestors/"), get(ancestors))
        .route(&format!("{a}/collections/{{id}}/contents/"), get(contents).post(add))
}

async fn read(State(it): State<Iconik>, Path(id): Path<String>) -> Answer {
    let store = it.store();
    let mut asset = store.get("asset", &id).cloned().ok_or_else(|| error(StatusCode::NOT_FOUND, "no such asset"))?;
    let inside = store.all("member").filter(|it| it["object_id"] == id.as_str());
    asset["in_collections"] = inside.map(|it| it["collection_id"].clone()).collect();
    ok(asset)
}

async fn change(State(it): State<Iconik>, Path(id): Path<String>, Json(body): Json<Value>) -> Answer {
    let mut asset =
        it.store().get("asset", &id).cloned().ok_or_else(|| error(StatusCode::NOT_FOUND, "no such asset"))?;
    for name in ["title", "status", "archive_status", "type"] {
        if let Some(value) = body.get(name) {
            asset[name] = value.clone();
        }
    }
    asset["date_modified"] = now().into();
    it.store().put("asset", &id, asset.clone());
    webhooks::raise(&it, "assets", "entity", "update", &id, USER, asset.clone());
    ok(asset)
}

async fn add_history(State(it): State<Iconik>, Path(id): Path<String>, Json(mut body): Json<Value>) -> Answer {
    let line = crate::sqs::random_id();
    body["id"] = line.clone().into();
    body["asset_id"] = id.into();
    it.store().put("history", &line, body.clone());
    made(body)
}

async fn transcript(
    State(it): State<Iconik>,
    Path((asset, version)): Path<(String, String)>,
    Json(mut body): Json<Value>,
) -> Answer {
    if body["content"].as_str().is_none_or(str::is_empty) || body["language"].as_str().is_none_or(|it| it.len() != 2) {
        return Err(error(StatusCode::BAD_REQUEST, "content and language are required"));
    }
    let id = format!("{version}.{}", text(&body["language"]));
    body["asset_id"] = asset.into();
    body["version_id"] = version.into();
    it.store().put("transcript", &id, body.clone());
    ok(body)
}

async fn collections(State(it): State<Iconik>, Query(query): Asked) -> Answer {
    ok(page(it.all("collection"), &query, 1_000))
}

async fn collection(State(it): State<Iconik>, Path(id): Path<String>) -> Answer {
    let found = it.store().get("collection", &id).cloned();
    ok(found.ok_or_else(|| error(StatusCode::NOT_FOUND, "no such collection"))?)
}

async fn make_collection(State(it): State<Iconik>, Json(body): Json<Value>) -> Answer {
    let id = crate::sqs::random_id();
    let parent = text(&body["parent_id"]);
    let made_now = json!({ "id": id, "title": body["title"], "status": "ACTIVE", "parent_id": body["parent_id"], "date_created": now() });
    it.store().put("collection", &id, made_now.clone());
    if !parent.is_empty() {
        put_into(&it, &parent, "collections", &id, USER);
    }
    made(made_now)
}

async fn ancestors(State(it): State<Iconik>, Path(id): Path<String>) -> Answer {
    let above: Vec<Value> = above(&it, &id).into_iter().skip(1).map(|it| json!({ "id": it })).collect();
    ok(json!({ "objects": above }))
}

async fn contents(State(it): State<Iconik>, Path(id): Path<String>, Query(query): Asked) -> Answer {
    let visible = now_ms() - it.faults().lag_ms;
    let store = it.store();
    store.get("collection", &id).ok_or_else(|| error(StatusCode::NOT_FOUND, "no such collection"))?;
    let members = store.all("member").filter(|it| it["collection_id"] == id.as_str());
    let members = members.filter(|it| it["indexed_at"].as_i64().unwrap_or(0) <= visible);
    let objects =
        members.map(|it| json!({ "id": it["object_id"], "object_type": it["object_type"], "title": it["title"] }));
    ok(page(objects.collect(), &query, 1_000))
}

async fn add(State(it): State<Iconik>, Path(id): Path<String>, Json(body): Json<Value>) -> Answer {
    let (object, kind) = (text(&body["object_id"]), text(&body["object_type"]));
    if object.is_empty() || !["assets", "collections"].contains(&kind.as_str()) {
        return Err(error(StatusCode::BAD_REQUEST, "object_id and object_type are required"));
    }
    put_into(&it, &id, &kind, &object, USER);
    made(body)
}

/// Puts something into a collection, and tells so.
pub(super) fn put_into(it: &Iconik, collection: &str, kind: &str, object: &str, user: &str) {
    let title = it.store().get(kind.trim_end_matches('s'), object).map(|it| it["title"].clone());
    let member = json!({
        "collection_id": collection, "object_id": object, "object_type": kind, "title": title, "indexed_at": now_ms(),
    });
    it.store().put("member", &format!("{collection}/{object}"), member);
    let parents: Vec<String> = above(it, collection).into_iter().skip(1).collect();
    let data = json!({
        "collection_id": collection, "date_created": now(), "object_id": object, "object_type": kind, "parents": parents,
    });
    webhooks::raise(it, "collections", "contents", "create", object, user, data);
}

/// A collection and those above it.
pub(super) fn above(it: &Iconik, id: &str) -> Vec<String> {
    let store = it.store();
    let mut path = vec![id.to_owned()];
    while let Some(parent) = store.get("collection", &path[path.len() - 1]).and_then(|it| it["parent_id"].as_str()) {
        if path.iter().any(|it| it == parent) {
            break;
        }
        path.push(parent.to_owned());
    }
    path
}

/// A new asset with its first version, still without files.
pub(super) fn new_asset(it: &Iconik, title: &str) -> (String, String) {
    let (id, at) = (crate::sqs::random_id(), now());
    let version = new_version(1);
    let version_id = text(&version["id"]);
    let asset = json!({
        "id": id, "title": title, "type": "ASSET", "status": "ACTIVE", "archive_status": "NOT_ARCHIVED", "analyze_status": "N/A",
        "category": null, "created_by_user": UPLOADER, "date_created": at, "date_modified": at, "external_id": null,
        "is_blocked": false, "is_online": false, "system_domain_id": it.domain(), "versions": [version],
    });
    it.store().put("asset", &id, asset.clone());
    webhooks::raise(it, "assets", "entity", "create", &id, UPLOADER, asset);
    (id, version_id)
}

/// A version of an asset.
pub(super) fn new_version(number: u64) -> Value {
    json!({
        "id": crate::sqs::random_id(), "version_number": number, "status": "ACTIVE", "is_online": false,
        "analyze_status": "N/A", "archive_status": "NOT_ARCHIVED", "transcribe_status": "N/A",
        "created_by_user": UPLOADER, "date_created": now(),
    })
}
