//! Search for assets by creation date and collection, paged by `search_after` (the `_sort` of the last hit).

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::assets;
use super::emulator::{IconikEmulator, string, timestamp_ms};
use super::query::{QueryPairs, page, per_page};
use super::response::{ApiResult, error, ok};
use crate::clock::now_ms;

pub(super) fn routes() -> Router<IconikEmulator> {
    Router::new()
        .route("/API/search/v1/search/", post(search))
        .route("/API/search/v1/search/saved/{id}/", get(read_saved_search))
}

async fn search(State(iconik): State<IconikEmulator>, Query(query): QueryPairs, Json(body): Json<Value>) -> ApiResult {
    let visible = now_ms() - iconik.faults().lag_ms;
    let all: Vec<Value> = iconik.store().all("asset").filter(|it| it["status"] == "ACTIVE").cloned().collect();
    let terms = body["filter"]["terms"].as_array().cloned().unwrap_or_default();
    let mut hits: Vec<Value> = all
        .into_iter()
        .filter(|asset| created_ms(asset) <= visible && terms.iter().all(|term| matches_term(&iconik, asset, term)))
        .collect();
    hits.sort_by_key(sort_key);
    let total = hits.len();
    if let Some(after) = body["search_after"].as_array() {
        let after = (string(&after[0]), string(after.get(1).unwrap_or(&Value::Null)));
        hits.retain(|it| sort_key(it) > after);
    }
    let per_page = per_page(&query, 1_000);
    let objects: Vec<Value> = hits.iter().take(per_page).map(document).collect();
    ok(
        json!({ "objects": objects, "total": total, "per_page": per_page, "page": 1, "pages": total.div_ceil(per_page) }),
    )
}

/// A saved search finds the contents of the collection that has the same id.
async fn read_saved_search(
    State(iconik): State<IconikEmulator>,
    Path(id): Path<String>,
    Query(query): QueryPairs,
) -> ApiResult {
    iconik.store().get("collection", &id).ok_or_else(|| error(StatusCode::NOT_FOUND, "no such search"))?;
    let members: Vec<Value> =
        iconik.store().all("member").filter(|it| it["collection_id"] == id.as_str()).cloned().collect();
    let found = members.iter().map(|it| json!({ "id": it["object_id"], "object_type": it["object_type"] })).collect();
    ok(json!({ "id": id, "results": page(found, &query, 1_000) }))
}

fn created_ms(asset: &Value) -> i64 {
    timestamp_ms(&asset["date_created"]).unwrap_or(0)
}

fn matches_term(iconik: &IconikEmulator, asset: &Value, term: &Value) -> bool {
    match term["name"].as_str() {
        Some("date_created") => {
            let bound = |name: &str| timestamp_ms(&term["range"][name]);
            let at = created_ms(asset);
            bound("min").is_none_or(|min| at >= min) && bound("max").is_none_or(|max| at <= max)
        }
        Some("ancestor_collections") => {
            let wanted: Vec<String> = term["value_in"].as_array().into_iter().flatten().map(string).collect();
            let collections: Vec<String> = {
                let store = iconik.store();
                let members = store.all("member").filter(|it| it["object_id"] == asset["id"]);
                members.map(|it| string(&it["collection_id"])).collect()
            };
            collections.iter().flat_map(|id| assets::with_ancestors(iconik, id)).any(|it| wanted.contains(&it))
        }
        _ => true,
    }
}

fn sort_key(asset: &Value) -> (String, String) {
    (string(&asset["date_created"]), string(&asset["id"]))
}

fn document(asset: &Value) -> Value {
    let (at, id) = sort_key(asset);
    json!({ "id": id, "object_type": "assets", "title": asset["title"], "date_created": at, "_sort": [at, id] })
}
