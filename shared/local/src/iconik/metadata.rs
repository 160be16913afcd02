//! Metadata values of assets, by version and view.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::door::{Answer, error, ok};
use super::{Iconik, USER, VIEW, now, text, webhooks};

pub(super) fn routes() -> Router<Iconik> {
    let a = "/API/metadata/v1/assets/{id}";
    Router::new()
        .route(&format!("{a}/views/{{view}}/"), get(read).put(write))
        .route(&format!("{a}/versions/{{version}}/views/{{view}}/"), get(read_version).put(write_version))
}

/// The newest version of an asset.
fn newest(it: &Iconik, asset: &str) -> String {
    let store = it.store();
    let versions = store.get("asset", asset).and_then(|it| it["versions"].as_array());
    versions.and_then(|it| it.last()).map(|it| text(&it["id"])).unwrap_or_default()
}

async fn read(State(it): State<Iconik>, Path((asset, view)): Path<(String, String)>) -> Answer {
    let version = newest(&it, &asset);
    found(&it, &asset, &version, &view)
}

async fn read_version(
    State(it): State<Iconik>,
    Path((asset, version, view)): Path<(String, String, String)>,
) -> Answer {
    found(&it, &asset, &version, &view)
}

fn found(it: &Iconik, asset: &str, version: &str, view: &str) -> Answer {
    let there = it.store().get("metadata", &format!("{asset}/{version}/{view}")).cloned();
    ok(there.ok_or_else(|| error(StatusCode::NOT_FOUND, "Metadata values for this object and view doesn't exist"))?)
}

async fn write(
    State(it): State<Iconik>,
    Path((asset, view)): Path<(String, String)>,
    Json(body): Json<Value>,
) -> Answer {
    let version = newest(&it, &asset);
    put(&it, &asset, &version, &view, &body)
}

async fn write_version(
    State(it): State<Iconik>,
    Path((asset, version, view)): Path<(String, String, String)>,
    Json(body): Json<Value>,
) -> Answer {
    put(&it, &asset, &version, &view, &body)
}

fn put(it: &Iconik, asset: &str, version: &str, view: &str, body: &Value) -> Answer {
    if view != VIEW || it.store().get("asset", asset).is_none() {
        return Err(error(StatusCode::NOT_FOUND, "no such asset or view"));
    }
    let Some(values) = body["metadata_values"].as_object() else {
        return Err(error(StatusCode::BAD_REQUEST, "metadata_values is required"));
    };
    let id = format!("{asset}/{version}/{view}");
    let mut there = it.store().get("metadata", &id).cloned().unwrap_or_else(|| {
        json!({ "object_type": "assets", "object_id": asset, "version_id": version, "date_created": now(), "metadata_values": {} })
    });
    for (name, value) in values {
        let new = value["field_values"].as_array().cloned().unwrap_or_default();
        let mut all = if value["mode"] == "append" {
            there["metadata_values"][name]["field_values"].as_array().cloned().unwrap_or_default()
        } else {
            Vec::new()
        };
        all.extend(new);
        there["metadata_values"][name] = json!({ "field_values": all });
    }
    there["date_modified"] = now().into();
    it.store().put("metadata", &id, there.clone());
    webhooks::raise(it, "assets", "metadata", "update", asset, USER, there.clone());
    ok(there)
}
