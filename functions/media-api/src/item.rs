//! `/api/v1/Media/Items` and `/api/v1/Media/Summary`: items, their previews, and their number by status.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::bucket::{MediaSystem, ProcessorKind};
use domain::item::{Item, ItemStatus};
use domain::job::{Job, JobState};
use domain::processing::{self, ItemTransition};
use domain::{AppId, ItemId, cursor};
use entry::clock;
use entry::http::auth::Caller;
use entry::http::{Problem, ProblemType, QueryParams};
use serde::Deserialize;
use serde_json::Value;
use table::{CommitOutcome, ItemFilter, PageCursor};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use utoipa::IntoParams;

use crate::cancellation::cancel_at_processors;
use crate::context::Context;
use crate::dto::{ItemOut, Page};
use crate::processors::kind;

/// How often an item that changes is read again.
const MAX_READS: usize = 8;
/// The documents of an answer have at most these bytes together, and further ones are read in pages: Lambda answers with
/// 6 MB.
const MAX_EMBEDDED_BYTES: usize = 4_000_000;

fn missing() -> Problem {
    Problem::new(ProblemType::NoSuchItem, "there is no item of that id")
}

pub(crate) async fn find(context: &Context, app: AppId, id: &str) -> Result<Item, Problem> {
    let id: ItemId = id.parse().map_err(|_| missing())?;
    // an item of another application is answered like an unknown one, so that ids cannot be probed
    context.table.item(id).await?.filter(|it| it.app == app).ok_or_else(missing)
}

/// The filter and the page of a list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListParameters {
    /// `datacore`, `objectmatrix` or `iconik`
    system: Option<String>,
    /// A bucket's id
    bucket: Option<String>,
    /// Pending, Processing, Completed, Failed or Skipped
    status: Option<String>,
    /// Found at or after this time, RFC 3339
    since: Option<String>,
    /// The `next` of the previous page
    cursor: Option<String>,
    /// 1 to 100, by default 50
    limit: Option<usize>,
    /// `full` adds the result documents, at 25 items a page
    results: Option<String>,
}

impl ListParameters {
    fn query(&self) -> Result<ItemFilter, Problem> {
        let system = match self.system.as_deref() {
            None => None,
            Some(name) => {
                let unknown = |()| Problem::invalid("system", "`datacore`, `objectmatrix` or `iconik`");
                Some(name.parse::<MediaSystem>().map_err(unknown)?)
            }
        };
        let bucket = self
            .bucket
            .as_deref()
            .map(|it| it.parse().map_err(|_| Problem::invalid("bucket", "this is no bucket's id")));
        let status = self.status.as_deref().map(|name| {
            name.parse::<ItemStatus>()
                .map_err(|()| Problem::invalid("status", "Pending, Processing, Completed, Failed or Skipped"))
        });
        let since = self.since.as_deref().map(|text| {
            let time = OffsetDateTime::parse(text, &Rfc3339)
                .map_err(|_| Problem::invalid("since", "a time such as 2026-11-21T09:00:00Z"));
            time.map(domain::millis)
        });
        Ok(ItemFilter { system, bucket: bucket.transpose()?, status: status.transpose()?, since: since.transpose()? })
    }
}

/// Items, newest first. A page may be short, or empty, and still have a `next`.
#[utoipa::path(get, path = "/api/v1/Media/Items", tag = "Items", security(("keys" = [])), params(ListParameters),
    responses((status = 200, body = Page<ItemOut>), (status = 422, body = Problem)))]
pub(crate) async fn list(
    State(context): State<Context>,
    Caller(app): Caller,
    QueryParams(filter): QueryParams<ListParameters>,
) -> Result<Json<Page<ItemOut>>, Problem> {
    let wanted = filter.query()?;
    let full = match filter.results.as_deref() {
        None | Some("counts") => false,
        Some("full") => true,
        Some(_) => return Err(Problem::invalid("results", "`counts` or `full`")),
    };
    let limit = filter.limit.unwrap_or(50).min(if full { 25 } else { 100 });
    if limit == 0 {
        return Err(Problem::invalid("limit", "1 to 100"));
    }
    let after = filter
        .cursor
        .as_deref()
        .map(|it| cursor::decode(it).ok().filter(PageCursor::is_plausible).ok_or(cursor::InvalidCursor))
        .transpose()
        .map_err(|it| Problem::invalid("cursor", it.to_string()))?;
    let page = context.table.items(app, &wanted, after, limit).await?;
    let mut items = Vec::with_capacity(page.items.len());
    let mut room = MAX_EMBEDDED_BYTES;
    for item in &page.items {
        let mut out = ItemOut::new(item);
        if full {
            add_documents(&context, item, &mut out, &mut room).await?;
        }
        items.push(out);
    }
    Ok(Json(Page { items, next: page.next.map(|it| cursor::encode(&it)) }))
}

/// One item, with its history and its whole result document: boxes, confidences and times.
#[utoipa::path(get, path = "/api/v1/Media/Items/{id}", tag = "Items", security(("keys" = [])), params(("id" = String, Path)),
    responses((status = 200, body = ItemOut), (status = 404, body = Problem)))]
pub(crate) async fn get(
    State(context): State<Context>,
    Caller(app): Caller,
    Path(id): Path<String>,
) -> Result<Json<ItemOut>, Problem> {
    let item = find(&context, app, &id).await?;
    let mut out = ItemOut::with_history(&item);
    let mut room = MAX_EMBEDDED_BYTES;
    add_documents(&context, &item, &mut out, &mut room).await?;
    Ok(Json(out))
}

/// The processor that is meant.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProcessorParameter {
    /// One of the item's processors; without it, all are meant
    processor: Option<String>,
}

/// Queues an item for processing again, by all its processors or by one of them. It has no effect on a processor that waits
/// or works.
#[utoipa::path(post, path = "/api/v1/Media/Items/{id}/reprocess", tag = "Items", security(("keys" = [])), params(("id" = String, Path), ProcessorParameter),
    responses((status = 202, body = ItemOut), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn reprocess(
    State(context): State<Context>,
    Caller(app): Caller,
    Path(id): Path<String>,
    QueryParams(only): QueryParams<ProcessorParameter>,
) -> Result<(StatusCode, Json<ItemOut>), Problem> {
    change(&context, app, &id, &only, processing::reprocess).await
}

/// Cancels the processing of an item, by all its processors or by one of them. What has ended stays as it is; a result that
/// comes later is refused.
#[utoipa::path(post, path = "/api/v1/Media/Items/{id}/cancel", tag = "Items", security(("keys" = [])), params(("id" = String, Path), ProcessorParameter),
    responses((status = 202, body = ItemOut), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn cancel(
    State(context): State<Context>,
    Caller(app): Caller,
    Path(id): Path<String>,
    QueryParams(only): QueryParams<ProcessorParameter>,
) -> Result<(StatusCode, Json<ItemOut>), Problem> {
    let before = find(&context, app, &id).await?;
    let cancelled = change(&context, app, &id, &only, processing::cancel).await?;
    cancel_at_processors(&context, &before, only.processor.and_then(|it| it.parse().ok())).await;
    Ok(cancelled)
}

/// Changes an item as a user has asked; nothing, if `plan` says so.
async fn change(
    context: &Context,
    app: AppId,
    id: &str,
    only: &ProcessorParameter,
    plan: fn(OffsetDateTime, &Item, Option<ProcessorKind>) -> Option<ItemTransition>,
) -> Result<(StatusCode, Json<ItemOut>), Problem> {
    let only = only.processor.as_deref().map(|it| kind("processor", it)).transpose()?;
    for _ in 0..MAX_READS {
        let item = find(context, app, id).await?;
        if only.is_some_and(|it| !item.processor.contains(it)) {
            return Err(Problem::invalid("processor", format!("the item's are {}", item.processor)));
        }
        let now = clock::now();
        let Some(plan) = plan(now, &item, only) else {
            return Ok((StatusCode::ACCEPTED, Json(ItemOut::new(&item))));
        };
        if context.table.commit(&plan, now).await? == CommitOutcome::Committed {
            return Ok((StatusCode::ACCEPTED, Json(ItemOut::new(&plan.item))));
        }
    }
    Err(Problem::new(ProblemType::Busy, "the item is changing; try again"))
}

/// The image, or for a video a frame per track, with the boxes drawn.
#[utoipa::path(get, path = "/api/v1/Media/Items/{id}/preview.jpg", tag = "Items", security(("keys" = [])), params(("id" = String, Path)),
    responses((status = 200, content_type = "image/jpeg", body = Vec<u8>), (status = 404, body = Problem)))]
pub(crate) async fn preview(
    State(context): State<Context>,
    Caller(app): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let item = find(&context, app, &id).await?;
    let none = || Problem::new(ProblemType::NoPreview, "the item has no result yet");
    let mut previews = item.all_jobs().filter_map(|it| it.results).map(|it| it.preview);
    let key = previews.find(|it| !it.is_empty()).ok_or_else(none)?;
    let bytes = read_object(&context, &key).await?.ok_or_else(none)?;
    Ok(([(header::CONTENT_TYPE, "image/jpeg"), (header::CACHE_CONTROL, "private, max-age=60")], bytes).into_response())
}

/// The number of items in each status.
#[utoipa::path(get, path = "/api/v1/Media/Summary", tag = "Items", security(("keys" = [])),
    responses((status = 200, body = BTreeMap<String, i64>)))]
pub(crate) async fn summary(
    State(context): State<Context>,
    Caller(app): Caller,
) -> Result<Json<BTreeMap<String, i64>>, Problem> {
    let tally = context.table.tally(app, clock::now()).await?;
    let count = |it: ItemStatus| (it.name().to_owned(), tally.0.get(it.name()).copied().unwrap_or(0).max(0));
    Ok(Json(ItemStatus::ALL.into_iter().map(count).collect()))
}

/// Adds the documents of an item's results, as far as there is `room` for them in the answer (bytes).
async fn add_documents(context: &Context, item: &Item, out: &mut ItemOut, room: &mut usize) -> Result<(), Problem> {
    let Some(shown) = &mut out.results else { return Ok(()) };
    let succeeded: Vec<Job> = item.all_jobs().filter(|it| it.state == JobState::Succeeded).collect();
    for job in succeeded {
        let Some(results) = job.results else { continue };
        let bytes = read_object(context, &results.document).await?;
        let Some(bytes) = bytes.filter(|it| it.len() <= *room) else { continue };
        *room -= bytes.len();
        let document: Value = serde_json::from_slice(&bytes)?;
        for (name, value) in document.as_object().into_iter().flatten() {
            shown[job.processor.name()][name] = value.clone();
        }
    }
    Ok(())
}

/// An object of the results' bucket; `None` if it is erased, or has expired.
pub(crate) async fn read_object(context: &Context, key: &str) -> Result<Option<Vec<u8>>, Problem> {
    match context.s3.get_object().bucket(&context.results_bucket).key(key).send().await {
        Ok(answer) => Ok(Some(answer.body.collect().await?.to_vec())),
        Err(error) if error.as_service_error().is_some_and(|it| it.is_no_such_key()) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
