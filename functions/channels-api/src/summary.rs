//! `GET /api/v1/Notification/Deliveries/Summary`: how many deliveries there were in each minute.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use domain::delivery::DeliveryOutcome;
use domain::{from_millis, millis, rfc3339};
use entry::clock;
use serde::Serialize;
use table::DeliveryAttempt;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use utoipa::ToSchema;

use crate::context::Context;
use adcreative_api::Caller;
use adcreative_api::caller::invalid_value;
use adcreative_api::{ApiError, Envelope};

/// Without `since`, and at most: an hour, a day.
const DEFAULT_PERIOD: time::Duration = time::Duration::HOUR;
const LONGEST_PERIOD: time::Duration = time::Duration::DAY;
/// Rows of deliveries that succeeded at once which one request reads, each of up to a hundred.
const MAX_SEGMENTS: usize = 500;
const MINUTE_MS: i64 = 60_000;

/// Deliveries by minute.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeliverySummary {
    /// Minutes with at least one attempt, oldest first
    minutes: Vec<MinuteOut>,
    /// Whether more deliveries succeeded than one request counts: what is missing is the oldest
    more: bool,
}

/// The attempts of one minute.
#[derive(Serialize, ToSchema)]
pub(crate) struct MinuteOut {
    at: String,
    delivered: u64,
    failed: u64,
}

/// How many attempts to deliver succeeded and failed in each minute since a time, by default an hour ago, at most a day. Of the
/// attempts that failed, those of the newest hundred failed deliveries of each channel are counted.
#[utoipa::path(get, path = "/api/v1/Notification/Deliveries/Summary", tag = "Deliveries", security(("keys" = [])),
    params(("applicationId" = String, Query), ("since" = Option<String>, Query)),
    responses((status = 200, body = DeliverySummary), (status = 400, body = Envelope)))]
pub(crate) async fn summary(State(context): State<Context>, caller: Caller) -> Result<Json<DeliverySummary>, ApiError> {
    let now = clock::now();
    let since = match caller.parameter("since") {
        None => now - DEFAULT_PERIOD,
        Some(text) => OffsetDateTime::parse(text, &Rfc3339).map_err(|_| invalid_value("since", text))?,
    };
    let since = millis(since.max(now - LONGEST_PERIOD));
    let mut minutes: BTreeMap<i64, MinuteOut> = BTreeMap::new();
    let successes = context.table.newest_successful_attempts(caller.app, since, MAX_SEGMENTS).await;
    let (successes, more) = successes.map_err(ApiError::internal)?;
    successes.iter().for_each(|it| count(&mut minutes, it, since));
    for channel in context.table.channels(caller.app).await.map_err(ApiError::internal)? {
        let failed = context.table.failed_deliveries(caller.app, channel.id).await.map_err(ApiError::internal)?;
        failed.iter().flat_map(|it| it.attempts.values()).for_each(|it| count(&mut minutes, it, since));
    }
    Ok(Json(DeliverySummary { minutes: minutes.into_values().collect(), more }))
}

fn count(minutes: &mut BTreeMap<i64, MinuteOut>, attempt: &DeliveryAttempt, since: i64) {
    if attempt.at < since {
        return;
    }
    let minute = attempt.at - attempt.at.rem_euclid(MINUTE_MS);
    let new = || MinuteOut { at: rfc3339(from_millis(minute)), delivered: 0, failed: 0 };
    let counted = minutes.entry(minute).or_insert_with(new);
    match attempt.outcome {
        DeliveryOutcome::Delivered { .. } | DeliveryOutcome::Confirmed => counted.delivered += 1,
        _ => counted.failed += 1,
    }
}
