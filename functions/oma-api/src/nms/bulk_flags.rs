//! Changes of many objects by one request: flags added or removed, and deletion (NMS, edition of 2019).

use axum::http::StatusCode;
use domain::message_store::{BoxId, Stored, flag_set};
use oma::{BulkDelete, BulkResponseList, BulkUpdate, Fault, FlagOperation, ObjectReferenceList, SelectionCriteria};

use super::bulk::BulkAnswers;
use super::{changes, flags, objects, search};
use crate::answer::{Answer, FaultResponse};
use crate::context::Context;
use crate::request::OmaRequest;

/// Objects of one request.
const MAX_OBJECTS: usize = 100;

/// Adds flags to objects, or removes them: to up to 100 that are named, or that fit criteria. One that is refused leaves the
/// others.
///
/// If all are refused, the answer has the status of the first (NMS, edition of 2019).
#[utoipa::path(post, path = "/nms/v1/{storeName}/{boxId}/objects/operations/bulkUpdate", tag = "OMA message store",
    security(("keys" = [])), params(("storeName" = String, Path), ("boxId" = String, Path)),
    request_body = BulkUpdate,
    responses((status = 200, body = BulkResponseList),
        (status = 400, body = BulkResponseList, description = "Every object was refused, the first with 400; or SVC0002: %1 names the part that cannot be"),
        (status = 404, body = BulkResponseList, description = "Every object was refused, and the first is not there"),
        (status = 500, body = BulkResponseList, description = "Every object failed, or the whole did (SVC0001)")))]
pub(super) async fn update(context: &Context, asked: &OmaRequest<'_>, in_box: &BoxId) -> Result<Answer, FaultResponse> {
    let given: BulkUpdate = asked.document("bulkUpdate")?.parse()?;
    let named = flags::checked(given.flags.flag)?;
    if named.is_empty() {
        return Err(Fault::invalid_input("flags").into());
    }
    let named_by = selected(context, in_box, given.objects, given.selection_criteria).await?;
    let mut answers = BulkAnswers::default();
    for found in named_by {
        let outcome = async {
            let found = found?;
            if given.operation == FlagOperation::AddFlag {
                flags::checked(found.flags.iter().chain(&named).cloned().collect())?;
            }
            let change = |it: &mut Stored| {
                let before = it.flags.len();
                match given.operation {
                    FlagOperation::AddFlag => {
                        it.flags = flag_set(it.flags.iter().chain(&named).cloned());
                    }
                    FlagOperation::RemoveFlag => {
                        it.flags.retain(|flag| !named.iter().any(|name| name.eq_ignore_ascii_case(flag)));
                    }
                }
                it.flags.len() != before
            };
            let (thing, _) = changes::change(context, in_box, found.id, change).await?;
            objects::reference(context, asked, &thing).await
        };
        answers.push(StatusCode::OK, outcome.await);
    }
    changes::notify(context, in_box).await;
    answers.into_answer()
}

/// Deletes up to 100 objects that are named, or that fit criteria: 204 if none was refused. POST does the same.
///
/// If all are refused, the answer has the status of the first (NMS, edition of 2019).
#[utoipa::path(delete, path = "/nms/v1/{storeName}/{boxId}/objects/operations/bulkDelete", tag = "OMA message store",
    security(("keys" = [])), params(("storeName" = String, Path), ("boxId" = String, Path)),
    request_body = BulkDelete,
    responses((status = 200, body = BulkResponseList), (status = 204),
        (status = 404, body = BulkResponseList, description = "Every object was refused, and the first is not there"),
        (status = 500, body = BulkResponseList, description = "Every object failed, or the whole did (SVC0001)")))]
pub(super) async fn delete(context: &Context, asked: &OmaRequest<'_>, in_box: &BoxId) -> Result<Answer, FaultResponse> {
    let given: BulkDelete = asked.document("bulkDelete")?.parse()?;
    let named_by = selected(context, in_box, given.objects, given.selection_criteria).await?;
    let mut answers = BulkAnswers::default();
    for found in named_by {
        let outcome = async {
            let thing = found?;
            let reference = objects::reference(context, asked, &thing).await?;
            objects::delete_one(context, in_box, thing.id).await?;
            Ok(reference)
        };
        answers.push(StatusCode::NO_CONTENT, outcome.await);
    }
    changes::notify(context, in_box).await;
    if answers.all_succeeded() { Ok(Answer::Empty) } else { answers.into_answer() }
}

/// Deletes up to 100 objects, for clients that send no body with DELETE: 204 if none was refused.
///
/// If all are refused, the answer has the status of the first (NMS, edition of 2019).
#[utoipa::path(post, path = "/nms/v1/{storeName}/{boxId}/objects/operations/bulkDelete", tag = "OMA message store",
    security(("keys" = [])), params(("storeName" = String, Path), ("boxId" = String, Path)),
    request_body = BulkDelete,
    responses((status = 200, body = BulkResponseList), (status = 204),
        (status = 404, body = BulkResponseList, description = "Every object was refused, and the first is not there"),
        (status = 500, body = BulkResponseList, description = "Every object failed, or the whole did (SVC0001)")))]
pub(super) async fn delete_by_post(
    context: &Context,
    asked: &OmaRequest<'_>,
    in_box: &BoxId,
) -> Result<Answer, FaultResponse> {
    delete(context, asked, in_box).await
}

/// The objects that a request names, or that fit its criteria.
async fn selected(
    context: &Context,
    in_box: &BoxId,
    named: ObjectReferenceList,
    criteria: Option<SelectionCriteria>,
) -> Result<Vec<Result<Stored, FaultResponse>>, FaultResponse> {
    let mut all = Vec::new();
    if named.object_reference.len() > MAX_OBJECTS || named.object_reference.is_empty() == criteria.is_none() {
        return Err(Fault::invalid_input("objects").into());
    }
    for reference in &named.object_reference {
        all.push(objects::of_reference(context, in_box, reference).await);
    }
    if let Some(criteria) = criteria {
        let found = search::find(context, in_box, &criteria, search::Kind::Objects).await?;
        all.extend(found.things.into_iter().take(MAX_OBJECTS).map(Ok));
    }
    Ok(all)
}
