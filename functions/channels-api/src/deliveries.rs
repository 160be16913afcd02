//! `GET /api/v1/Notification/Deliveries`: what became of deliveries to a channel.

use axum::Json;
use axum::extract::State as Shared;
use domain::{from_millis, rfc3339};
use serde::Serialize;
use utoipa::ToSchema;

use crate::State;
use crate::caller::Caller;
use crate::envelope::{Envelope, Refusal, Verb};

/// Batches of good deliveries that are looked through.
const BATCHES: i32 = 50;

/// A delivery and its attempts.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeliveryOut {
    notification: String,
    /// delivered, retrying, dead or disabled
    state: String,
    attempts: Vec<AttemptOut>,
}

/// One attempt.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AttemptOut {
    attempt: u32,
    at: String,
    took_ms: u64,
    outcome: String,
}

impl AttemptOut {
    fn new(it: &table::Attempt) -> Self {
        Self {
            attempt: it.attempt,
            at: rfc3339(from_millis(it.at)),
            took_ms: it.took_ms,
            outcome: it.outcome.to_string(),
        }
    }
}

/// Recent deliveries to a channel: those that did not go well at once, with every attempt, then the last good ones.
#[utoipa::path(get, path = "/api/v1/Notification/Deliveries", tag = "Channels", security(("keys" = [])),
    params(("applicationId" = String, Query), ("configurationId" = String, Query)),
    responses((status = 200, body = Vec<DeliveryOut>), (status = 404, body = Envelope)))]
pub(crate) async fn list(Shared(state): Shared<State>, caller: Caller) -> Result<Json<Vec<DeliveryOut>>, Refusal> {
    let id = caller.configuration()?;
    let channel = state.table.channel(caller.app, id).await.map_err(Refusal::internal)?;
    channel.ok_or_else(|| Refusal::no_channel(caller.app, id, Verb::Get))?;
    let failed = state.table.failed_deliveries(caller.app, id).await.map_err(Refusal::internal)?;
    let good = state.table.delivered(caller.app, BATCHES).await.map_err(Refusal::internal)?;
    let failed = failed.into_iter().map(|it| {
        let mut attempts: Vec<&table::Attempt> = it.attempts.values().collect();
        attempts.sort_by_key(|it| it.attempt);
        DeliveryOut {
            notification: it.notification.to_string(),
            state: it.state,
            attempts: attempts.into_iter().map(AttemptOut::new).collect(),
        }
    });
    let good = good.iter().filter(|it| it.channel == id).map(|it| DeliveryOut {
        notification: it.notification.to_string(),
        state: "delivered".to_owned(),
        attempts: vec![AttemptOut::new(it)],
    });
    Ok(Json(failed.chain(good).collect()))
}
