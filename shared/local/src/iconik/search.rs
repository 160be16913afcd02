//! Search for assets by when they were made and where they lie, paged behind `_sort`.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::door::{Answer, error, ok, page};
use super::{Iconik, assets, text};
use crate::now_ms;

type Asked = Query<Vec<(String, String)>>;

pub(super) fn routes() -> Router<Iconik> {
    Router::new().route("/API/search/v1/search/", post(search)).route("/API/search/v1/search/saved/{id}/", get(saved))
}

async fn search(State(it): State<Iconik>, Query(query): Asked, Json(body): Json<Value>) -> Answer {
    let visible = now_ms() - it.faults().lag_ms;
    let all: Vec<Value> = it.store().all("asset").filter(|it| it["status"] == "ACTIVE").cloned().collect();
    let terms = body["filter"]["terms"].as_array().cloned().unwrap_or_default();
    let mut fits: Vec<Value> = all
        .into_iter()
        .filter(|asset| made_by(asset) <= visible && terms.iter().all(|term| holds(&it, asset, term)))
        .collect();
    fits.sort_by_key(sorted);
    let total = fits.len();
    if let Some(after) = body["search_after"].as_array() {
        let after = (text(&after[0]), text(after.get(1).unwrap_or(&Value::Null)));
        fits.retain(|it| sorted(it) > after);
    }
    let per_page =
        query.iter().find(|it| it.0 == "per_page").and_then(|it| it.1.parse().ok()).unwrap_or(10_usize).clamp(1, 1_000);
    let objects: Vec<Value> = fits.iter().take(per_page).map(document).collect();
    ok(
        json!({ "objects": objects, "total": total, "per_page": per_page, "page": 1, "pages": total.div_ceil(per_page) }),
    )
}

/// A saved search is one for a collection: its id is the collection's.
async fn saved(State(it): State<Iconik>, Path(id): Path<String>, Query(query): Asked) -> Answer {
    it.store().get("collection", &id).ok_or_else(|| error(StatusCode::NOT_FOUND, "no such search"))?;
    let members: Vec<Value> =
        it.store().all("member").filter(|it| it["collection_id"] == id.as_str()).cloned().collect();
    let found = members.iter().map(|it| json!({ "id": it["object_id"], "object_type": it["object_type"] })).collect();
    ok(json!({ "id": id, "results": page(found, &query, 1_000) }))
}

fn made_by(asset: &Value) -> i64 {
    let at = asset["date_created"].as_str().and_then(|it| chrono::DateTime::parse_from_rfc3339(it).ok());
    at.map_or(0, |it| it.timestamp_millis())
}

fn holds(it: &Iconik, asset: &Value, term: &Value) -> bool {
    match term["name"].as_str() {
        Some("date_created") => {
            let bound = |name: &str| {
                let at = term["range"][name].as_str().and_then(|it| chrono::DateTime::parse_from_rfc3339(it).ok());
                at.map(|it| it.timestamp_millis())
            };
            let at = made_by(asset);
            bound("min").is_none_or(|min| at >= min) && bound("max").is_none_or(|max| at <= max)
        }
        Some("ancestor_collections") => {
            let wanted: Vec<String> = term["value_in"].as_array().into_iter().flatten().map(text).collect();
            let inside: Vec<String> = {
                let store = it.store();
                let members = store.all("member").filter(|it| it["object_id"] == asset["id"]);
                members.map(|it| text(&it["collection_id"])).collect()
            };
            inside.iter().flat_map(|id| assets::above(it, id)).any(|it| wanted.contains(&it))
        }
        _ => true,
    }
}

fn sorted(asset: &Value) -> (String, String) {
    (text(&asset["date_created"]), text(&asset["id"]))
}

fn document(asset: &Value) -> Value {
    let (at, id) = sorted(asset);
    json!({ "id": id, "object_type": "assets", "title": asset["title"], "date_created": at, "_sort": [at, id] })
}
