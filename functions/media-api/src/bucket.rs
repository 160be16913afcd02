//! `/api/v1/Media/Buckets`.

mod dto;

use axum::Json;
use axum::extract::{Path, State as Shared};
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

use crate::Context;
use crate::dto::Page;
use dto::{BucketIn, BucketOut};

fn missing() -> Problem {
    Problem::new(ProblemType::NoSuchBucket, "there is no bucket of that id")
}

async fn find(state: &Context, app: AppId, id: &str) -> Result<Bucket, Problem> {
    let id: BucketId = id.parse().map_err(|_| missing())?;
    state.table.bucket(app, id).await?.ok_or_else(missing)
}

/// All buckets of the application.
#[utoipa::path(get, path = "/api/v1/Media/Buckets", tag = "Buckets", security(("keys" = [])),
    responses((status = 200, body = Page<BucketOut>), (status = 401, body = Problem)))]
pub(crate) async fn list(
    Shared(state): Shared<Context>,
    Caller(app): Caller,
) -> Result<Json<Page<BucketOut>>, Problem> {
    let mut items = Vec::new();
    for it in state.table.buckets(app).await? {
        items.push(BucketOut::new(&it, &state.table.scan_state(app, it.id).await?));
    }
    Ok(Json(Page { items, next: None }))
}

/// Adds a bucket. Its first scan comes with the next minute that its schedule names.
#[utoipa::path(post, path = "/api/v1/Media/Buckets", tag = "Buckets", security(("keys" = [])), request_body = BucketIn,
    responses((status = 201, body = BucketOut), (status = 401, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn create(
    Shared(state): Shared<Context>,
    Caller(app): Caller,
    JsonBody(it): JsonBody<BucketIn>,
) -> Result<(StatusCode, Json<BucketOut>), Problem> {
    let usual = state.table.settings(app).await?;
    let mut bucket = it.bucket(app, BucketId::random(clock::random_bytes()), &usual, &state.allowed, clock::now())?;
    bucket.credentials = seal_credentials(&state, &bucket, &it).await?;
    state.table.put_bucket(&bucket).await?;
    Ok((StatusCode::CREATED, Json(BucketOut::new(&bucket, &ScanState::default()))))
}

/// One bucket.
#[utoipa::path(get, path = "/api/v1/Media/Buckets/{id}", tag = "Buckets", security(("keys" = [])), params(("id" = String, Path)),
    responses((status = 200, body = BucketOut), (status = 404, body = Problem)))]
pub(crate) async fn get(
    Shared(state): Shared<Context>,
    Caller(app): Caller,
    Path(id): Path<String>,
) -> Result<Json<BucketOut>, Problem> {
    let bucket = find(&state, app, &id).await?;
    let scans = state.table.scan_state(app, bucket.id).await?;
    Ok(Json(BucketOut::new(&bucket, &scans)))
}

/// Replaces a bucket. Without `credentials` it keeps those it has.
#[utoipa::path(put, path = "/api/v1/Media/Buckets/{id}", tag = "Buckets", security(("keys" = [])), params(("id" = String, Path)), request_body = BucketIn,
    responses((status = 200, body = BucketOut), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn replace(
    Shared(state): Shared<Context>,
    Caller(app): Caller,
    Path(id): Path<String>,
    JsonBody(it): JsonBody<BucketIn>,
) -> Result<Json<BucketOut>, Problem> {
    let before = find(&state, app, &id).await?;
    let usual = state.table.settings(app).await?;
    let mut bucket = it.bucket(app, before.id, &usual, &state.allowed, clock::now())?;
    bucket.created_at = before.created_at;
    let moved = (bucket.endpoint.as_str(), &bucket.bucket) != (before.endpoint.trim_end_matches('/'), &before.bucket);
    if moved && it.credentials.is_none() && before.credentials.is_some() {
        // or a caller could have the stored secret sign requests to an address of its choice
        return Err(Problem::invalid(
            "credentials",
            "a bucket that moves to another endpoint or name needs its credentials again",
        ));
    }
    bucket.credentials = match seal_credentials(&state, &bucket, &it).await? {
        None => before.credentials,
        new => new,
    };
    if !state.table.replace_bucket(&bucket).await? {
        return Err(missing());
    }
    // whoever mends a bucket wants it scanned, not waited for
    let mut scans = state.table.scan_state(app, bucket.id).await?;
    if scans.failures > 0 {
        scans = ScanState { last: scans.last, searched: scans.searched, ..ScanState::default() };
        state.table.put_scan_state(app, bucket.id, &scans).await?;
    }
    Ok(Json(BucketOut::new(&bucket, &scans)))
}

/// Removes a bucket. Its items stay, and keep their results.
#[utoipa::path(delete, path = "/api/v1/Media/Buckets/{id}", tag = "Buckets", security(("keys" = [])), params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = Problem)))]
pub(crate) async fn remove(
    Shared(state): Shared<Context>,
    Caller(app): Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let bucket = find(&state, app, &id).await?;
    if state.table.delete_bucket(app, bucket.id).await? { Ok(StatusCode::NO_CONTENT) } else { Err(missing()) }
}

/// A scan that was ordered.
#[derive(Serialize, ToSchema)]
pub(crate) struct Ordered {
    scan: String,
}

/// How to scan.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ScanParameters {
    /// Only count what would be processed
    #[serde(default)]
    dry_run: bool,
}

/// Scans a bucket now, also one that is inactive. `scan.completed` or `scan.failed` tells how it went, the bucket's
/// `lastScan` how far it is.
#[utoipa::path(post, path = "/api/v1/Media/Buckets/{id}/scan", tag = "Buckets", security(("keys" = [])), params(("id" = String, Path), ScanParameters),
    responses((status = 202, body = Ordered), (status = 404, body = Problem)))]
pub(crate) async fn scan(
    Shared(state): Shared<Context>,
    Caller(app): Caller,
    Path(id): Path<String>,
    QueryParams(how): QueryParams<ScanParameters>,
) -> Result<(StatusCode, Json<Ordered>), Problem> {
    let bucket = find(&state, app, &id).await?;
    let scan = format!("{}-r{}", &bucket.id.to_string()[4..16], clock::random_alphanumeric(10));
    let at = domain::millis(clock::now());
    let order = ScanCommand {
        v: 1,
        app,
        bucket: bucket.id,
        scan: scan.clone(),
        requested: true,
        dry: how.dry_run,
        token: None,
        page: 0,
        found: 0,
        listed: 0,
        unreadable: None,
        at,
    };
    state.scans.send(&order, Duration::ZERO).await?;
    Ok((StatusCode::ACCEPTED, Json(Ordered { scan })))
}

async fn seal_credentials(
    state: &Context,
    bucket: &Bucket,
    it: &BucketIn,
) -> Result<Option<domain::bucket::SealedSecret>, Problem> {
    let Some(credentials) = &it.credentials else { return Ok(None) };
    let text = credentials.sealed_text()?;
    let field = entry::secrets::bucket_field(bucket);
    Ok(Some(state.secrets.seal(bucket.app, &field, text.as_bytes()).await?))
}
