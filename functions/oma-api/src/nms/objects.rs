//! Objects: create, read, delete, and their payload (NMS 6.1, 6.2, 6.5).

use domain::message_store::{BoxId, PayloadInfo, Stored, StoredAttribute, StoredState, flag_set};
use domain::millis;
use entry::clock;
use message_store::{folder_url, object_url, shown_attributes};
use oma::{Document, Fault, FlagList, Object, Reference};

use super::changes;
use super::folders;
use super::multipart;
use crate::answer::{Answer, FaultResponse};
use crate::context::Context;
use crate::request::OmaRequest;

/// The most bytes of a payload: it is kept in a row of the table (DynamoDB: 400 KB).
const MAX_PAYLOAD_BYTES: usize = 350_000;
/// The most bytes of what is said of an object.
const MAX_FIELDS_BYTES: usize = 30_000;

/// Creates an object.
pub(super) async fn create(context: &Context, asked: &OmaRequest<'_>, in_box: &BoxId) -> Result<Answer, FaultResponse> {
    let (document, attachments) = multipart::read(asked, "object").await?;
    if document.value.to_string().len() > MAX_FIELDS_BYTES {
        return Err(Fault::invalid_input("root-fields").with_status(413).into());
    }
    let given: Object = document.parse()?;
    let mut attachments = attachments.into_iter();
    let payload = attachments.next();
    if attachments.next().is_some() {
        return Err(Fault::invalid_input("attachments").into()); // several parts are one multipart payload
    }
    if payload.as_ref().is_some_and(|it| it.bytes.len() > MAX_PAYLOAD_BYTES) {
        return Err(Fault::invalid_input("attachments").with_status(413).into());
    }
    let parent = match (&given.parent_folder, &given.parent_folder_path) {
        (Some(url), _) => folders::id_of_url(context, in_box, url).await?,
        (None, Some(path)) => folders::id_of_path(context, in_box, path).await?,
        (None, None) => domain::message_store::ROOT_FOLDER,
    };
    let id = context.table.next_box_id(in_box).await?;
    if let Some(payload) = &payload {
        context.table.put_payload(in_box, id, &payload.bytes).await?;
    }
    let attributes = given.attributes.attribute.into_iter();
    let new = Stored {
        in_box: in_box.clone(),
        id,
        folder_name: None,
        parent,
        attributes: attributes.map(|it| StoredAttribute { name: it.name, values: it.value }).collect(),
        flags: flag_set(given.flags.flag),
        correlation_id: given.correlation_id,
        correlation_tag: given.correlation_tag,
        payload: payload.map(|it| PayloadInfo { content_type: it.content_type, size: it.bytes.len() as u64 }),
        state: StoredState::Live,
        created_at: millis(clock::now()),
        created_seq: 0,
        changed_seq: 0,
        revision: 1,
    };
    let stored = changes::create(context, &new).await?;
    let reference = reference(context, asked, &stored).await?;
    let location = Some(reference.resource_url.clone());
    Ok(Answer::Document { status: 201, document: Document::new("reference", &reference)?, location })
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
    changes::change(context, in_box, id, delete).await?;
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
