//! `GET /api/v1/Notification/Explain`: why a notification did or did not reach a channel (realtime, D-19); and a test
//! message, to see one arrive.

use axum::Json;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use domain::channel::{Channel, TEST};
use domain::health::Gate;
use domain::notification::{News, Notification, NotificationId, Stream};
use domain::{AppId, from_millis, millis, rfc3339};
use entry::clock;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::State;
use crate::deliveries::{DeliveryOut, channel, notification_id, of};
use published::Caller;
use published::caller::required;
use published::{Envelope, Refusal};

/// What stands between a notification and a channel.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Explanation {
    /// delivered, retrying, dead, disabled, dropped (as of a delivery), waiting (queued, or held back), unwanted
    verdict: String,
    /// In the order in which they were found; the first one decides.
    reasons: Vec<String>,
    /// When the next attempt is due, if one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery: Option<DeliveryOut>,
}

/// Says what became of a notification at a channel, and why: the channel's state, its types and filter, its breaker, its
/// limit, and each attempt.
#[utoipa::path(get, path = "/api/v1/Notification/Explain", tag = "Deliveries", security(("keys" = [])),
    params(("applicationId" = String, Query), ("configurationId" = String, Query), ("notification" = String, Query)),
    responses((status = 200, body = Explanation), (status = 404, body = Envelope)))]
pub(crate) async fn explain(Shared(state): Shared<State>, caller: Caller) -> Result<Json<Explanation>, Refusal> {
    let channel = channel(&state, &caller).await?;
    let id = notification_id(caller.parameter("notification").ok_or_else(|| required("notification"))?)?;
    let told = state.table.notification(caller.app, &id).await.map_err(Refusal::internal)?;
    let missing = || Refusal::NotThere(format!("Notification {id} not found for Application {}.", caller.app));
    let told = told.ok_or_else(missing)?;
    let delivery = of(&state, &channel, &id).await?;
    let health = state.table.health(caller.app, channel.id).await.map_err(Refusal::internal)?;
    let now = millis(clock::now());
    let mut reasons = why_not(&channel, &told);
    let unwanted = !reasons.is_empty();
    let mut next_attempt_at = None;
    if let Some(it) = &delivery {
        reasons.extend(it.attempts.iter().map(|it| it.outcome.clone()));
        next_attempt_at = it.next_attempt_at.clone();
    }
    match health.gate(now) {
        Gate::Wait(until) => {
            let until = rfc3339(from_millis(until));
            reasons.push(format!(
                "the breaker is open after {} failures in a row; the next probe is at {until}",
                health.failures
            ));
            next_attempt_at = next_attempt_at.or(Some(until));
        }
        Gate::Probe => reasons.push("the breaker is open, and the next delivery probes".to_owned()),
        Gate::Go => {}
    }
    if let Some(rate) = health.ramp(now) {
        reasons.push(format!("the receiver recovers: {rate} deliveries a second now"));
    }
    if health.is_slow(now) {
        reasons.push("the receiver is slow: its deliveries take the slow lane".to_owned());
    }
    if let Some(rate) = channel.per_second {
        reasons.push(format!("the channel takes {rate} deliveries a second"));
    }
    if superseded(&state, caller.app, &told).await? {
        reasons.push("a newer notification has the same collapse key: a retry would be dropped".to_owned());
    }
    let verdict = match &delivery {
        Some(it) => it.state.clone(),
        None if unwanted => "unwanted".to_owned(),
        None => {
            reasons.push("it is queued, or under way; or it was told before the channel was made".to_owned());
            "waiting".to_owned()
        }
    };
    Ok(Json(Explanation { verdict, reasons, next_attempt_at, delivery }))
}

fn why_not(channel: &Channel, told: &Notification) -> Vec<String> {
    let mut reasons = Vec::new();
    if told.id.stream != Stream::App {
        reasons.push(format!("it stands in the stream {}; channels are told the application's own", told.id.stream));
    } else if let Err(why) = channel.wants(told) {
        reasons.push(why.to_string());
        reasons.extend(channel.disabled_reason.clone());
    } else if told.timestamp < channel.created_at {
        reasons.push("it was told before the channel was made".to_owned());
    }
    reasons
}

async fn superseded(state: &State, app: AppId, it: &Notification) -> Result<bool, Refusal> {
    let Some(key) = it.data.get("collapseKey").and_then(|it| it.as_str()) else { return Ok(false) };
    let newest = state.table.collapsed(app, "", key).await.map_err(Refusal::internal)?;
    Ok(newest.is_some_and(|newest| newest > it.id.place()))
}

/// A test that was told.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TestOut {
    notification: String,
}

/// Sends a test message to one channel, whatever its types and filter say: `channel.test`, or a progress of no tasks
/// where the published messages are expected. `…/Deliveries` shows what became of it.
#[utoipa::path(post, path = "/api/v1/Notification/ChannelConfiguration/Test", tag = "Channels", security(("keys" = [])),
    params(("applicationId" = String, Query), ("configurationId" = String, Query)),
    responses((status = 202, body = TestOut), (status = 404, body = Envelope), (status = 409, body = Envelope)))]
pub(crate) async fn test(Shared(state): Shared<State>, caller: Caller) -> Result<(StatusCode, Json<TestOut>), Refusal> {
    let (channel, now) = (channel(&state, &caller).await?, clock::now());
    if !channel.active || channel.unconfirmed {
        let why = if channel.active {
            "has not answered its challenge yet; `PUT` of its form asks again"
        } else {
            "is inactive"
        };
        return Err(Refusal::Conflict(format!("Channel {} {why}.", channel.id)));
    }
    let data = json!({ "channel": { "id": channel.id }, "by": caller.key_id });
    let news = [News::new(TEST, data)];
    let place = state.table.append(caller.app, &Stream::App, &news, &clock::word(20), now).await;
    let place = place.map_err(Refusal::internal)?;
    let id = NotificationId { stream: Stream::App, epoch: place.epoch, sequence: place.sequence };
    Ok((StatusCode::ACCEPTED, Json(TestOut { notification: id.to_string() })))
}
