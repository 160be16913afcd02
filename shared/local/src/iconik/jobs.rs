//! Jobs.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::door::{Answer, error, made, ok};
use super::{Iconik, USER, now, webhooks};

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

pub(super) fn routes() -> Router<Iconik> {
    Router::new().route("/API/jobs/v1/jobs/", post(create)).route("/API/jobs/v1/jobs/{id}/", get(read).patch(change))
}

async fn create(State(it): State<Iconik>, Json(body): Json<Value>) -> Answer {
    let known = body["status"].as_str().is_some_and(|it| STATUSES.contains(&it));
    if !known || body["title"].as_str().is_none() || body["type"].as_str().is_none() {
        return Err(error(StatusCode::BAD_REQUEST, "title, type and status are required"));
    }
    let id = crate::sqs::random_id();
    let mut job =
        json!({ "steps": [], "related_objects": [], "priority": 5, "created_by": USER, "date_created": now() });
    for (name, value) in body.as_object().into_iter().flatten() {
        job[name] = value.clone();
    }
    job["id"] = id.clone().into();
    it.store().put("job", &id, job.clone());
    webhooks::raise(&it, "jobs", "entity", "create", &id, USER, job.clone());
    made(job)
}

async fn read(State(it): State<Iconik>, Path(id): Path<String>) -> Answer {
    let job = it.store().get("job", &id).cloned();
    ok(job.ok_or_else(|| error(StatusCode::NOT_FOUND, "no such job"))?)
}

async fn change(State(it): State<Iconik>, Path(id): Path<String>, Json(body): Json<Value>) -> Answer {
    let mut job = it.store().get("job", &id).cloned().ok_or_else(|| error(StatusCode::NOT_FOUND, "no such job"))?;
    if body["status"].as_str().is_some_and(|it| !STATUSES.contains(&it)) {
        return Err(error(StatusCode::BAD_REQUEST, "unknown status"));
    }
    for (name, value) in body.as_object().into_iter().flatten().filter(|it| *it.0 != "progress" && *it.0 != "priority")
    {
        job[name] = value.clone();
    }
    job["date_modified"] = now().into();
    it.store().put("job", &id, job.clone());
    ok(job)
}
