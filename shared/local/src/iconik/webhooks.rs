//! Webhooks: their definitions, and their delivery with the failing rule.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use std::time::Duration;

use super::door::{Answer, Wrong, error, made, ok};
use super::faults::one_in;
use super::{Iconik, now, text};
use crate::now_ms;

/// A receiver answers within this time.
const LONGEST: Duration = Duration::from_secs(10);

pub(super) fn routes() -> Router<Iconik> {
    let w = "/API/notifications/v1/webhooks";
    Router::new()
        .route(&format!("{w}/"), get(list).post(create))
        .route(&format!("{w}/{{id}}/"), get(read).put(replace).delete(remove))
}

async fn list(State(it): State<Iconik>) -> Answer {
    ok(json!({ "objects": it.all("webhook") }))
}

async fn read(State(it): State<Iconik>, Path(id): Path<String>) -> Answer {
    let found = it.store().get("webhook", &id).cloned();
    made(found.ok_or_else(|| error(StatusCode::NOT_FOUND, "no such webhook"))?) // 201, as the service documents it
}

async fn create(State(it): State<Iconik>, Json(body): Json<Value>) -> Answer {
    let id = crate::sqs::random_id();
    let webhook = whole(&id, body)?;
    it.store().put("webhook", &id, webhook.clone());
    made(webhook)
}

/// A full replacement: what is left out is gone, headers among it.
async fn replace(State(it): State<Iconik>, Path(id): Path<String>, Json(body): Json<Value>) -> Answer {
    it.store().get("webhook", &id).ok_or_else(|| error(StatusCode::NOT_FOUND, "no such webhook"))?;
    let webhook = whole(&id, body)?;
    it.store().put("webhook", &id, webhook.clone());
    ok(webhook)
}

async fn remove(State(it): State<Iconik>, Path(id): Path<String>) -> StatusCode {
    if it.store().remove("webhook", &id) { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

fn whole(id: &str, body: Value) -> Result<Value, Wrong> {
    for name in ["url", "event_type", "status"] {
        if body[name].as_str().is_none_or(str::is_empty) {
            return Err(Wrong(StatusCode::BAD_REQUEST, json!({ "errors": { name: "required" } })));
        }
    }
    let mut webhook = body;
    for name in ["first_failed_at", "last_error", "last_payload"] {
        webhook[name] = Value::Null;
    }
    webhook["id"] = id.into();
    webhook["date_created"] = now().into();
    Ok(webhook)
}

/// Tells of something that happened, to every webhook that asks for it.
pub(super) fn raise(
    it: &Iconik,
    event_type: &str,
    realm: &str,
    operation: &str,
    object: &str,
    user: &str,
    data: Value,
) {
    let event = json!({
        "system_domain_id": it.domain(), "event_type": event_type, "object_id": object, "user_id": user, "realm": realm,
        "operation": operation, "data": data, "request_id": crate::sqs::random_id().replace('-', ""),
    });
    let fits = |webhook: &Value| {
        let is = |name: &str, value: &str| {
            webhook[name].as_str().is_none_or(|it| it.is_empty() || it.eq_ignore_ascii_case(value))
        };
        let object = webhook["object_id"]
            .as_str()
            .is_none_or(|it| it.is_empty() || it == object || event["data"]["collection_id"] == it);
        matches!(webhook["status"].as_str(), Some("ENABLED" | "FAILING"))
            && is("event_type", event_type)
            && is("realm", realm)
            && is("operation", operation)
            && object
    };
    let webhooks: Vec<String> = it.all("webhook").iter().filter(|it| fits(it)).map(|it| text(&it["id"])).collect();
    for webhook in webhooks {
        let (lost, twice, late) = {
            let mut faults = it.faults();
            faults.sent += 1;
            let (count, lost) = (faults.sent, faults.lose > 0);
            faults.lose = faults.lose.saturating_sub(1);
            (lost, one_in(faults.twice_every, count), one_in(faults.swap_every, count))
        };
        if lost {
            continue;
        }
        for _ in 0..=u8::from(twice) {
            let (it, webhook, event) = (it.clone(), webhook.clone(), event.clone());
            tokio::spawn(async move {
                if late {
                    crate::pause(Duration::from_millis(500)).await;
                }
                send(&it, &webhook, &event).await;
            });
        }
    }
}

/// One POST, without a repeat. A failure makes the webhook FAILING, a success ENABLED again; after its time of failing it
/// is DISABLED, and nobody is told.
async fn send(it: &Iconik, id: &str, event: &Value) {
    let Some(webhook) = it.store().get("webhook", id).cloned() else { return };
    let mut request = it.inner.http.post(text(&webhook["url"])).timeout(LONGEST).json(event);
    for (name, value) in webhook["headers"].as_object().into_iter().flatten() {
        request = request.header(name, text(value));
    }
    let failed = match request.send().await {
        Ok(answer) if answer.status().is_success() => None,
        Ok(answer) => Some(format!("answered {}", answer.status())),
        Err(_) => Some("no answer".to_owned()),
    };
    let disable_after = it.faults().disable_after_ms;
    let mut store = it.store();
    let Some(mut webhook) = store.get("webhook", id).cloned() else { return };
    match failed {
        None if webhook["status"] == "FAILING" => {
            webhook["status"] = "ENABLED".into();
            webhook["first_failed_at"] = Value::Null;
        }
        None => return,
        Some(why) => {
            let since =
                webhook["first_failed_at"].as_str().and_then(|it| chrono::DateTime::parse_from_rfc3339(it).ok());
            let long = since.is_some_and(|it| it.timestamp_millis() + disable_after <= now_ms());
            webhook["status"] = if long { "DISABLED" } else { "FAILING" }.into();
            if since.is_none() {
                webhook["first_failed_at"] = now().into();
            }
            webhook["last_error"] = why.into();
            webhook["last_payload"] = event.to_string().into();
        }
    }
    store.put("webhook", id, webhook);
}
