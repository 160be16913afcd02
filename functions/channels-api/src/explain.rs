//! `GET /api/v1/Notification/Explain`: why a notification did or did not reach a channel (realtime, D-19). And a test
//! message.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::channel::{Channel, TEST};
use domain::circuit_breaker::{Admission, Breaker};
use domain::notification::{NewNotification, Notification, NotificationId, Stream};
use domain::{from_millis, millis, rfc3339};
use entry::clock;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::context::Context;
use crate::deliveries::{DeliveryOut, channel, notification_id, read_delivery};
use adcreative_api::Caller;
use adcreative_api::caller::required;
use adcreative_api::{ApiError, Envelope};

/// What became of a notification at a channel, and why.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Explanation {
    /// delivered, retrying, dead, disabled, dropped (the state of the delivery), waiting (queued or delayed), unwanted
    verdict: String,
    /// The first reason is the decisive one.
    reasons: Vec<String>,
    /// When the next attempt is due, if one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery: Option<DeliveryOut>,
}

/// Explains what became of a notification at a channel: by the channel's state, its types and filter, its circuit
/// breaker, its rate limit, and each attempt.
#[utoipa::path(get, path = "/api/v1/Notification/Explain", tag = "Deliveries", security(("keys" = [])),
    params(("applicationId" = String, Query), ("configurationId" = String, Query), ("notification" = String, Query)),
    responses((status = 200, body = Explanation), (status = 404, body = Envelope)))]
pub(crate) async fn explain(State(context): State<Context>, caller: Caller) -> Result<Json<Explanation>, ApiError> {
    let channel = channel(&context, &caller).await?;
    let id = notification_id(caller.parameter("notification").ok_or_else(|| required("notification"))?)?;
    let notification = context.table.notification(caller.app, &id).await.map_err(ApiError::internal)?;
    let missing = || ApiError::NotFound(format!("Notification {id} not found for Application {}.", caller.app));
    let notification = notification.ok_or_else(missing)?;
    let delivery = read_delivery(&context, &channel, &id).await?;
    let health = context.table.health(caller.app, channel.id).await.map_err(ApiError::internal)?;
    let now = millis(clock::now());
    let mut reasons = unwanted_reasons(&channel, &notification);
    let unwanted = !reasons.is_empty();
    let mut next_attempt_at = None;
    if let Some(delivery) = &delivery {
        reasons.extend(delivery.attempts.iter().map(|it| it.outcome.clone()));
        next_attempt_at = delivery.next_attempt_at.clone();
    }
    match health.admission(now) {
        // a slow receiver whose breaker is closed: it has not answered
        admission if health.breaker == Breaker::Closed && admission != Admission::Allow => {
            reasons
                .push("the receiver has not answered lately: one attempt at a time is made until it does".to_owned());
        }
        Admission::Wait(until) => {
            let until = rfc3339(from_millis(until));
            reasons.push(format!(
                "the breaker is open after {} failures in a row; the next probe is at {until}",
                health.failures
            ));
            next_attempt_at = next_attempt_at.or(Some(until));
        }
        Admission::Probe => reasons.push("the breaker is open, and the next delivery probes".to_owned()),
        Admission::Allow => {}
    }
    if let Some(rate) = health.ramp_rate(now) {
        reasons.push(format!("the receiver recovers: {rate} deliveries a second now"));
    }
    if health.is_slow(now) {
        reasons.push("the receiver is slow: its deliveries go through the slow queue".to_owned());
    }
    if let Some(rate) = channel.per_second {
        reasons.push(format!("the channel accepts {rate} deliveries a second"));
    }
    if context.table.is_superseded(caller.app, &notification).await.map_err(ApiError::internal)? {
        reasons.push("a newer notification has the same collapse key: a retry would be dropped".to_owned());
    }
    let verdict = match &delivery {
        Some(delivery) => delivery.state.clone(),
        None if unwanted => "unwanted".to_owned(),
        None => {
            // what a channel does not accept when it is published leaves no record
            reasons.push(
                "it is queued or being delivered; or the channel did not accept it then, and has been changed since"
                    .to_owned(),
            );
            "waiting".to_owned()
        }
    };
    Ok(Json(Explanation { verdict, reasons, next_attempt_at, delivery }))
}

fn unwanted_reasons(channel: &Channel, notification: &Notification) -> Vec<String> {
    let mut reasons = Vec::new();
    if notification.id.stream != Stream::App {
        reasons.push(format!(
            "it is in the stream {}; channels get those of the application's own stream",
            notification.id.stream
        ));
    } else if let Err(reason) = channel.accepts(notification) {
        reasons.push(reason.to_string());
        reasons.extend(channel.disabled_reason.clone());
    } else if notification.timestamp < channel.created_at {
        reasons.push("it was published before the channel was created".to_owned());
    }
    reasons
}

/// A test message that was published.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TestOut {
    notification: String,
}

/// Sends a test message to one channel, whatever its types and filter: `channel.test`, or in the published format a
/// progress without tasks. `…/Deliveries` shows what became of it.
#[utoipa::path(post, path = "/api/v1/Notification/ChannelConfiguration/Test", tag = "Channels", security(("keys" = [])),
    params(("applicationId" = String, Query), ("configurationId" = String, Query)),
    responses((status = 202, body = TestOut), (status = 404, body = Envelope), (status = 409, body = Envelope)))]
pub(crate) async fn test(
    State(context): State<Context>,
    caller: Caller,
) -> Result<(StatusCode, Json<TestOut>), ApiError> {
    let (channel, now) = (channel(&context, &caller).await?, clock::now());
    if !channel.active || channel.unconfirmed {
        let why = if channel.active {
            "has not answered its challenge yet; `PUT` of its form asks again"
        } else {
            "is inactive"
        };
        return Err(ApiError::Conflict(format!("Channel {} {why}.", channel.id)));
    }
    let data = json!({ "channel": { "id": channel.id }, "by": caller.key_id });
    let notification = [NewNotification::new(TEST, data)];
    let position =
        context.table.append(caller.app, &Stream::App, &notification, &clock::random_alphanumeric(20), now).await;
    let position = position.map_err(ApiError::internal)?;
    let id = NotificationId::new(Stream::App, position);
    Ok((StatusCode::ACCEPTED, Json(TestOut { notification: id.to_string() })))
}
