//! `/api/v1/Media/Iconik`: the state of the connection to Iconik, its check, and the backfill.

use axum::Json;
use axum::extract::State;
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

use crate::context::Context;

/// The connection to Iconik.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IconikOut {
    /// Whether the settings name Iconik, its address and its credentials
    is_set_up: bool,
    /// Why no requests are sent: Iconik refuses the credentials
    #[serde(skip_serializing_if = "Option::is_none")]
    blocked: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blocked_since: Option<String>,
    /// Why its state is unknown: Iconik does not answer
    #[serde(skip_serializing_if = "Option::is_none")]
    unreachable: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unreachable_since: Option<String>,
    /// Why the queue of another system (`sqs_queue_url`) cannot be read
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_error_since: Option<String>,
    /// The user that the access token belongs to
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    /// The domain that Iconik itself named for the access token: its events on the common queue are for this
    /// application
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<String>,
    /// Our webhooks at Iconik, as of the last check
    webhooks: Vec<WebhookOut>,
    /// The last time that all of them were healthy
    #[serde(skip_serializing_if = "Option::is_none")]
    well_at: Option<String>,
    /// Every asset that was created before has been handled
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
    /// `ENABLED`, `FAILING`, `DISABLED`, or before it was repaired: `MISSING`, `CHANGED`
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// The state of the connection to Iconik.
#[utoipa::path(get, path = "/api/v1/Media/Iconik", tag = "Iconik", security(("keys" = [])),
    responses((status = 200, body = IconikOut), (status = 401, body = Problem)))]
pub(crate) async fn get(State(context): State<Context>, Caller(app): Caller) -> Result<Json<IconikOut>, Problem> {
    let settings = context.table.settings(app).await?;
    let manager = context.table.asset_manager(app).await?;
    let time = |it: Option<i64>| it.filter(|it| *it > 0).map(|it| rfc3339(from_millis(it)));
    let webhook =
        |it: domain::asset_manager::WebhookHealth| WebhookOut { name: it.name, status: it.status, error: it.error };
    Ok(Json(IconikOut {
        is_set_up: settings.uses_iconik(),
        blocked: manager.blocked.as_ref().map(|it| it.1.clone()),
        blocked_since: time(manager.blocked.as_ref().map(|it| it.0)),
        unreachable: manager.unreachable.as_ref().map(|it| it.1.clone()),
        unreachable_since: time(manager.unreachable.as_ref().map(|it| it.0)),
        queue_error: manager.queue_failed.as_ref().map(|it| it.1.clone()),
        queue_error_since: time(manager.queue_failed.as_ref().map(|it| it.0)),
        user: manager.user,
        domain: manager.domain,
        webhooks: manager.webhooks.into_iter().map(webhook).collect(),
        well_at: time(manager.healthy_at),
        reconciled_to: time(manager.reconciled_to),
        next_check: time(Some(manager.next_at)),
    }))
}

/// Checks the connection now, and repairs its webhooks.
#[utoipa::path(post, path = "/api/v1/Media/Iconik/check", tag = "Iconik", security(("keys" = [])),
    responses((status = 202), (status = 409, body = Problem)))]
pub(crate) async fn check(State(context): State<Context>, Caller(app): Caller) -> Result<StatusCode, Problem> {
    require_iconik(&context, app).await?;
    let order = IngestCommand::new(app, Ingest::Check, domain::millis(clock::now()));
    context.ingest_queue.send(&order, Duration::ZERO).await?;
    Ok(StatusCode::ACCEPTED)
}

/// The time in which the assets were created.
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

/// The time of the backfill that was queued.
#[derive(Serialize, ToSchema)]
pub(crate) struct BackfillOut {
    from: String,
    to: String,
}

/// Ingests assets that are in Iconik already, by the time of their creation. Known versions are left as they are. The
/// notification `iconik.caught-up` has the number of assets.
#[utoipa::path(post, path = "/api/v1/Media/Iconik/backfill", tag = "Iconik", security(("keys" = [])), request_body = BackfillIn,
    responses((status = 202, body = BackfillOut), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn backfill(
    State(context): State<Context>,
    Caller(app): Caller,
    JsonBody(body): JsonBody<BackfillIn>,
) -> Result<(StatusCode, Json<BackfillOut>), Problem> {
    let time = |field: &str, text: &str| {
        let time = OffsetDateTime::parse(text, &Rfc3339);
        time.map_err(|_| Problem::invalid(field, "a time such as 2026-11-21T09:00:00Z"))
    };
    let (now, from) = (clock::now(), time("since", &body.since)?);
    let to = body.until.as_deref().map_or(Ok(now), |it| time("until", it))?;
    if from >= to {
        return Err(Problem::invalid("since", "it must lie before `until`, or before now"));
    }
    require_iconik(&context, app).await?;
    let what = Ingest::Search { from: domain::millis(from), to: domain::millis(to), after: None, seen: 0 };
    context.ingest_queue.send(&IngestCommand::new(app, what, domain::millis(now)), Duration::ZERO).await?;
    Ok((StatusCode::ACCEPTED, Json(BackfillOut { from: rfc3339(from), to: rfc3339(to) })))
}

async fn require_iconik(context: &Context, app: AppId) -> Result<(), Problem> {
    if context.table.settings(app).await?.uses_iconik() {
        return Ok(());
    }
    let title = "put iconik_url, iconik_app_id and iconik_access_token into the settings, and `iconik` among `system`";
    Err(Problem::new(ProblemType::IconikNotSetUp, title))
}
