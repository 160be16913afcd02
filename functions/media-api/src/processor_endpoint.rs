//! `/api/v1/Media/Processors/{processor}`: endpoints of the application's own that run processors (processors, section 5.1).

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use channels::secret;
use domain::processor::ProcessorKind;
use domain::processor_endpoint::{DEFAULT_DEADLINE_SECONDS, MAX_DEADLINE_SECONDS, ProcessorEndpoint};
use domain::rfc3339;
use domain::ssrf::check_endpoint;
use entry::clock;
use entry::http::auth::Caller;
use entry::http::{JsonBody, Problem, ProblemType};
use external_processor::{ExternalProcessor, key_field, open_keys};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;

use crate::bounds::within;
use crate::context::Context;
use crate::dto::Page;

/// The shortest deadline, in seconds.
const MIN_DEADLINE_SECONDS: u32 = 10;
/// How long the secret before the current one stays valid, in seconds.
const DEFAULT_OVERLAP_SECONDS: u32 = 86_400;
const MAX_OVERLAP_SECONDS: u32 = 604_800;
/// The most bytes of the parameters, as JSON.
const MAX_PARAMETERS_BYTES: usize = 4_096;

/// Where the application's jobs of a processor go.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ProcessorEndpointIn {
    /// An https address without a query. It takes jobs as `/docs/processor.json` describes. Unless it is in a network that
    /// the deployment allows, it has to answer a challenge at once.
    #[schema(example = "https://objects.example.com/jobs")]
    endpoint: String,
    /// `whsec_` and 24 to 64 bytes in base64. Without it the stored one is kept, or a new one is made.
    secret: Option<String>,
    /// How long the secret that `secret` replaces stays valid: 0 to 604800, by default 86400.
    #[schema(minimum = 0, maximum = 604_800)]
    overlap_seconds: Option<u32>,
    /// How long an attempt may take: 10 to 21600, by default 3600.
    #[schema(minimum = 10, maximum = 21_600)]
    deadline_seconds: Option<u32>,
    /// Sent with each job as `params`, below the settings' own. At most 4096 bytes of JSON.
    #[schema(value_type = Option<Object>)]
    params: Option<Map<String, Value>>,
}

/// Where the application's jobs of a processor go.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProcessorEndpointOut {
    /// The processor's name
    processor: &'static str,
    endpoint: String,
    /// The signing secret, if it was made by this request: it is not shown again.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    /// How many secrets are valid: two while one replaces the other.
    secrets: usize,
    deadline_seconds: u32,
    #[schema(value_type = Object)]
    params: Map<String, Value>,
    created_at: String,
    updated_at: String,
}

impl ProcessorEndpointOut {
    fn new(processor: ProcessorKind, stored: ProcessorEndpoint, secret: Option<String>, now: OffsetDateTime) -> Self {
        Self {
            processor: processor.name(),
            secrets: stored.valid_keys(now).count(),
            endpoint: stored.url,
            secret,
            deadline_seconds: stored.deadline_seconds,
            params: stored.parameters,
            created_at: rfc3339(stored.created_at),
            updated_at: rfc3339(stored.updated_at),
        }
    }
}

fn missing() -> Problem {
    Problem::new(ProblemType::NoSuchProcessor, "no endpoint is registered for a processor of that name")
}

fn processor(name: &str) -> Result<ProcessorKind, Problem> {
    name.parse().map_err(|()| missing())
}

/// All endpoints of the application that run processors.
#[utoipa::path(get, path = "/api/v1/Media/Processors", tag = "Processors", security(("keys" = [])),
    responses((status = 200, body = Page<ProcessorEndpointOut>), (status = 401, body = Problem)))]
pub(crate) async fn list(
    State(context): State<Context>,
    Caller(app): Caller,
) -> Result<Json<Page<ProcessorEndpointOut>>, Problem> {
    let (mut items, now) = (Vec::new(), clock::now());
    for processor in ProcessorKind::ALL {
        let stored = context.table.processor_endpoint(app, processor).await?;
        items.extend(stored.map(|it| ProcessorEndpointOut::new(processor, it, None, now)));
    }
    Ok(Json(Page { items, next: None }))
}

/// The endpoint that runs a processor.
#[utoipa::path(get, path = "/api/v1/Media/Processors/{processor}", tag = "Processors", security(("keys" = [])),
    params(("processor" = String, Path)),
    responses((status = 200, body = ProcessorEndpointOut), (status = 404, body = Problem)))]
pub(crate) async fn get(
    State(context): State<Context>,
    Caller(app): Caller,
    Path(name): Path<String>,
) -> Result<Json<ProcessorEndpointOut>, Problem> {
    let processor = processor(&name)?;
    let stored = context.table.processor_endpoint(app, processor).await?.ok_or_else(missing)?;
    Ok(Json(ProcessorEndpointOut::new(processor, stored, None, clock::now())))
}

/// Registers the endpoint that runs a processor, or changes it. Jobs under way go on: their callbacks are accepted under the
/// secrets that are valid when they come.
#[utoipa::path(put, path = "/api/v1/Media/Processors/{processor}", tag = "Processors", security(("keys" = [])),
    params(("processor" = String, Path)), request_body = ProcessorEndpointIn,
    responses((status = 200, body = ProcessorEndpointOut), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn put(
    State(context): State<Context>,
    Caller(app): Caller,
    Path(name): Path<String>,
    JsonBody(body): JsonBody<ProcessorEndpointIn>,
) -> Result<Json<ProcessorEndpointOut>, Problem> {
    let (processor, now) = (processor(&name)?, clock::now());
    let url = check_endpoint(&body.endpoint, &context.allowed_networks);
    let url = url.map_err(|error| Problem::invalid("endpoint", error.to_string()))?;
    let is_known = context.allowed_networks.contains_host(&url); // by the operator
    let url = url.to_string();
    let (default, least, most) = (DEFAULT_DEADLINE_SECONDS, MIN_DEADLINE_SECONDS, MAX_DEADLINE_SECONDS);
    let deadline_seconds = within("deadlineSeconds", body.deadline_seconds, default, least, most)?;
    let overlap = within("overlapSeconds", body.overlap_seconds, DEFAULT_OVERLAP_SECONDS, 0, MAX_OVERLAP_SECONDS)?;
    let parameters = body.params.unwrap_or_default();
    if serde_json::to_vec(&parameters)?.len() > MAX_PARAMETERS_BYTES {
        return Err(Problem::invalid("params", format!("at most {MAX_PARAMETERS_BYTES} bytes")));
    }
    let sent = body.secret.as_deref().map(secret::decode).transpose();
    let sent = sent.map_err(|error| Problem::invalid("secret", error.to_string()))?;
    let before = context.table.processor_endpoint(app, processor).await?;
    let moves = before.as_ref().is_none_or(|it| it.url != url);
    let mut stored = before.unwrap_or(ProcessorEndpoint {
        url: String::new(),
        keys: Vec::new(),
        deadline_seconds,
        parameters: Map::new(),
        created_at: now,
        updated_at: now,
    });
    let old = open_keys(&context.secrets, app, processor, &stored, now).await?;
    let mut made = None;
    let new = match sent {
        Some(key) if old.first() == Some(&key) => None, // it is the current one
        Some(key) => Some(key),
        None if old.is_empty() => {
            let key = clock::random_bytes::<32>().to_vec();
            made = Some(secret::encode(&key));
            Some(key)
        }
        None => None,
    };
    let current = new.as_ref().or(old.first()).cloned().unwrap_or_default();
    if moves && !is_known {
        let client = ExternalProcessor::new(context.allowed_networks.clone(), String::new())?;
        let word = clock::random_alphanumeric(32);
        let answered = client.challenge(&url, &[current], &word, now).await;
        answered.map_err(|error| Problem::invalid("endpoint", error.to_string()))?;
    }
    if let Some(key) = new {
        let sealed = context.secrets.seal(app, &key_field(processor), &key).await?;
        let until = (overlap > 0).then(|| now + Duration::seconds(overlap.into()));
        stored.keys = stored.rotated_keys(sealed, until, now);
    }
    (stored.url, stored.deadline_seconds, stored.parameters, stored.updated_at) =
        (url, deadline_seconds, parameters, now);
    context.table.put_processor_endpoint(app, processor, &stored).await?;
    Ok(Json(ProcessorEndpointOut::new(processor, stored, made, now)))
}

/// Removes the endpoint that runs a processor. Jobs that need it fail from then on.
#[utoipa::path(delete, path = "/api/v1/Media/Processors/{processor}", tag = "Processors", security(("keys" = [])),
    params(("processor" = String, Path)), responses((status = 204), (status = 404, body = Problem)))]
pub(crate) async fn remove(
    State(context): State<Context>,
    Caller(app): Caller,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let removed = context.table.delete_processor_endpoint(app, processor(&name)?).await?;
    if removed { Ok(StatusCode::NO_CONTENT) } else { Err(missing()) }
}
