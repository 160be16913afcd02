//! Copies and moves of objects and folders into a folder (NMS 6.14, 6.15).

use std::collections::HashMap;

use axum::http::StatusCode;
use domain::message_store::{BoxId, ROOT_FOLDER, Stored};
use domain::millis;
use entry::clock;
use oma::{BulkResponseList, Fault, TargetSourceRef};

use super::bulk::BulkAnswers;
use super::folders::{self, MAX_DEPTH};
use super::{changes, objects};
use crate::answer::{Answer, FaultResponse};
use crate::context::Context;
use crate::request::OmaRequest;

/// Things that one request names, and things that it copies.
const MAX_SOURCES: usize = 100;
const MAX_COPIES: usize = 1_000;

/// What becomes of what a request names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transfer {
    Copy,
    Move,
}

/// Copies up to 100 objects and folders into a folder, each by itself: the folders first, with all that is in them.
///
/// If all are refused, the answer has the status of the first (NMS 6.14).
#[utoipa::path(post, path = "/nms/v1/{storeName}/{boxId}/folders/operations/copyToFolder", tag = "OMA message store",
    security(("keys" = [])), params(("storeName" = String, Path), ("boxId" = String, Path)),
    request_body = TargetSourceRef,
    responses((status = 200, body = BulkResponseList),
        (status = 400, body = BulkResponseList, description = "Everything was refused, the first with 400; or SVC0002: %1 names the part that cannot be; or SVC0004 with \
            `targetRef`: it is no URL of this box"),
        (status = 403, body = BulkResponseList, description = "Everything was refused, the first with 403: the root folder stays, and no folder \
            goes into itself. POL0001 with `scope` or `user`: the credentials are good, but not for this"),
        (status = 404, body = BulkResponseList, description = "Everything was refused, and the first is not there; or the target is not (SVC0004)"),
        (status = 409, body = BulkResponseList, description = "Everything was refused, the first as the target has a folder of its name"),
        (status = 500, body = BulkResponseList, description = "Everything failed, or the whole did (SVC0001)")))]
pub(super) async fn copy(context: &Context, asked: &OmaRequest<'_>, in_box: &BoxId) -> Result<Answer, FaultResponse> {
    transfer(context, asked, in_box, Transfer::Copy).await
}

/// Moves up to 100 objects and folders into a folder, each by itself: the folders first.
///
/// If all are refused, the answer has the status of the first (NMS 6.15).
#[utoipa::path(post, path = "/nms/v1/{storeName}/{boxId}/folders/operations/moveToFolder", tag = "OMA message store",
    security(("keys" = [])), params(("storeName" = String, Path), ("boxId" = String, Path)),
    request_body = TargetSourceRef,
    responses((status = 200, body = BulkResponseList),
        (status = 400, body = BulkResponseList, description = "Everything was refused, the first with 400; or SVC0002: %1 names the part that cannot be; or SVC0004 with \
            `targetRef`: it is no URL of this box"),
        (status = 403, body = BulkResponseList, description = "Everything was refused, the first with 403: the root folder stays, and no folder \
            goes into itself. POL0001 with `scope` or `user`: the credentials are good, but not for this"),
        (status = 404, body = BulkResponseList, description = "Everything was refused, and the first is not there; or the target is not (SVC0004)"),
        (status = 409, body = BulkResponseList, description = "Everything was refused, the first as the target has a folder of its name"),
        (status = 500, body = BulkResponseList, description = "Everything failed, or the whole did (SVC0001)")))]
pub(super) async fn move_all(
    context: &Context,
    asked: &OmaRequest<'_>,
    in_box: &BoxId,
) -> Result<Answer, FaultResponse> {
    transfer(context, asked, in_box, Transfer::Move).await
}

/// Copies or moves what a request names, each thing by itself: the folders first.
async fn transfer(
    context: &Context,
    asked: &OmaRequest<'_>,
    in_box: &BoxId,
    how: Transfer,
) -> Result<Answer, FaultResponse> {
    let given: TargetSourceRef = asked.document("targetSourceRef")?.parse()?;
    let target = folders::id_of_reference(context, in_box, &given.target_ref, "targetRef").await?;
    let sources = given.source_refs;
    let count = sources.folders.folder_reference.len() + sources.objects.object_reference.len();
    if count == 0 || count > MAX_SOURCES {
        return Err(Fault::invalid_input("sourceRefs").into());
    }
    let (mut answers, mut copies_left) = (BulkAnswers::default(), MAX_COPIES);
    let status = if how == Transfer::Copy { StatusCode::CREATED } else { StatusCode::OK };
    for source in &sources.folders.folder_reference {
        let outcome = async {
            let id = folders::id_of_reference(context, in_box, source, "folderReference").await?;
            let id = transfer_folder(context, in_box, id, target, how, &mut copies_left).await?;
            folders::reference(context, asked, in_box, id).await
        };
        answers.push(status, outcome.await);
    }
    for source in &sources.objects.object_reference {
        let outcome = async {
            let thing = objects::of_reference(context, in_box, source).await?;
            let now_there = match how {
                Transfer::Copy => copy_object(context, &thing, target).await?,
                Transfer::Move => move_to(context, &thing, target).await?,
            };
            objects::reference(context, asked, &now_there).await
        };
        answers.push(status, outcome.await);
    }
    changes::notify(context, in_box).await;
    answers.into_answer()
}

/// The id that the folder has in its new place.
async fn transfer_folder(
    context: &Context,
    in_box: &BoxId,
    id: u64,
    target: u64,
    how: Transfer,
    copies_left: &mut usize,
) -> Result<u64, FaultResponse> {
    let Some(folder) = folders::find(context, in_box, id).await? else {
        return Err(Fault::policy_error("the root folder stays").into());
    };
    let above = ancestors(context, in_box, target).await?;
    if above.contains(&id) || above.len() >= MAX_DEPTH {
        return Err(Fault::policy_error("targetRef").into()); // it is in the folder itself, or too deep
    }
    match how {
        Transfer::Copy => copy_folder(context, &folder, target, copies_left).await,
        Transfer::Move => move_to(context, &folder, target).await.map(|it| it.id),
    }
}

async fn move_to(context: &Context, thing: &Stored, target: u64) -> Result<Stored, FaultResponse> {
    let moved = changes::change(context, &thing.in_box, thing.id, |thing| {
        let moves = thing.parent != target;
        thing.parent = target;
        moves
    });
    Ok(moved.await?.0)
}

/// Copies a folder and all that is in it, from the outside in; nothing of it if that is more than the request may still copy.
async fn copy_folder(
    context: &Context,
    folder: &Stored,
    target: u64,
    copies_left: &mut usize,
) -> Result<u64, FaultResponse> {
    let in_box = &folder.in_box;
    let all = context.table.all_stored(in_box).await?;
    let name = folder.folder_name.clone().unwrap_or_default();
    if context.table.folder_named(in_box, target, &name).await?.is_some() {
        return Err(changes::name_taken());
    }
    let inside = folders::inside(&all, folder.id);
    take_copies(copies_left, inside.len() + 1)?;
    let copied = folders::child(context, in_box, target, &name, folder.attributes.clone()).await?;
    let mut copies = HashMap::from([(folder.id, copied)]);
    for thing in inside {
        let to = copies.get(&thing.parent).copied().unwrap_or(copied);
        match &thing.folder_name {
            Some(name) => {
                let id = folders::child(context, in_box, to, name, thing.attributes.clone()).await?;
                copies.insert(thing.id, id);
            }
            None => drop(copy_object(context, thing, to).await?),
        }
    }
    Ok(copied)
}

/// Takes the copies of a folder from those that a request has left, or none of them.
fn take_copies(left: &mut usize, count: usize) -> Result<(), FaultResponse> {
    let rest = left.checked_sub(count);
    *left =
        rest.ok_or_else(|| Fault::policy_error(format!("a request copies at most {MAX_COPIES} things of folders")))?;
    Ok(())
}

/// A copy is an object of its own: it has a new id, and the same attributes, flags and payload.
async fn copy_object(context: &Context, thing: &Stored, target: u64) -> Result<Stored, FaultResponse> {
    let in_box = &thing.in_box;
    let id = context.table.next_box_id(in_box).await?;
    if thing.payload.is_some() {
        let bytes = context.table.payload(in_box, thing.id).await?.ok_or_else(Fault::unknown_resource)?;
        context.table.put_payload(in_box, id, &bytes).await?;
    }
    let copy = Stored {
        attributes: thing.attributes.clone(),
        flags: thing.flags.clone(),
        correlation_id: thing.correlation_id.clone(),
        correlation_tag: thing.correlation_tag.clone(),
        payload: thing.payload.clone(),
        ..Stored::new(in_box, id, target, millis(clock::now()))
    };
    changes::create(context, &copy).await
}

/// A folder and those above it, up to the root.
async fn ancestors(context: &Context, in_box: &BoxId, mut id: u64) -> Result<Vec<u64>, FaultResponse> {
    let mut all = Vec::new();
    while id != ROOT_FOLDER && all.len() <= MAX_DEPTH {
        all.push(id);
        id = context.table.stored(in_box, id).await?.map_or(ROOT_FOLDER, |it| it.parent);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folders_of_a_request_share_its_copies() {
        let mut left = MAX_COPIES;
        for (count, is_copied, rest) in [(600, true, 400), (401, false, 400), (400, true, 0), (1, false, 0)] {
            let status = take_copies(&mut left, count).map_err(|it| it.fault.status);
            assert_eq!((status, left), (if is_copied { Ok(()) } else { Err(403) }, rest), "{count}");
        }
    }
}
