//! Jobs: progress that the product reports.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::emulator::{IconikEmulator, SERVICE_USER, timestamp};
use super::response::{ApiResult, created, error, ok};
use super::webhooks;
use crate::random::random_id;

/// The statuses of a job.
const STATUSES: [&str; 10] = [
    "READY",
    "STARTED",
    "FINISHED",
    "FINISHED_WITH_WARNING",
    "FAILED",
    "WAITING",
    "ABORT_PENDING",
    "ABORTED",
    "SKIPPED",
    "PAUSED",
];

pub(super) fn routes() -> Router<IconikEmulator> {
    Router::new().route("/API/jobs/v1/jobs/", post(create)).route("/API/jobs/v1/jobs/{id}/", get(read).patch(update))
}

async fn create(State(iconik): State<IconikEmulator>, Json(body): Json<Value>) -> ApiResult {
    let known = body["status"].as_str().is_some_and(|it| STATUSES.contains(&it));
    if !known || body["title"].as_str().is_none() || body["type"].as_str().is_none() {
        return Err(error(StatusCode::BAD_REQUEST, "title, type and status are required"));
    }
    let id = random_id();
    let mut job = json!({ "steps": [], "related_objects": [], "priority": 5, "created_by": SERVICE_USER, "date_created": timestamp() });
    for (name, value) in body.as_object().into_iter().flatten() {
        job[name] = value.clone();
    }
    job["id"] = id.clone().into();
    iconik.store().put("job", &id, job.clone());
    webhooks::publish(&iconik, "jobs", "entity", "create", &id, SERVICE_USER, job.clone());
    created(job)
}

async fn read(State(iconik): State<IconikEmulator>, Path(id): Path<String>) -> ApiResult {
    ok(iconik.find("job", &id)?)
}

async fn update(State(iconik): State<IconikEmulator>, Path(id): Path<String>, Json(body): Json<Value>) -> ApiResult {
    let mut job = iconik.find("job", &id)?;
    if body["status"].as_str().is_some_and(|it| !STATUSES.contains(&it)) {
        return Err(error(StatusCode::BAD_REQUEST, "unknown status"));
    }
    for (name, value) in body.as_object().into_iter().flatten().filter(|it| *it.0 != "progress" && *it.0 != "priority")
    {
        job[name] = value.clone();
    }
    job["date_modified"] = timestamp().into();
    iconik.store().put("job", &id, job.clone());
    ok(job)
}
