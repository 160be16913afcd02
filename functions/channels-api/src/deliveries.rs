//! `/api/v1/Notification/Deliveries`: the outcomes of deliveries, by channel and by notification; and one more attempt.

use axum::Json;
use axum::extract::{Path, State};
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

use crate::context::Context;
use adcreative_api::Caller;
use adcreative_api::caller::{invalid_value, required};
use adcreative_api::{ApiError, Envelope, Verb};

/// Segments of successful deliveries that one request reads.
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
    /// When a retry or replay was requested that this attempt belongs to; absent for the first round.
    #[serde(skip_serializing_if = "Option::is_none")]
    again: Option<String>,
    at: String,
    took_ms: u64,
    /// The HTTP status, where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    pub(crate) outcome: String,
    /// The first 1,024 bytes of the response.
    #[serde(skip_serializing_if = "String::is_empty")]
    answer: String,
}

impl AttemptOut {
    fn new(attempt: &DeliveryAttempt) -> Self {
        use domain::delivery::DeliveryOutcome::{Delivered, Refused};
        let status = match attempt.outcome {
            Delivered { status } | Refused { status, .. } => Some(status),
            _ => None,
        };
        Self {
            attempt: attempt.attempt,
            again: attempt.round.map(|it| rfc3339(from_millis(it))),
            at: rfc3339(from_millis(attempt.at)),
            took_ms: attempt.took_ms,
            status,
            outcome: attempt.outcome.to_string(),
            answer: attempt.answer.clone(),
        }
    }
}

impl DeliveryOut {
    pub(crate) fn from_failed(delivery: &FailedDelivery) -> Self {
        let mut attempts: Vec<&DeliveryAttempt> = delivery.attempts.values().collect();
        attempts.sort_by_key(|it| (it.round, it.attempt));
        Self {
            id: delivery_id(delivery.channel, &delivery.notification),
            configuration_id: delivery.channel.to_string(),
            notification: delivery.notification.to_string(),
            state: delivery.state.clone(),
            next_attempt_at: delivery.next_at.map(|it| rfc3339(from_millis(it))),
            attempts: attempts.into_iter().map(AttemptOut::new).collect(),
        }
    }

    pub(crate) fn from_attempt(attempt: &DeliveryAttempt) -> Self {
        Self {
            id: delivery_id(attempt.channel, &attempt.notification),
            configuration_id: attempt.channel.to_string(),
            notification: attempt.notification.to_string(),
            state: "delivered".to_owned(),
            next_attempt_at: None,
            attempts: vec![AttemptOut::new(attempt)],
        }
    }
}

/// The id of a delivery: that of its channel, `~`, and that of its notification.
fn delivery_id(channel: ChannelId, notification: &NotificationId) -> String {
    format!("{channel}~{notification}")
}

/// Deliveries of a notification to every channel, or recent deliveries to a channel: first those that failed at least
/// once, with every attempt, then the latest that succeeded at once. Name `notification`, `configurationId` or both.
/// What a receiver has missed is found here, not by gaps in `sequence`: that is the number in the application's stream,
/// and has gaps where the channel does not accept a notification.
#[utoipa::path(get, path = "/api/v1/Notification/Deliveries", tag = "Deliveries", security(("keys" = [])),
    params(("applicationId" = String, Query), ("configurationId" = Option<String>, Query), ("notification" = Option<String>, Query)),
    responses((status = 200, body = Vec<DeliveryOut>), (status = 404, body = Envelope)))]
pub(crate) async fn list(State(context): State<Context>, caller: Caller) -> Result<Json<Vec<DeliveryOut>>, ApiError> {
    let channels: Vec<Channel> = match caller.parameter("configurationId") {
        Some(_) => vec![channel(&context, &caller).await?],
        None if caller.parameter("notification").is_none() => return Err(required("configurationId")),
        None => context.table.channels(caller.app).await.map_err(ApiError::internal)?,
    };
    let mut all = Vec::new();
    match caller.parameter("notification") {
        Some(text) => {
            let id = notification_id(text)?;
            for channel in &channels {
                all.extend(read_delivery(&context, channel, &id).await?);
            }
        }
        None => {
            let channel = channels.first().map(|it| it.id);
            if let Some(id) = channel {
                let failed = context.table.failed_deliveries(caller.app, id).await.map_err(ApiError::internal)?;
                all.extend(failed.iter().map(DeliveryOut::from_failed));
                let successes = context
                    .table
                    .successful_attempts(caller.app, None, MAX_SEGMENTS)
                    .await
                    .map_err(ApiError::internal)?;
                all.extend(successes.iter().filter(|it| it.channel == id).map(DeliveryOut::from_attempt));
            }
        }
    }
    Ok(Json(all))
}

/// One delivery; `None` if it was not attempted yet, or its record has expired after 30 days.
pub(crate) async fn read_delivery(
    context: &Context,
    channel: &Channel,
    id: &NotificationId,
) -> Result<Option<DeliveryOut>, ApiError> {
    let failed = context.table.failed_delivery(channel.app, channel.id, id).await.map_err(ApiError::internal)?;
    if let Some(delivery) = failed {
        return Ok(Some(DeliveryOut::from_failed(&delivery)));
    }
    let Some(notification) = context.table.notification(channel.app, id).await.map_err(ApiError::internal)? else {
        return Ok(None);
    };
    // deliveries that succeed at once are recorded per batch, soon after the notification
    let since = millis(notification.timestamp);
    let successes =
        context.table.successful_attempts(channel.app, Some(since), MAX_SEGMENTS).await.map_err(ApiError::internal)?;
    let delivery = successes.iter().find(|it| it.channel == channel.id && it.notification == *id);
    Ok(delivery.map(DeliveryOut::from_attempt))
}

/// Makes one more attempt now. It is not retried if it fails.
#[utoipa::path(post, path = "/api/v1/Notification/Deliveries/{id}/retry", tag = "Deliveries", security(("keys" = [])),
    params(("id" = String, Path), ("applicationId" = String, Query)),
    responses((status = 202, body = DeliveryOut), (status = 404, body = Envelope)))]
pub(crate) async fn retry(
    State(context): State<Context>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<(StatusCode, Json<DeliveryOut>), ApiError> {
    let missing =
        || ApiError::NotFound(format!("Delivery {} not found for Application {}.", shortened(&id), caller.app));
    let (channel, notification) = id.split_once('~').ok_or_else(missing)?;
    let channel: ChannelId = channel.parse().map_err(|_| missing())?;
    let notification: NotificationId = notification.parse().map_err(|()| missing())?;
    let channel = context.table.channel(caller.app, channel).await.map_err(ApiError::internal)?.ok_or_else(missing)?;
    let published = context.table.notification(caller.app, &notification).await.map_err(ApiError::internal)?;
    let published = published.filter(|it| it.id.stream == Stream::App).ok_or_else(missing)?;
    // a receiver that has not confirmed its challenge gets nothing else
    let accepted = if channel.unconfirmed { Err(SkipReason::Unconfirmed) } else { channel.accepts(&published) };
    if let Err(reason) = accepted {
        return Err(ApiError::Conflict(format!("Channel {} does not get this: {reason}.", channel.id)));
    }
    let delivery =
        Delivery { round: Some(millis(clock::now())), single_attempt: true, ..Delivery::new(&channel, published) };
    context.delivery_queues.send(&[(&delivery, Duration::ZERO)]).await.map_err(ApiError::internal)?;
    let recorded = read_delivery(&context, &channel, &notification).await?;
    let shown = recorded.unwrap_or_else(|| DeliveryOut {
        id: id.clone(),
        configuration_id: channel.id.to_string(),
        notification: notification.to_string(),
        state: "queued".to_owned(),
        next_attempt_at: None,
        attempts: Vec::new(),
    });
    Ok((StatusCode::ACCEPTED, Json(shown)))
}

/// The channel that `configurationId` names.
pub(crate) async fn channel(context: &Context, caller: &Caller) -> Result<Channel, ApiError> {
    let id = caller.configuration_id()?;
    let channel = context.table.channel(caller.app, id).await.map_err(ApiError::internal)?;
    channel.ok_or_else(|| ApiError::no_channel(caller.app, id, Verb::Get))
}

pub(crate) fn notification_id(text: &str) -> Result<NotificationId, ApiError> {
    text.parse().map_err(|()| invalid_value("notification", text))
}

fn shortened(text: &str) -> String {
    text.chars().take(200).collect()
}
