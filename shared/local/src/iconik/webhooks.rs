//! Webhooks: their definitions, and their delivery with the failing rule.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use std::time::Duration;

use super::faults::one_in;
use super::router::{ApiError, ApiResult, created, error, ok};
use super::{IconikEmulator, string, timestamp};
use crate::now_ms;

/// A receiver answers within this time.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) fn routes() -> Router<IconikEmulator> {
    let w = "/API/notifications/v1/webhooks";
    Router::new()
        .route(&format!("{w}/"), get(list).post(create))
        .route(&format!("{w}/{{id}}/"), get(read).put(replace).delete(remove))
}

async fn list(State(iconik): State<IconikEmulator>) -> ApiResult {
    ok(json!({ "objects": iconik.objects("webhook") }))
}

async fn read(State(iconik): State<IconikEmulator>, Path(id): Path<String>) -> ApiResult {
    let found = iconik.store().get("webhook", &id).cloned();
    created(found.ok_or_else(|| error(StatusCode::NOT_FOUND, "no such webhook"))?) // 201, as the service documents it
}

async fn create(State(iconik): State<IconikEmulator>, Json(body): Json<Value>) -> ApiResult {
    let id = crate::sqs::random_id();
    let webhook = validated(&id, body)?;
    iconik.store().put("webhook", &id, webhook.clone());
    created(webhook)
}

/// A full replacement: what is left out is gone, headers among it.
async fn replace(State(iconik): State<IconikEmulator>, Path(id): Path<String>, Json(body): Json<Value>) -> ApiResult {
    iconik.store().get("webhook", &id).ok_or_else(|| error(StatusCode::NOT_FOUND, "no such webhook"))?;
    let webhook = validated(&id, body)?;
    iconik.store().put("webhook", &id, webhook.clone());
    ok(webhook)
}

async fn remove(State(iconik): State<IconikEmulator>, Path(id): Path<String>) -> StatusCode {
    if iconik.store().remove("webhook", &id) { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

fn validated(id: &str, body: Value) -> Result<Value, ApiError> {
    for name in ["url", "event_type", "status"] {
        if body[name].as_str().is_none_or(str::is_empty) {
            return Err(ApiError(StatusCode::BAD_REQUEST, json!({ "errors": { name: "required" } })));
        }
    }
    let mut webhook = body;
    for name in ["first_failed_at", "last_error", "last_payload"] {
        webhook[name] = Value::Null;
    }
    webhook["id"] = id.into();
    webhook["date_created"] = timestamp().into();
    Ok(webhook)
}

/// Tells of something that happened, to every webhook that asks for it.
pub(super) fn publish(
    iconik: &IconikEmulator,
    event_type: &str,
    realm: &str,
    operation: &str,
    object: &str,
    user: &str,
    data: Value,
) {
    let event = json!({
        "system_domain_id": iconik.domain(), "event_type": event_type, "object_id": object, "user_id": user, "realm": realm,
        "operation": operation, "data": data, "request_id": crate::sqs::random_id().replace('-', ""),
    });
    let is_subscribed = |webhook: &Value| {
        let matches_or_any = |name: &str, value: &str| {
            webhook[name].as_str().is_none_or(|it| it.is_empty() || it.eq_ignore_ascii_case(value))
        };
        let matches_object = webhook["object_id"]
            .as_str()
            .is_none_or(|it| it.is_empty() || it == object || event["data"]["collection_id"] == it);
        matches!(webhook["status"].as_str(), Some("ENABLED" | "FAILING"))
            && matches_or_any("event_type", event_type)
            && matches_or_any("realm", realm)
            && matches_or_any("operation", operation)
            && matches_object
    };
    let webhooks: Vec<String> =
        iconik.objects("webhook").iter().filter(|it| is_subscribed(it)).map(|it| string(&it["id"])).collect();
    for webhook in webhooks {
        let (is_lost, is_duplicated, is_delayed) = {
            let mut faults = iconik.faults();
            faults.webhooks_sent += 1;
            let (count, lost) = (faults.webhooks_sent, faults.lose > 0);
            faults.lose = faults.lose.saturating_sub(1);
            (lost, one_in(faults.twice_every, count), one_in(faults.swap_every, count))
        };
        if is_lost {
            continue;
        }
        for _ in 0..=u8::from(is_duplicated) {
            let (iconik, webhook, event) = (iconik.clone(), webhook.clone(), event.clone());
            tokio::spawn(async move {
                if is_delayed {
                    crate::pause(Duration::from_millis(500)).await;
                }
                deliver(&iconik, &webhook, &event).await;
            });
        }
    }
}

/// One POST, without a repeat. A failure makes the webhook FAILING, a success ENABLED again; after its time of failing it
/// is DISABLED, and nobody is told.
async fn deliver(iconik: &IconikEmulator, id: &str, event: &Value) {
    let Some(webhook) = iconik.store().get("webhook", id).cloned() else { return };
    let mut request = iconik.inner.http.post(string(&webhook["url"])).timeout(DELIVERY_TIMEOUT).json(event);
    for (name, value) in webhook["headers"].as_object().into_iter().flatten() {
        request = request.header(name, string(value));
    }
    let error = match request.send().await {
        Ok(answer) if answer.status().is_success() => None,
        Ok(answer) => Some(format!("answered {}", answer.status())),
        Err(_) => Some("no answer".to_owned()),
    };
    let disable_after = iconik.faults().disable_after_ms;
    let mut store = iconik.store();
    let Some(mut webhook) = store.get("webhook", id).cloned() else { return };
    match error {
        None if webhook["status"] == "FAILING" => {
            webhook["status"] = "ENABLED".into();
            webhook["first_failed_at"] = Value::Null;
        }
        None => return,
        Some(why) => {
            let since =
                webhook["first_failed_at"].as_str().and_then(|it| chrono::DateTime::parse_from_rfc3339(it).ok());
            let failed_too_long = since.is_some_and(|it| it.timestamp_millis() + disable_after <= now_ms());
            webhook["status"] = if failed_too_long { "DISABLED" } else { "FAILING" }.into();
            if since.is_none() {
                webhook["first_failed_at"] = timestamp().into();
            }
            webhook["last_error"] = why.into();
            webhook["last_payload"] = event.to_string().into();
        }
    }
    store.put("webhook", id, webhook);
}
