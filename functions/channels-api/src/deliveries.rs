//! `GET /api/v1/Notification/Deliveries`: what became of deliveries, by channel and by notification; and once more.

use axum::Json;
use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use domain::channel::{Channel, SkipReason};
use domain::command::Delivery;
use domain::notification::{NotificationId, Stream};
use domain::{ChannelId, from_millis, millis, rfc3339};
use entry::clock;
use serde::Serialize;
use table::{DeliveryAttempt, FailedDelivery};
use time::Duration;
use utoipa::ToSchema;

use crate::Context;
use adcreative_api::Caller;
use adcreative_api::caller::{invalid_value, required};
use adcreative_api::{ApiError, Envelope, Verb};

/// Batches of good deliveries that are looked through.
const MAX_SEGMENTS: i32 = 50;

/// A delivery and its attempts.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeliveryOut {
    /// For `…/Deliveries/{id}/retry`
    id: String,
    configuration_id: String,
    notification: String,
    /// delivered, retrying, dead, disabled or dropped
    pub(crate) state: String,
    /// When the next attempt is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_attempt_at: Option<String>,
    pub(crate) attempts: Vec<AttemptOut>,
}

/// One attempt.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AttemptOut {
    attempt: u32,
    /// When somebody asked for it again, if it is not of the first round.
    #[serde(skip_serializing_if = "Option::is_none")]
    again: Option<String>,
    at: String,
    took_ms: u64,
    /// The HTTP status, where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    pub(crate) outcome: String,
    /// The first KB of the answer.
    #[serde(skip_serializing_if = "String::is_empty")]
    answer: String,
}

impl AttemptOut {
    fn new(it: &DeliveryAttempt) -> Self {
        use domain::delivery::DeliveryOutcome::{Delivered, Refused};
        let status = match it.outcome {
            Delivered { status } | Refused { status, .. } => Some(status),
            _ => None,
        };
        Self {
            attempt: it.attempt,
            again: it.round.map(|it| rfc3339(from_millis(it))),
            at: rfc3339(from_millis(it.at)),
            took_ms: it.took_ms,
            status,
            outcome: it.outcome.to_string(),
            answer: it.answer.clone(),
        }
    }
}

impl DeliveryOut {
    pub(crate) fn from_failed(it: &FailedDelivery) -> Self {
        let mut attempts: Vec<&DeliveryAttempt> = it.attempts.values().collect();
        attempts.sort_by_key(|it| (it.round, it.attempt));
        Self {
            id: delivery_id(it.channel, &it.notification),
            configuration_id: it.channel.to_string(),
            notification: it.notification.to_string(),
            state: it.state.clone(),
            next_attempt_at: it.next_at.map(|it| rfc3339(from_millis(it))),
            attempts: attempts.into_iter().map(AttemptOut::new).collect(),
        }
    }

    pub(crate) fn from_attempt(it: &DeliveryAttempt) -> Self {
        Self {
            id: delivery_id(it.channel, &it.notification),
            configuration_id: it.channel.to_string(),
            notification: it.notification.to_string(),
            state: "delivered".to_owned(),
            next_attempt_at: None,
            attempts: vec![AttemptOut::new(it)],
        }
    }
}

/// Channel and notification in one text, as both are in it.
fn delivery_id(channel: ChannelId, notification: &NotificationId) -> String {
    format!("{channel}~{notification}")
}

/// Deliveries of a notification to every channel, or recent ones to a channel: first those that did not go well at once,
/// with every attempt, then the last good ones. Name `notification`, `configurationId` or both. Whoever looks for what a
/// receiver missed finds it here, not in a gap of `sequence`: that is the number in the application's stream, and has
/// gaps where the channel does not want something.
#[utoipa::path(get, path = "/api/v1/Notification/Deliveries", tag = "Deliveries", security(("keys" = [])),
    params(("applicationId" = String, Query), ("configurationId" = Option<String>, Query), ("notification" = Option<String>, Query)),
    responses((status = 200, body = Vec<DeliveryOut>), (status = 404, body = Envelope)))]
pub(crate) async fn list(Shared(state): Shared<Context>, caller: Caller) -> Result<Json<Vec<DeliveryOut>>, ApiError> {
    let channels: Vec<Channel> = match caller.parameter("configurationId") {
        Some(_) => vec![channel(&state, &caller).await?],
        None if caller.parameter("notification").is_none() => return Err(required("configurationId")),
        None => state.table.channels(caller.app).await.map_err(ApiError::internal)?,
    };
    let mut all = Vec::new();
    match caller.parameter("notification") {
        Some(text) => {
            let id = notification_id(text)?;
            for it in &channels {
                all.extend(read_delivery(&state, it, &id).await?);
            }
        }
        None => {
            let channel = channels.first().map(|it| it.id);
            if let Some(id) = channel {
                let failed = state.table.failed_deliveries(caller.app, id).await.map_err(ApiError::internal)?;
                all.extend(failed.iter().map(DeliveryOut::from_failed));
                let good = state
                    .table
                    .successful_attempts(caller.app, None, MAX_SEGMENTS)
                    .await
                    .map_err(ApiError::internal)?;
                all.extend(good.iter().filter(|it| it.channel == id).map(DeliveryOut::from_attempt));
            }
        }
    }
    Ok(Json(all))
}

/// What became of one delivery; `None` if it has not been attempted, or the record is older than 30 days.
pub(crate) async fn read_delivery(
    state: &Context,
    channel: &Channel,
    id: &NotificationId,
) -> Result<Option<DeliveryOut>, ApiError> {
    let failed = state.table.failed_delivery(channel.app, channel.id, id).await.map_err(ApiError::internal)?;
    if let Some(it) = failed {
        return Ok(Some(DeliveryOut::from_failed(&it)));
    }
    let Some(told) = state.table.notification(channel.app, id).await.map_err(ApiError::internal)? else {
        return Ok(None);
    };
    // good ones are recorded by batch, soon after the notification
    let since = millis(told.timestamp);
    let good =
        state.table.successful_attempts(channel.app, Some(since), MAX_SEGMENTS).await.map_err(ApiError::internal)?;
    let ours = good.iter().find(|it| it.channel == channel.id && it.notification == *id);
    Ok(ours.map(DeliveryOut::from_attempt))
}

/// Makes one more attempt, now. If it fails, nothing follows.
#[utoipa::path(post, path = "/api/v1/Notification/Deliveries/{id}/retry", tag = "Deliveries", security(("keys" = [])),
    params(("id" = String, Path), ("applicationId" = String, Query)),
    responses((status = 202, body = DeliveryOut), (status = 404, body = Envelope)))]
pub(crate) async fn retry(
    Shared(state): Shared<Context>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<(StatusCode, Json<DeliveryOut>), ApiError> {
    let missing =
        || ApiError::NotFound(format!("Delivery {} not found for Application {}.", shortened(&id), caller.app));
    let (channel, notification) = id.split_once('~').ok_or_else(missing)?;
    let channel: ChannelId = channel.parse().map_err(|_| missing())?;
    let notification: NotificationId = notification.parse().map_err(|()| missing())?;
    let channel = state.table.channel(caller.app, channel).await.map_err(ApiError::internal)?.ok_or_else(missing)?;
    let told = state.table.notification(caller.app, &notification).await.map_err(ApiError::internal)?;
    let told = told.filter(|it| it.id.stream == Stream::App).ok_or_else(missing)?;
    // whoever has not consented is asked once by each channel, and by nobody's hand again
    let wants = if channel.unconfirmed { Err(SkipReason::Unconfirmed) } else { channel.accepts(&told) };
    if let Err(why) = wants {
        return Err(ApiError::Conflict(format!("Channel {} does not get this: {why}.", channel.id)));
    }
    let order = Delivery { round: Some(millis(clock::now())), single_attempt: true, ..Delivery::new(&channel, told) };
    state.outlets.send(&[(&order, Duration::ZERO)]).await.map_err(ApiError::internal)?;
    let seen = read_delivery(&state, &channel, &notification).await?;
    let seen = seen.unwrap_or_else(|| DeliveryOut {
        id: id.clone(),
        configuration_id: channel.id.to_string(),
        notification: notification.to_string(),
        state: "queued".to_owned(),
        next_attempt_at: None,
        attempts: Vec::new(),
    });
    Ok((StatusCode::ACCEPTED, Json(seen)))
}

/// The channel that `configurationId` names.
pub(crate) async fn channel(state: &Context, caller: &Caller) -> Result<Channel, ApiError> {
    let id = caller.configuration_id()?;
    let channel = state.table.channel(caller.app, id).await.map_err(ApiError::internal)?;
    channel.ok_or_else(|| ApiError::no_channel(caller.app, id, Verb::Get))
}

pub(crate) fn notification_id(text: &str) -> Result<NotificationId, ApiError> {
    text.parse().map_err(|()| invalid_value("notification", text))
}

fn shortened(text: &str) -> String {
    text.chars().take(200).collect()
}
