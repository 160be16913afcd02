//! Segments of assets. Their list lags; their bulk request may fail after it has written.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::door::{Answer, Wrong, error, made, ok, page};
use super::{Iconik, USER, text, webhooks};
use crate::now_ms;

/// Segments per request, and per page.
const BULK: usize = 500;
const PER_PAGE: usize = 150;

type Asked = Query<Vec<(String, String)>>;

pub(super) fn routes() -> Router<Iconik> {
    let a = "/API/assets/v1/assets/{id}/segments";
    Router::new()
        .route(&format!("{a}/"), get(list).post(add))
        .route(&format!("{a}/bulk/"), post(add_bulk).delete(remove_bulk))
        .route(&format!("{a}/reindex/"), post(reindex))
}

async fn list(State(it): State<Iconik>, Path(asset): Path<String>, Query(query): Asked) -> Answer {
    let visible = now_ms() - it.faults().lag_ms;
    let wanted = |name: &str, value: &Value| {
        query.iter().find(|it| it.0 == name).is_none_or(|it| value.as_str() == Some(it.1.as_str()))
    };
    let store = it.store();
    let fits = store.all("segment").filter(|it| {
        it["asset_id"] == asset.as_str()
            && it["indexed_at"].as_i64().unwrap_or(0) <= visible
            && wanted("segment_type", &it["segment_type"])
            && wanted("version_id", &it["version_id"])
    });
    ok(page(fits.cloned().collect(), &query, PER_PAGE))
}

async fn add(State(it): State<Iconik>, Path(asset): Path<String>, Json(body): Json<Value>) -> Answer {
    made(put(&it, &asset, body)?)
}

async fn add_bulk(State(it): State<Iconik>, Path(asset): Path<String>, Json(body): Json<Value>) -> Answer {
    let objects = body["objects"].as_array().cloned().unwrap_or_default();
    if objects.is_empty() || objects.len() > BULK {
        return Err(error(StatusCode::BAD_REQUEST, "1 to 500 objects"));
    }
    for object in objects {
        put(&it, &asset, object)?;
    }
    made(Value::Null)
}

fn put(it: &Iconik, asset: &str, mut body: Value) -> Result<Value, Wrong> {
    if it.store().get("asset", asset).is_none() {
        return Err(error(StatusCode::NOT_FOUND, "no such asset"));
    }
    if body["segment_type"].as_str().is_none() {
        return Err(error(StatusCode::BAD_REQUEST, "segment_type is required"));
    }
    let id = crate::sqs::random_id();
    body["id"] = id.clone().into();
    body["asset_id"] = asset.into();
    body["indexed_at"] = now_ms().into();
    it.store().put("segment", &id, body.clone());
    webhooks::raise(it, "assets", "segments", "create", &id, USER, body.clone());
    Ok(body)
}

async fn remove_bulk(State(it): State<Iconik>, Path(asset): Path<String>, Json(body): Json<Value>) -> Answer {
    let ids: Vec<String> = body["segment_ids"].as_array().into_iter().flatten().map(text).collect();
    if ids.is_empty() || ids.len() > BULK {
        return Err(error(StatusCode::BAD_REQUEST, "1 to 500 segment_ids"));
    }
    let mut store = it.store();
    let ours = |it: Option<&Value>| it.is_some_and(|it| it["asset_id"] == asset.as_str());
    let there: Vec<&String> = ids.iter().filter(|it| ours(store.get("segment", it))).collect();
    let removed = there.into_iter().filter(|it| store.remove("segment", it)).count();
    if removed == 0 {
        return Err(error(StatusCode::NOT_FOUND, "no such segments"));
    }
    ok(json!({}))
}

async fn reindex(State(it): State<Iconik>, Path(asset): Path<String>) -> Answer {
    let mut store = it.store();
    let ours: Vec<Value> = store.all("segment").filter(|it| it["asset_id"] == asset.as_str()).cloned().collect();
    for mut segment in ours {
        segment["indexed_at"] = 0.into();
        store.put("segment", &text(&segment["id"]), segment);
    }
    made(json!({}))
}
