//! Webhooks: their configurations, and their deliveries. A webhook that keeps failing is disabled.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use std::time::Duration;

use super::emulator::{IconikEmulator, string, timestamp, timestamp_ms};
use super::faults::one_in;
use super::response::{ApiError, ApiResult, created, ok};
use crate::clock::{now_ms, pause};
use crate::random::random_id;

/// A receiver has to answer within 10 seconds.
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
    created(iconik.find("webhook", &id)?) // 201, as the service documents it
}

async fn create(State(iconik): State<IconikEmulator>, Json(body): Json<Value>) -> ApiResult {
    let id = random_id();
    let webhook = validated(&id, body)?;
    iconik.store().put("webhook", &id, webhook.clone());
    created(webhook)
}

/// Replaces a webhook as a whole: members that the body leaves out are removed, `headers` as well.
async fn replace(State(iconik): State<IconikEmulator>, Path(id): Path<String>, Json(body): Json<Value>) -> ApiResult {
    iconik.find("webhook", &id)?;
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

/// Delivers an event to every webhook that subscribes to it. The faults may lose, repeat or delay deliveries.
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
        "operation": operation, "data": data, "request_id": random_id().replace('-', ""),
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
                    pause(Duration::from_millis(500)).await;
                }
                deliver(&iconik, &webhook, &event).await;
            });
        }
    }
}

/// Sends one POST, without a retry. A failure sets the webhook to FAILING, a success to ENABLED. A webhook that has
/// failed for `disable_after_ms` becomes DISABLED; Iconik reports that to nobody.
async fn deliver(iconik: &IconikEmulator, id: &str, event: &Value) {
    let Some(webhook) = iconik.store().get("webhook", id).cloned() else { return };
    let mut request = iconik.http().post(string(&webhook["url"])).timeout(DELIVERY_TIMEOUT).json(event);
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
        Some(reason) => {
            let since = timestamp_ms(&webhook["first_failed_at"]);
            let failed_too_long = since.is_some_and(|it| it + disable_after <= now_ms());
            webhook["status"] = if failed_too_long { "DISABLED" } else { "FAILING" }.into();
            if since.is_none() {
                webhook["first_failed_at"] = timestamp().into();
            }
            webhook["last_error"] = reason.into();
            webhook["last_payload"] = event.to_string().into();
        }
    }
    store.put("webhook", id, webhook);
}
