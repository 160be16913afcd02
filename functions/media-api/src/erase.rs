//! Results are erased, with the faces in them: of a processor of an item, of an item, or of the whole application.
//!
//! What was written of them at the item's source goes as well: `process` removes it, and tries again until the source is reached.
//! What receivers were told is theirs and stays there.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::{Path, State};
use domain::bucket::{Bucket, MediaSystem};
use domain::command::ProcessCommand;
use domain::item::{Item, URGENT_PRIORITY};
use domain::job::{Job, result_folder, staging_folder};
use domain::processing::{chosen, erase_results};
use domain::processor::{Backend, ProcessorKind};
use domain::{AppId, ItemId};
use entry::clock;
use entry::http::auth::Caller;
use entry::http::{Problem, ProblemType};
use serde::Serialize;
use table::CommitOutcome;
use time::Duration;
use utoipa::ToSchema;

use crate::context::Context;
use crate::dto::ItemOut;
use crate::item::find;
use crate::processors::kind;
use crate::results;

/// How long a request begins further items: API Gateway waits 30 seconds for the answer.
const MAX_ERASING: Duration = Duration::seconds(20);
/// Attempts to change an item that others change, too.
const MAX_ATTEMPTS: usize = 3;

/// What was erased.
#[derive(Serialize, ToSchema)]
pub(crate) struct ErasedOut {
    /// Items whose results were erased
    erased: usize,
    /// Items that are Pending or Processing: they keep what they have. Ask again when they have ended
    busy: usize,
    /// Whether there is more to erase: ask again
    more: bool,
}

/// What became of an item's results.
enum Erased {
    Done,
    /// A processor of the item waits or works.
    Busy,
}

/// Erases the result of one processor of an item: the document with its faces, the preview, the subtitles, and what was written
/// of it at the item's source. The processor is Skipped then (`erased`), which `processor.skipped` tells, and `item.skipped` if no
/// other has a result; it can be processed again. While it waits or works the answer is 409.
#[utoipa::path(delete, path = "/api/v1/Media/Items/{id}/Results/{processor}", tag = "Items", security(("keys" = [])),
    params(("id" = String, Path), ("processor" = String, Path)),
    responses((status = 200, body = ItemOut), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn one(
    State(context): State<Context>,
    Caller(app): Caller,
    Path((id, processor)): Path<(String, String)>,
) -> Result<Json<ItemOut>, Problem> {
    let processor = kind("processor", &processor)?;
    let item = find(&context, app, &id).await?;
    if !item.processor.contains(processor) {
        return Err(results::none());
    }
    erase_of_item(&context, &item, Some(processor)).await
}

/// Erases the results of an item, those of all its processors: the documents with their faces, the previews, the subtitles, and
/// what was written of them at the item's source. The item is Skipped then (`erased`), which `item.skipped` tells; it can be
/// processed again. While it is Pending or Processing the answer is 409.
#[utoipa::path(delete, path = "/api/v1/Media/Items/{id}/Results", tag = "Items", security(("keys" = [])), params(("id" = String, Path)),
    responses((status = 200, body = ItemOut), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn all_of_item(
    State(context): State<Context>,
    Caller(app): Caller,
    Path(id): Path<String>,
) -> Result<Json<ItemOut>, Problem> {
    let item = find(&context, app, &id).await?;
    erase_of_item(&context, &item, None).await
}

async fn erase_of_item(context: &Context, item: &Item, only: Option<ProcessorKind>) -> Result<Json<ItemOut>, Problem> {
    let buckets = context.table.buckets(item.app).await?;
    match erase(context, item.app, &buckets, item.id, only).await? {
        Erased::Done => Ok(Json(ItemOut::new(&find(context, item.app, &item.id.to_string()).await?))),
        Erased::Busy => {
            Err(Problem::new(ProblemType::Busy, "the item is being processed; cancel that, or try again later"))
        }
    }
}

/// Erases the results of all items of the application, as far as the time of a request allows.
#[utoipa::path(delete, path = "/api/v1/Media/Results", tag = "Items", security(("keys" = [])),
    responses((status = 200, body = ErasedOut)))]
pub(crate) async fn all(State(context): State<Context>, Caller(app): Caller) -> Result<Json<ErasedOut>, Problem> {
    let (prefix, deadline) = (format!("results/{app}/"), clock::now() + MAX_ERASING);
    let buckets = context.table.buckets(app).await?;
    let (mut out, mut token) = (ErasedOut { erased: 0, busy: 0, more: false }, None);
    loop {
        let page = context.s3.list_objects_v2().bucket(&context.results_bucket).prefix(&prefix);
        let page = page.set_continuation_token(token).send().await?;
        let ids = page
            .contents()
            .iter()
            .filter_map(|it| it.key()?.strip_prefix(&prefix)?.split('/').next()?.parse::<ItemId>().ok());
        let ids: BTreeSet<ItemId> = ids.collect();
        for id in ids {
            if clock::now() > deadline {
                out.more = true;
                return Ok(Json(out));
            }
            match erase(&context, app, &buckets, id, None).await? {
                Erased::Done => out.erased += 1,
                Erased::Busy => out.busy += 1,
            }
        }
        token = page.next_continuation_token().map(str::to_owned);
        if token.is_none() {
            return Ok(Json(out));
        }
    }
}

/// Erases the results of one processor of an item, or of all. The removal at the source is queued first, and the objects go before
/// the row says so: a request that is repeated after a crash finds what is left.
async fn erase(
    context: &Context,
    app: AppId,
    buckets: &[Bucket],
    id: ItemId,
    only: Option<ProcessorKind>,
) -> Result<Erased, Problem> {
    for _ in 0..MAX_ATTEMPTS {
        let item = context.table.item(id).await?.filter(|it| it.app == app);
        if let Some(item) = &item {
            if chosen(item, only).any(|it| !it.state.is_final()) {
                return Ok(Erased::Busy);
            }
            queue_removal(context, buckets, item, only).await?;
            delete_staged(context, item, only).await?;
        }
        delete_results(context, app, id, only).await?;
        let now = clock::now();
        let Some(plan) = item.and_then(|it| erase_results(now, &it, only)) else { return Ok(Erased::Done) };
        if context.table.commit(&plan, now).await? == CommitOutcome::Committed {
            return Ok(Erased::Done);
        }
    }
    Ok(Erased::Busy)
}

/// Queues the removal of what was written of the results at the item's source, if results are written there.
async fn queue_removal(
    context: &Context,
    buckets: &[Bucket],
    item: &Item,
    only: Option<ProcessorKind>,
) -> Result<(), Problem> {
    let takes_results = match item.system {
        MediaSystem::Iconik => true,
        MediaSystem::DataCore | MediaSystem::ObjectMatrix => {
            buckets.iter().any(|it| Some(it.id) == item.bucket_id && it.write_back)
        }
    };
    let written = chosen(item, only).filter(|it| takes_results && it.results.is_some());
    let urgent = item.priority >= URGENT_PRIORITY;
    let commands: Vec<(ProcessCommand, Duration, bool)> =
        written.map(|it| (ProcessCommand::removal(item.id, &it), Duration::ZERO, urgent)).collect();
    Ok(context.process_queues.send(&commands).await?)
}

/// Deletes what is stored of the results of one processor of an item, or of all.
async fn delete_results(context: &Context, app: AppId, id: ItemId, only: Option<ProcessorKind>) -> Result<(), Problem> {
    match only {
        None => delete(context, &format!("results/{app}/{id}/"), |_| true).await,
        // the folder of one processor has those of the others in it
        Some(kind) => delete(context, &format!("{}/", result_folder(app, id, kind)), |name| !name.contains('/')).await,
    }
}

/// Deletes what remote backends were handed and have handed back: the rest of attempts that did not end well.
async fn delete_staged(context: &Context, item: &Item, only: Option<ProcessorKind>) -> Result<(), Problem> {
    let handed_over = chosen(item, only).filter(|it| it.backend != Backend::Embedded && it.attempt > 0);
    let jobs: Vec<Job> = handed_over.collect();
    for job in jobs {
        let folder = staging_folder(item.app, item.job_id(job.processor));
        delete(context, &format!("{folder}/"), |_| true).await?;
    }
    Ok(())
}

/// Deletes the objects under a prefix whose names after it are `meant`. There are far less than a page of them.
async fn delete(context: &Context, prefix: &str, meant: impl Fn(&str) -> bool) -> Result<(), Problem> {
    let list = context.s3.list_objects_v2().bucket(&context.results_bucket).prefix(prefix);
    for object in list.send().await?.contents() {
        let Some(key) = object.key().filter(|it| it.strip_prefix(prefix).is_some_and(&meant)) else { continue };
        context.s3.delete_object().bucket(&context.results_bucket).key(key).send().await?;
    }
    Ok(())
}
