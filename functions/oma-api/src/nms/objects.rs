//! Objects: create, read, delete, and their payload (NMS 6.1, 6.2, 6.5).

use axum::http::StatusCode;
use domain::message_store::{BoxId, PayloadInfo, ROOT_FOLDER, Stored, StoredAttribute, StoredState};
use domain::millis;
use entry::clock;
use message_store::{folder_url, object_url, shown_attributes, stored_attributes};
use oma::{BulkResponseList, Document, Fault, FlagList, Object, Object as NmsObject, ObjectList, Reference};

use super::bulk::BulkAnswers;
use super::folders::id_in_url;
use super::multipart::{self, Attachment};
use super::{changes, flags, folders, payload_parts};
use crate::answer::{Answer, FaultResponse};
use crate::body_schema::{ObjectForm, ObjectListForm};
use crate::context::Context;
use crate::request::{OmaRequest, check_texts};

/// The most bytes of a payload: it is kept in a row of the table (DynamoDB: 400 KB).
const MAX_PAYLOAD_BYTES: usize = 350_000;
/// Objects of one bulk creation.
const MAX_OBJECTS: usize = 100;
/// The most bytes of what is said of an object.
const MAX_FIELDS_BYTES: usize = 30_000;

/// Creates an object, with a payload or without.
///
/// What is missing of `parentFolderPath` is created; without a folder it is the root. At most 100 flags of 100 bytes, 30,000
/// bytes of fields, and a payload of 350,000 bytes (NMS 6.1.5).
#[utoipa::path(post, path = "/nms/v1/{storeName}/{boxId}/objects", tag = "OMA message store",
    security(("keys" = [])), params(("storeName" = String, Path), ("boxId" = String, Path)),
    request_body(content((NmsObject = "application/json"), (ObjectForm = "multipart/form-data"))),
    responses((status = 201, body = Reference),
        (status = 400, description = "SVC0002: %1 names the part that cannot be. SVC0004 with `parentFolder`: there is no such folder")))]
pub(super) async fn create(context: &Context, asked: &OmaRequest<'_>, in_box: &BoxId) -> Result<Answer, FaultResponse> {
    let (document, attachments) = multipart::read(asked, "object").await?;
    let mut attachments = attachments.into_iter();
    let payload = attachments.next().flatten();
    if attachments.next().is_some() {
        return Err(Fault::invalid_input("attachments").into()); // several parts are one multipart payload
    }
    let stored = create_one(context, in_box, document.parse()?, payload).await?;
    changes::notify(context, in_box).await;
    let reference = reference(context, asked, &stored).await?;
    let location = Some(reference.resource_url.clone());
    Ok(Answer::Document { status: 201, document: Document::new("reference", &reference)?, location })
}

/// Creates up to 100 objects, each with the attachment at its place: one that is refused leaves the others.
///
/// If all are refused, the answer has the status of the first (NMS 6.6).
#[utoipa::path(post, path = "/nms/v1/{storeName}/{boxId}/objects/operations/bulkCreation", tag = "OMA message store",
    security(("keys" = [])), params(("storeName" = String, Path), ("boxId" = String, Path)),
    request_body(content((ObjectList = "application/json"), (ObjectListForm = "multipart/form-data"))),
    responses((status = 200, body = BulkResponseList),
        (status = 400, body = BulkResponseList, description = "Every object was refused, the first with 400; or the body cannot be read"),
        (status = 413, body = BulkResponseList, description = "Every object was refused, the first with 413; or the body is too large"),
        (status = 500, body = BulkResponseList, description = "Every object failed, or the whole did (SVC0001)")))]
pub(super) async fn create_many(
    context: &Context,
    asked: &OmaRequest<'_>,
    in_box: &BoxId,
) -> Result<Answer, FaultResponse> {
    let (document, attachments) = multipart::read(asked, "objectList").await?;
    let list: ObjectList = document.parse()?;
    if list.object.is_empty() || list.object.len() > MAX_OBJECTS {
        return Err(Fault::invalid_input("object").into());
    }
    if attachments.len() > list.object.len() {
        return Err(Fault::invalid_input("attachments").into());
    }
    let payloads = attachments.into_iter().chain(std::iter::repeat_with(|| None));
    let mut answers = BulkAnswers::default();
    for (object, payload) in list.object.into_iter().zip(payloads) {
        let outcome = async {
            let stored = create_one(context, in_box, object, payload).await?;
            reference(context, asked, &stored).await
        };
        answers.push(StatusCode::CREATED, outcome.await);
    }
    changes::notify(context, in_box).await;
    answers.into_answer()
}

async fn create_one(
    context: &Context,
    in_box: &BoxId,
    given: Object,
    payload: Option<Attachment>,
) -> Result<Stored, FaultResponse> {
    if serde_json::to_string(&given).is_ok_and(|it| it.len() > MAX_FIELDS_BYTES) {
        return Err(Fault::invalid_input("root-fields").with_status(413).into());
    }
    if payload.as_ref().is_some_and(|it| it.bytes.len() > MAX_PAYLOAD_BYTES) {
        return Err(Fault::invalid_input("attachments").with_status(413).into());
    }
    let texts = [("correlationId", &given.correlation_id), ("correlationTag", &given.correlation_tag)];
    check_texts(&texts)?;
    let flags = flags::checked(given.flags.flag)?;
    let (url, path) = (given.parent_folder.as_deref(), given.parent_folder_path.as_deref());
    let parent = folders::parent_of(context, in_box, url, path).await?;
    let id = context.table.next_box_id(in_box).await?;
    let payload = match payload {
        Some(payload) => {
            let parts = payload_parts::read(&payload.content_type, payload.bytes.clone()).await;
            context.table.put_payload(in_box, id, &payload.bytes).await?;
            let parts = parts.into_iter().map(|it| it.0).collect();
            Some(PayloadInfo { content_type: payload.content_type, size: payload.bytes.len() as u64, parts })
        }
        None => None,
    };
    let new = Stored {
        attributes: stored_attributes(given.attributes),
        flags,
        correlation_id: given.correlation_id,
        correlation_tag: given.correlation_tag,
        payload,
        ..Stored::new(in_box, id, parent, millis(clock::now()))
    };
    changes::create(context, &new).await
}

/// Creates an object without a payload, in the root folder.
pub(super) async fn create_bare(
    context: &Context,
    in_box: &BoxId,
    attributes: Vec<StoredAttribute>,
) -> Result<Stored, FaultResponse> {
    if serde_json::to_string(&attributes).is_ok_and(|it| it.len() > MAX_FIELDS_BYTES) {
        return Err(Fault::invalid_input("object").with_status(413).into());
    }
    let id = context.table.next_box_id(in_box).await?;
    let new = Stored { attributes, ..Stored::new(in_box, id, ROOT_FOLDER, millis(clock::now())) };
    changes::create(context, &new).await
}

/// An object (NMS 6.2.3).
#[utoipa::path(get, path = "/nms/v1/{storeName}/{boxId}/objects/{objectId}", tag = "OMA message store",
    security(("keys" = [])),
    params(("storeName" = String, Path), ("boxId" = String, Path), ("objectId" = String, Path)),
    responses((status = 200, body = NmsObject), (status = 404)))]
pub(super) async fn get(
    context: &Context,
    asked: &OmaRequest<'_>,
    in_box: &BoxId,
    id: u64,
) -> Result<Answer, FaultResponse> {
    let thing = changes::object(context, in_box, id).await?;
    Ok(Answer::ok(Document::new("object", &shown(context, asked, &thing).await?)?))
}

/// The payload of an object, in the media type in which it came (NMS 6.5).
#[utoipa::path(get, path = "/nms/v1/{storeName}/{boxId}/objects/{objectId}/payload", tag = "OMA message store",
    security(("keys" = [])),
    params(("storeName" = String, Path), ("boxId" = String, Path), ("objectId" = String, Path)),
    responses((status = 200, body = [u8], content_type = "*/*"),
        (status = 404, description = "SVC0004: there is no such object, or it has no payload")))]
pub(super) async fn payload(context: &Context, in_box: &BoxId, id: u64) -> Result<Answer, FaultResponse> {
    let thing = changes::object(context, in_box, id).await?;
    let bytes = context.table.payload(in_box, id).await?;
    let (info, bytes) = thing.payload.zip(bytes).ok_or_else(Fault::unknown_resource)?;
    Ok(Answer::Payload { content_type: info.content_type, bytes })
}

/// A part of an object's multipart payload, in the media type in which it came; parts are counted from 1 (NMS 6.5).
#[utoipa::path(get, path = "/nms/v1/{storeName}/{boxId}/objects/{objectId}/payloadParts/{partId}", tag = "OMA message store",
    security(("keys" = [])),
    params(("storeName" = String, Path), ("boxId" = String, Path), ("objectId" = String, Path), ("partId" = String, Path)),
    responses((status = 200, body = [u8], content_type = "*/*"),
        (status = 404, description = "SVC0004: there is no such object, or its payload has no such part")))]
pub(super) async fn payload_part(
    context: &Context,
    in_box: &BoxId,
    id: u64,
    number: usize,
) -> Result<Answer, FaultResponse> {
    let thing = changes::object(context, in_box, id).await?;
    let bytes = context.table.payload(in_box, id).await?;
    let (info, bytes) = thing.payload.zip(bytes).ok_or_else(Fault::unknown_resource)?;
    let parts = payload_parts::read(&info.content_type, bytes.into()).await;
    let (part, bytes) = parts.into_iter().nth(number.wrapping_sub(1)).ok_or_else(Fault::unknown_resource)?;
    Ok(Answer::Payload { content_type: part.content_type, bytes: bytes.into() })
}

/// Deletes an object: its tombstone stays, so that replays tell of it (NMS 6.2.6).
#[utoipa::path(delete, path = "/nms/v1/{storeName}/{boxId}/objects/{objectId}", tag = "OMA message store",
    security(("keys" = [])),
    params(("storeName" = String, Path), ("boxId" = String, Path), ("objectId" = String, Path)),
    responses((status = 204), (status = 404)))]
pub(super) async fn delete(context: &Context, in_box: &BoxId, id: u64) -> Result<Answer, FaultResponse> {
    delete_one(context, in_box, id).await?;
    changes::notify(context, in_box).await;
    Ok(Answer::Empty)
}

/// Deletes an object as [`delete`] does. Whoever does tells of it.
pub(super) async fn delete_one(context: &Context, in_box: &BoxId, id: u64) -> Result<(), FaultResponse> {
    changes::object(context, in_box, id).await?;
    let delete = |it: &mut Stored| {
        it.state = StoredState::Deleted;
        true
    };
    changes::change(context, in_box, id, delete).await?;
    Ok(context.table.delete_payload(in_box, id).await?)
}

/// The object that a reference names.
pub(super) async fn of_reference(
    context: &Context,
    in_box: &BoxId,
    reference: &Reference,
) -> Result<Stored, FaultResponse> {
    let url = &reference.resource_url;
    let unknown = || FaultResponse::from(Fault::unknown_address(url.clone()));
    let id = id_in_url(in_box, url, "/objects/o").ok_or_else(unknown)?;
    let found = context.table.stored(in_box, id).await?.filter(|it| it.is_live() && !it.is_folder());
    found.ok_or_else(unknown)
}

/// The reference to an object.
pub(super) async fn reference(
    context: &Context,
    asked: &OmaRequest<'_>,
    thing: &Stored,
) -> Result<Reference, FaultResponse> {
    let resource_url = object_url(&asked.root, &thing.in_box, thing.id);
    Ok(Reference { resource_url, path: Some(path(context, thing).await?) })
}

async fn path(context: &Context, thing: &Stored) -> Result<String, FaultResponse> {
    let folder = folders::path_of(context, &thing.in_box, thing.parent).await?;
    Ok(format!("{}/o{}", folder.trim_end_matches('/'), thing.id))
}

/// The document of an object.
pub(super) async fn shown(context: &Context, asked: &OmaRequest<'_>, thing: &Stored) -> Result<Object, FaultResponse> {
    let (root, in_box) = (&asked.root, &thing.in_box);
    let url = object_url(root, in_box, thing.id);
    Ok(Object {
        parent_folder: Some(folder_url(root, in_box, thing.parent)),
        parent_folder_path: None,
        attributes: shown_attributes(thing),
        flags: FlagList { flag: thing.flags.clone(), resource_url: None },
        path: Some(path(context, thing).await?),
        payload_url: thing.payload.as_ref().map(|_| format!("{url}/payload")),
        payload_part: payload_parts::shown(thing, &url),
        resource_url: Some(url),
        last_mod_seq: Some(thing.changed_seq),
        correlation_id: thing.correlation_id.clone(),
        correlation_tag: thing.correlation_tag.clone(),
    })
}
