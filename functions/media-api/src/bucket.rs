//! `/api/v1/Media/Buckets`: buckets, and scans of them.

mod dto;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use domain::bucket::{Bucket, ScanState};
use domain::command::ScanCommand;
use domain::{AppId, BucketId};
use entry::clock;
use entry::http::auth::Caller;
use entry::http::{JsonBody, Problem, ProblemType, QueryParams};
use serde::{Deserialize, Serialize};
use time::Duration;
use utoipa::{IntoParams, ToSchema};

use crate::context::Context;
use crate::dto::Page;
use crate::processors::check_switched_on;
use dto::{BucketIn, BucketOut};

fn missing() -> Problem {
    Problem::new(ProblemType::NoSuchBucket, "there is no bucket of that id")
}

async fn find(context: &Context, app: AppId, id: &str) -> Result<Bucket, Problem> {
    let id: BucketId = id.parse().map_err(|_| missing())?;
    context.table.bucket(app, id).await?.ok_or_else(missing)
}

/// All buckets of the application.
#[utoipa::path(get, path = "/api/v1/Media/Buckets", tag = "Buckets", security(("keys" = [])),
    responses((status = 200, body = Page<BucketOut>), (status = 401, body = Problem)))]
pub(crate) async fn list(
    State(context): State<Context>,
    Caller(app): Caller,
) -> Result<Json<Page<BucketOut>>, Problem> {
    let (mut items, backends) = (Vec::new(), context.table.settings(app).await?.backends);
    for bucket in context.table.buckets(app).await? {
        items.push(BucketOut::new(&bucket, &context.table.scan_state(app, bucket.id).await?, &backends));
    }
    Ok(Json(Page { items, next: None }))
}

/// Adds a bucket. Its first scan is at the next minute of its schedule.
#[utoipa::path(post, path = "/api/v1/Media/Buckets", tag = "Buckets", security(("keys" = [])), request_body = BucketIn,
    responses((status = 201, body = BucketOut), (status = 401, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn create(
    State(context): State<Context>,
    Caller(app): Caller,
    JsonBody(body): JsonBody<BucketIn>,
) -> Result<(StatusCode, Json<BucketOut>), Problem> {
    let defaults = context.table.settings(app).await?;
    let mut bucket =
        body.bucket(app, BucketId::random(clock::random_bytes()), &defaults, &context.allowed_networks, clock::now())?;
    check_switched_on(&bucket.processor, None, &context.processors_off)?;
    bucket.credentials = seal_credentials(&context, &bucket, &body).await?;
    context.table.put_bucket(&bucket).await?;
    Ok((StatusCode::CREATED, Json(BucketOut::new(&bucket, &ScanState::default(), &defaults.backends))))
}

/// One bucket.
#[utoipa::path(get, path = "/api/v1/Media/Buckets/{id}", tag = "Buckets", security(("keys" = [])), params(("id" = String, Path)),
    responses((status = 200, body = BucketOut), (status = 404, body = Problem)))]
pub(crate) async fn get(
    State(context): State<Context>,
    Caller(app): Caller,
    Path(id): Path<String>,
) -> Result<Json<BucketOut>, Problem> {
    let bucket = find(&context, app, &id).await?;
    let scans = context.table.scan_state(app, bucket.id).await?;
    let settings = context.table.settings(app).await?;
    Ok(Json(BucketOut::new(&bucket, &scans, &settings.backends)))
}

/// Replaces a bucket. Without `credentials` the stored ones are kept.
#[utoipa::path(put, path = "/api/v1/Media/Buckets/{id}", tag = "Buckets", security(("keys" = [])), params(("id" = String, Path)), request_body = BucketIn,
    responses((status = 200, body = BucketOut), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn replace(
    State(context): State<Context>,
    Caller(app): Caller,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<BucketIn>,
) -> Result<Json<BucketOut>, Problem> {
    let before = find(&context, app, &id).await?;
    let defaults = context.table.settings(app).await?;
    let mut bucket = body.bucket(app, before.id, &defaults, &context.allowed_networks, clock::now())?;
    check_switched_on(&bucket.processor, Some(&before.processor), &context.processors_off)?;
    bucket.created_at = before.created_at;
    let moved = (bucket.endpoint.as_str(), &bucket.bucket) != (before.endpoint.trim_end_matches('/'), &before.bucket);
    if moved && body.credentials.is_none() && before.credentials.is_some() {
        // or a caller could have the stored secret sign requests to an address of its choice
        return Err(Problem::invalid(
            "credentials",
            "a bucket that moves to another endpoint or name needs its credentials again",
        ));
    }
    bucket.credentials = match seal_credentials(&context, &bucket, &body).await? {
        None => before.credentials,
        new => new,
    };
    if !context.table.replace_bucket(&bucket).await? {
        return Err(missing());
    }
    // a bucket that was repaired is scanned at its next time, without the delay after failures
    let mut scans = context.table.scan_state(app, bucket.id).await?;
    if scans.failures > 0 {
        scans = ScanState { last: scans.last, searched: scans.searched, ..ScanState::default() };
        context.table.put_scan_state(app, bucket.id, &scans).await?;
    }
    Ok(Json(BucketOut::new(&bucket, &scans, &defaults.backends)))
}

/// Removes a bucket. Its items stay, and keep their results.
#[utoipa::path(delete, path = "/api/v1/Media/Buckets/{id}", tag = "Buckets", security(("keys" = [])), params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = Problem)))]
pub(crate) async fn remove(
    State(context): State<Context>,
    Caller(app): Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let bucket = find(&context, app, &id).await?;
    if context.table.delete_bucket(app, bucket.id).await? { Ok(StatusCode::NO_CONTENT) } else { Err(missing()) }
}

/// A scan that was queued.
#[derive(Serialize, ToSchema)]
pub(crate) struct Ordered {
    scan: String,
}

/// The parameters of a scan.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ScanParameters {
    /// Only count what would be processed
    #[serde(default)]
    dry_run: bool,
}

/// Scans a bucket now, also one that is inactive. The notification `scan.completed` or `scan.failed` has the result,
/// the bucket's `lastScan` the progress.
#[utoipa::path(post, path = "/api/v1/Media/Buckets/{id}/scan", tag = "Buckets", security(("keys" = [])), params(("id" = String, Path), ScanParameters),
    responses((status = 202, body = Ordered), (status = 404, body = Problem)))]
pub(crate) async fn scan(
    State(context): State<Context>,
    Caller(app): Caller,
    Path(id): Path<String>,
    QueryParams(parameters): QueryParams<ScanParameters>,
) -> Result<(StatusCode, Json<Ordered>), Problem> {
    let bucket = find(&context, app, &id).await?;
    let scan = format!("{}-r{}", &bucket.id.to_string()[4..16], clock::random_alphanumeric(10));
    let at = domain::millis(clock::now());
    let order = ScanCommand {
        v: 1,
        app,
        bucket: bucket.id,
        scan: scan.clone(),
        requested: true,
        dry: parameters.dry_run,
        token: None,
        page: 0,
        found: 0,
        listed: 0,
        unreadable: None,
        at,
    };
    context.scan_queue.send(&order, Duration::ZERO).await?;
    Ok((StatusCode::ACCEPTED, Json(Ordered { scan })))
}

async fn seal_credentials(
    context: &Context,
    bucket: &Bucket,
    body: &BucketIn,
) -> Result<Option<domain::bucket::SealedSecret>, Problem> {
    let Some(credentials) = &body.credentials else { return Ok(None) };
    let text = credentials.sealed_text()?;
    let field = entry::secrets::bucket_field(bucket);
    Ok(Some(context.secrets.seal(bucket.app, &field, text.as_bytes()).await?))
}
