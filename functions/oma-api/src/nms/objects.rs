//! Objects: create, read, delete, and their payload (NMS 6.1, 6.2, 6.5).

use axum::http::StatusCode;
use domain::message_store::{BoxId, PayloadInfo, Stored, StoredState};
use domain::millis;
use entry::clock;
use message_store::{folder_url, object_url, shown_attributes, stored_attributes};
use oma::{BulkResponse, BulkResponseList, Document, Fault, FlagList, Object, ObjectList, Reference};

use super::changes;
use super::multipart::{self, Attachment};
use super::{flags, folders};
use crate::answer::{Answer, FaultResponse};
use crate::context::Context;
use crate::request::{OmaRequest, check_texts};

/// The most bytes of a payload: it is kept in a row of the table (DynamoDB: 400 KB).
const MAX_PAYLOAD_BYTES: usize = 350_000;
/// Objects of one bulk creation.
const MAX_OBJECTS: usize = 100;
/// The most bytes of what is said of an object.
const MAX_FIELDS_BYTES: usize = 30_000;

/// Creates an object.
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

/// Creates objects, each with the attachment at its place: one that is refused leaves the others (NMS 6.6).
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
    let (mut answers, mut worst) = (BulkResponseList::default(), None);
    for (object, payload) in list.object.into_iter().zip(payloads) {
        answers.response.push(match create_one(context, in_box, object, payload).await {
            Ok(stored) => {
                let success = Some(reference(context, asked, &stored).await?);
                BulkResponse { code: 201, reason: "Created".to_owned(), success, failure: None }
            }
            Err(refused) => {
                let code = refused.fault.status;
                worst = worst.or(Some(code));
                let reason = StatusCode::from_u16(code).ok().and_then(|it| it.canonical_reason()).unwrap_or_default();
                let failure = Some(refused.fault.request_error());
                BulkResponse { code, reason: reason.to_owned(), success: None, failure }
            }
        });
    }
    changes::notify(context, in_box).await;
    let status = if answers.response.iter().any(|it| it.success.is_some()) { 200 } else { worst.unwrap_or(200) };
    Ok(Answer::Document { status, document: Document::new("bulkResponseList", &answers)?, location: None })
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
    if let Some(payload) = &payload {
        context.table.put_payload(in_box, id, &payload.bytes).await?;
    }
    let new = Stored {
        attributes: stored_attributes(given.attributes),
        flags,
        correlation_id: given.correlation_id,
        correlation_tag: given.correlation_tag,
        payload: payload.map(|it| PayloadInfo { content_type: it.content_type, size: it.bytes.len() as u64 }),
        ..Stored::new(in_box, id, parent, millis(clock::now()))
    };
    changes::create(context, &new).await
}

/// An object.
pub(super) async fn get(
    context: &Context,
    asked: &OmaRequest<'_>,
    in_box: &BoxId,
    id: u64,
) -> Result<Answer, FaultResponse> {
    let thing = changes::object(context, in_box, id).await?;
    Ok(Answer::ok(Document::new("object", &shown(context, asked, &thing).await?)?))
}

/// The payload of an object, as it came.
pub(super) async fn payload(context: &Context, in_box: &BoxId, id: u64) -> Result<Answer, FaultResponse> {
    let thing = changes::object(context, in_box, id).await?;
    let bytes = context.table.payload(in_box, id).await?;
    let (info, bytes) = thing.payload.zip(bytes).ok_or_else(Fault::unknown_resource)?;
    Ok(Answer::Payload { content_type: info.content_type, bytes })
}

/// Deletes an object: its tombstone stays, so that replays tell of it.
pub(super) async fn delete(context: &Context, in_box: &BoxId, id: u64) -> Result<Answer, FaultResponse> {
    changes::object(context, in_box, id).await?;
    let delete = |it: &mut Stored| {
        it.state = StoredState::Deleted;
        true
    };
    changes::change_and_notify(context, in_box, id, delete).await?;
    context.table.delete_payload(in_box, id).await?;
    Ok(Answer::Empty)
}

/// The reference to an object.
async fn reference(context: &Context, asked: &OmaRequest<'_>, thing: &Stored) -> Result<Reference, FaultResponse> {
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
        payload_part: Vec::new(),
        resource_url: Some(url),
        last_mod_seq: Some(thing.changed_seq),
        correlation_id: thing.correlation_id.clone(),
        correlation_tag: thing.correlation_tag.clone(),
    })
}
