//! Results are erased, with the faces in them: of one item, or of the whole application.
//!
//! What was written back to where an item came from, and what receivers were told, is theirs and stays there.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::{Path, State};
use domain::item::ItemStatus;
use domain::{AppId, ItemId, processing};
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
    /// The item is Pending or Processing.
    Busy,
}

/// Erases the results of an item: the document with its faces, and the preview. The item is Skipped then (`erased`), which
/// `item.skipped` tells; it can be processed again. While it is Pending or Processing the answer is 409.
#[utoipa::path(delete, path = "/api/v1/Media/Items/{id}/Results", tag = "Items", security(("keys" = [])), params(("id" = String, Path)),
    responses((status = 200, body = ItemOut), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn one(
    State(context): State<Context>,
    Caller(app): Caller,
    Path(id): Path<String>,
) -> Result<Json<ItemOut>, Problem> {
    let item = find(&context, app, &id).await?;
    match erase(&context, app, item.id).await? {
        Erased::Done => Ok(Json(ItemOut::new(&find(&context, app, &id).await?))),
        Erased::Busy => {
            Err(Problem::new(ProblemType::Busy, "the item is being processed; try again when that has ended"))
        }
    }
}

/// Erases the results of all items of the application, as far as the time of a request allows.
#[utoipa::path(delete, path = "/api/v1/Media/Results", tag = "Items", security(("keys" = [])),
    responses((status = 200, body = ErasedOut)))]
pub(crate) async fn all(State(context): State<Context>, Caller(app): Caller) -> Result<Json<ErasedOut>, Problem> {
    let (prefix, deadline) = (format!("results/{app}/"), clock::now() + MAX_ERASING);
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
            match erase(&context, app, id).await? {
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

/// Erases the results of an item. The objects go first, so that a request that is repeated after a crash finds what is left.
async fn erase(context: &Context, app: AppId, id: ItemId) -> Result<Erased, Problem> {
    for _ in 0..MAX_ATTEMPTS {
        let item = context.table.item(id).await?.filter(|it| it.app == app);
        if item.as_ref().is_some_and(|it| matches!(it.status, ItemStatus::Pending | ItemStatus::Processing)) {
            return Ok(Erased::Busy);
        }
        delete_objects(context, app, id).await?;
        let now = clock::now();
        let Some(plan) = item.and_then(|it| processing::erase_results(now, &it)) else { return Ok(Erased::Done) };
        if context.table.commit(&plan, now).await? == CommitOutcome::Committed {
            return Ok(Erased::Done);
        }
    }
    Ok(Erased::Busy)
}

/// Deletes what is stored under an item.
async fn delete_objects(context: &Context, app: AppId, id: ItemId) -> Result<(), Problem> {
    let list = context.s3.list_objects_v2().bucket(&context.results_bucket).prefix(format!("results/{app}/{id}/"));
    for object in list.send().await?.contents() {
        let Some(key) = object.key() else { continue };
        context.s3.delete_object().bucket(&context.results_bucket).key(key).send().await?;
    }
    Ok(())
}
