//! Metadata values of assets, by version and metadata view.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::emulator::{IconikEmulator, METADATA_VIEW_ID, SERVICE_USER, string, timestamp};
use super::response::{ApiResult, error, ok};
use super::webhooks;

pub(super) fn routes() -> Router<IconikEmulator> {
    let a = "/API/metadata/v1/assets/{id}";
    Router::new()
        .route(&format!("{a}/views/{{view}}/"), get(read).put(write))
        .route(&format!("{a}/versions/{{version}}/views/{{view}}/"), get(read_version).put(write_version))
}

/// The id of the newest version of an asset; empty if there is none.
fn newest_version(iconik: &IconikEmulator, asset: &str) -> String {
    let store = iconik.store();
    let versions = store.get("asset", asset).and_then(|it| it["versions"].as_array());
    versions.and_then(|it| it.last()).map(|it| string(&it["id"])).unwrap_or_default()
}

async fn read(State(iconik): State<IconikEmulator>, Path((asset, view)): Path<(String, String)>) -> ApiResult {
    let version = newest_version(&iconik, &asset);
    stored_values(&iconik, &asset, &version, &view)
}

async fn read_version(
    State(iconik): State<IconikEmulator>,
    Path((asset, version, view)): Path<(String, String, String)>,
) -> ApiResult {
    stored_values(&iconik, &asset, &version, &view)
}

fn stored_values(iconik: &IconikEmulator, asset: &str, version: &str, view: &str) -> ApiResult {
    let stored = iconik.store().get("metadata", &format!("{asset}/{version}/{view}")).cloned();
    ok(stored.ok_or_else(|| error(StatusCode::NOT_FOUND, "Metadata values for this object and view doesn't exist"))?)
}

async fn write(
    State(iconik): State<IconikEmulator>,
    Path((asset, view)): Path<(String, String)>,
    Json(body): Json<Value>,
) -> ApiResult {
    let version = newest_version(&iconik, &asset);
    store_values(&iconik, &asset, &version, &view, &body)
}

async fn write_version(
    State(iconik): State<IconikEmulator>,
    Path((asset, version, view)): Path<(String, String, String)>,
    Json(body): Json<Value>,
) -> ApiResult {
    store_values(&iconik, &asset, &version, &view, &body)
}

fn store_values(iconik: &IconikEmulator, asset: &str, version: &str, view: &str, body: &Value) -> ApiResult {
    if view != METADATA_VIEW_ID || iconik.store().get("asset", asset).is_none() {
        return Err(error(StatusCode::NOT_FOUND, "no such asset or view"));
    }
    let Some(values) = body["metadata_values"].as_object() else {
        return Err(error(StatusCode::BAD_REQUEST, "metadata_values is required"));
    };
    let id = format!("{asset}/{version}/{view}");
    let mut stored = iconik.store().get("metadata", &id).cloned().unwrap_or_else(|| {
        json!({ "object_type": "assets", "object_id": asset, "version_id": version, "date_created": timestamp(), "metadata_values": {} })
    });
    for (name, value) in values {
        let added = value["field_values"].as_array().cloned().unwrap_or_default();
        let mut values = if value["mode"] == "append" {
            stored["metadata_values"][name]["field_values"].as_array().cloned().unwrap_or_default()
        } else {
            Vec::new()
        };
        values.extend(added);
        stored["metadata_values"][name] = json!({ "field_values": values });
    }
    stored["date_modified"] = timestamp().into();
    iconik.store().put("metadata", &id, stored.clone());
    webhooks::publish(iconik, "assets", "metadata", "update", asset, SERVICE_USER, stored.clone());
    ok(stored)
}
