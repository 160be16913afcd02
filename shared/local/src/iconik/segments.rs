//! Segments of assets: timed metadata. The list shows new segments late; a bulk request may fail after it has written.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::emulator::{IconikEmulator, SERVICE_USER, string};
use super::query::{QueryPairs, page, query_value};
use super::response::{ApiError, ApiResult, created, error, ok};
use super::webhooks;
use crate::clock::now_ms;
use crate::random::random_id;

/// Segments of a bulk request, and of a page, at most.
const MAX_BULK: usize = 500;
const MAX_PER_PAGE: usize = 150;

pub(super) fn routes() -> Router<IconikEmulator> {
    let a = "/API/assets/v1/assets/{id}/segments";
    Router::new()
        .route(&format!("{a}/"), get(list).post(add))
        .route(&format!("{a}/bulk/"), post(add_bulk).delete(remove_bulk))
        .route(&format!("{a}/reindex/"), post(reindex))
}

async fn list(State(iconik): State<IconikEmulator>, Path(asset): Path<String>, Query(query): QueryPairs) -> ApiResult {
    let visible = now_ms() - iconik.faults().lag_ms;
    let matches_query =
        |name: &str, value: &Value| query_value(&query, name).is_none_or(|it| value.as_str() == Some(it));
    let store = iconik.store();
    let matching = store.all("segment").filter(|segment| {
        segment["asset_id"] == asset.as_str()
            && segment["indexed_at"].as_i64().unwrap_or(0) <= visible
            && matches_query("segment_type", &segment["segment_type"])
            && matches_query("version_id", &segment["version_id"])
    });
    ok(page(matching.cloned().collect(), &query, MAX_PER_PAGE))
}

async fn add(State(iconik): State<IconikEmulator>, Path(asset): Path<String>, Json(body): Json<Value>) -> ApiResult {
    created(store_segment(&iconik, &asset, body)?)
}

async fn add_bulk(
    State(iconik): State<IconikEmulator>,
    Path(asset): Path<String>,
    Json(body): Json<Value>,
) -> ApiResult {
    let objects = body["objects"].as_array().cloned().unwrap_or_default();
    if objects.is_empty() || objects.len() > MAX_BULK {
        return Err(error(StatusCode::BAD_REQUEST, "1 to 500 objects"));
    }
    for object in objects {
        store_segment(&iconik, &asset, object)?;
    }
    created(Value::Null)
}

fn store_segment(iconik: &IconikEmulator, asset: &str, mut body: Value) -> Result<Value, ApiError> {
    if iconik.store().get("asset", asset).is_none() {
        return Err(error(StatusCode::NOT_FOUND, "no such asset"));
    }
    if body["segment_type"].as_str().is_none() {
        return Err(error(StatusCode::BAD_REQUEST, "segment_type is required"));
    }
    let id = random_id();
    body["id"] = id.clone().into();
    body["asset_id"] = asset.into();
    body["indexed_at"] = now_ms().into();
    iconik.store().put("segment", &id, body.clone());
    webhooks::publish(iconik, "assets", "segments", "create", &id, SERVICE_USER, body.clone());
    Ok(body)
}

async fn remove_bulk(
    State(iconik): State<IconikEmulator>,
    Path(asset): Path<String>,
    Json(body): Json<Value>,
) -> ApiResult {
    let ids: Vec<String> = body["segment_ids"].as_array().into_iter().flatten().map(string).collect();
    if ids.is_empty() || ids.len() > MAX_BULK {
        return Err(error(StatusCode::BAD_REQUEST, "1 to 500 segment_ids"));
    }
    let mut store = iconik.store();
    let belongs_to_asset = |it: Option<&Value>| it.is_some_and(|it| it["asset_id"] == asset.as_str());
    let stored_ids: Vec<&String> = ids.iter().filter(|it| belongs_to_asset(store.get("segment", it))).collect();
    let removed = stored_ids.into_iter().filter(|it| store.remove("segment", it)).count();
    if removed == 0 {
        return Err(error(StatusCode::NOT_FOUND, "no such segments"));
    }
    ok(json!({}))
}

async fn reindex(State(iconik): State<IconikEmulator>, Path(asset): Path<String>) -> ApiResult {
    let mut store = iconik.store();
    let segments: Vec<Value> = store.all("segment").filter(|it| it["asset_id"] == asset.as_str()).cloned().collect();
    for mut segment in segments {
        segment["indexed_at"] = 0.into();
        store.put("segment", &string(&segment["id"]), segment);
    }
    created(json!({}))
}
