//! `/api/v1/Media/Iconik`: how the connection to Iconik is, and what it is asked to do.

use axum::Json;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use domain::command::{Ingest, IngestCommand};
use domain::{AppId, from_millis, rfc3339};
use entry::clock;
use entry::http::auth::Caller;
use entry::http::{JsonBody, Problem, ProblemType};
use serde::{Deserialize, Serialize};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;

use crate::Context;

/// The connection to Iconik.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IconikOut {
    /// Whether the settings name Iconik, its address and its credentials
    is_set_up: bool,
    /// Why nothing is asked of it: the credentials are refused
    #[serde(skip_serializing_if = "Option::is_none")]
    blocked: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blocked_since: Option<String>,
    /// Why nothing is known of it: it does not answer
    #[serde(skip_serializing_if = "Option::is_none")]
    unreachable: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unreachable_since: Option<String>,
    /// Why the queue of another system (`sqs_queue_url`) cannot be read
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_error_since: Option<String>,
    /// The user that our token stands for
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    /// The domain that Iconik itself named for our token: its events on the common queue are this application's
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<String>,
    /// Our webhooks there, as they were seen last
    webhooks: Vec<WebhookOut>,
    /// The last time that all of them were as they should be
    #[serde(skip_serializing_if = "Option::is_none")]
    well_at: Option<String>,
    /// Everything that was made before has been looked at
    #[serde(skip_serializing_if = "Option::is_none")]
    reconciled_to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_check: Option<String>,
}

/// A webhook at Iconik.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WebhookOut {
    name: String,
    /// `ENABLED`, `FAILING`, `DISABLED`, or before it was put right: `MISSING`, `CHANGED`
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// How the connection to Iconik is.
#[utoipa::path(get, path = "/api/v1/Media/Iconik", tag = "Iconik", security(("keys" = [])),
    responses((status = 200, body = IconikOut), (status = 401, body = Problem)))]
pub(crate) async fn get(Shared(state): Shared<Context>, Caller(app): Caller) -> Result<Json<IconikOut>, Problem> {
    let settings = state.table.settings(app).await?;
    let it = state.table.asset_manager(app).await?;
    let time = |it: Option<i64>| it.filter(|it| *it > 0).map(|it| rfc3339(from_millis(it)));
    let webhook =
        |it: domain::asset_manager::WebhookHealth| WebhookOut { name: it.name, status: it.status, error: it.error };
    Ok(Json(IconikOut {
        is_set_up: settings.uses_iconik(),
        blocked: it.blocked.as_ref().map(|it| it.1.clone()),
        blocked_since: time(it.blocked.as_ref().map(|it| it.0)),
        unreachable: it.unreachable.as_ref().map(|it| it.1.clone()),
        unreachable_since: time(it.unreachable.as_ref().map(|it| it.0)),
        queue_error: it.queue_failed.as_ref().map(|it| it.1.clone()),
        queue_error_since: time(it.queue_failed.as_ref().map(|it| it.0)),
        user: it.user,
        domain: it.domain,
        webhooks: it.webhooks.into_iter().map(webhook).collect(),
        well_at: time(it.healthy_at),
        reconciled_to: time(it.reconciled_to),
        next_check: time(Some(it.next_at)),
    }))
}

/// Checks the connection now, and puts its webhooks right.
#[utoipa::path(post, path = "/api/v1/Media/Iconik/check", tag = "Iconik", security(("keys" = [])),
    responses((status = 202), (status = 409, body = Problem)))]
pub(crate) async fn check(Shared(state): Shared<Context>, Caller(app): Caller) -> Result<StatusCode, Problem> {
    require_iconik(&state, app).await?;
    let order = IngestCommand::new(app, Ingest::Check, domain::millis(clock::now()));
    state.ingest.send(&order, Duration::ZERO).await?;
    Ok(StatusCode::ACCEPTED)
}

/// The time whose assets are taken.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BackfillIn {
    /// RFC 3339
    #[schema(format = DateTime, example = "2026-11-01T00:00:00Z")]
    since: String,
    /// By default now
    #[serde(default)]
    #[schema(format = DateTime)]
    until: Option<String>,
}

/// What was ordered.
#[derive(Serialize, ToSchema)]
pub(crate) struct BackfillOut {
    from: String,
    to: String,
}

/// Takes what is in Iconik already, by when it was made; what is known is left as it is. The notification
/// `iconik.caught-up` tells how many assets there were.
#[utoipa::path(post, path = "/api/v1/Media/Iconik/backfill", tag = "Iconik", security(("keys" = [])), request_body = BackfillIn,
    responses((status = 202, body = BackfillOut), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn backfill(
    Shared(state): Shared<Context>,
    Caller(app): Caller,
    JsonBody(it): JsonBody<BackfillIn>,
) -> Result<(StatusCode, Json<BackfillOut>), Problem> {
    let time = |field: &str, it: &str| {
        let time = OffsetDateTime::parse(it, &Rfc3339);
        time.map_err(|_| Problem::invalid(field, "a time such as 2026-11-21T09:00:00Z"))
    };
    let (now, from) = (clock::now(), time("since", &it.since)?);
    let to = it.until.as_deref().map_or(Ok(now), |it| time("until", it))?;
    if from >= to {
        return Err(Problem::invalid("since", "it must lie before `until`, or before now"));
    }
    require_iconik(&state, app).await?;
    let what = Ingest::Search { from: domain::millis(from), to: domain::millis(to), after: None, seen: 0 };
    state.ingest.send(&IngestCommand::new(app, what, domain::millis(now)), Duration::ZERO).await?;
    Ok((StatusCode::ACCEPTED, Json(BackfillOut { from: rfc3339(from), to: rfc3339(to) })))
}

async fn require_iconik(state: &Context, app: AppId) -> Result<(), Problem> {
    if state.table.settings(app).await?.uses_iconik() {
        return Ok(());
    }
    let title = "put iconik_url, iconik_app_id and iconik_access_token into the settings, and `iconik` among `system`";
    Err(Problem::new(ProblemType::IconikNotSetUp, title))
}
