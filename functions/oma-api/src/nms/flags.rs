//! The flags of an object (NMS 6.3, 6.4).

use domain::message_store::{BoxId, flag_set, same_flags};
use message_store::object_url;
use oma::{Document, Fault, FlagList, encoded};
use serde_json::Value;

use super::changes;
use crate::answer::{Answer, FaultResponse};
use crate::body_schema::Empty;
use crate::context::Context;
use crate::request::OmaRequest;

/// The most flags of an object, and the most bytes of one: an event tells all of them, and a list has to carry it.
const MAX_FLAGS: usize = 100;
const MAX_FLAG_BYTES: usize = 100;

/// Flags as a set.
pub(super) fn checked(flags: Vec<String>) -> Result<Vec<String>, FaultResponse> {
    let set = flag_set(flags);
    if set.len() > MAX_FLAGS || set.iter().any(|it| it.len() > MAX_FLAG_BYTES) {
        return Err(Fault::invalid_input("flag").into());
    }
    Ok(set)
}

/// All flags of an object (NMS 6.3.3).
#[utoipa::path(get, path = "/nms/v1/{storeName}/{boxId}/objects/{objectId}/flags", tag = "OMA message store",
    security(("keys" = [])),
    params(("storeName" = String, Path), ("boxId" = String, Path), ("objectId" = String, Path)),
    responses((status = 200, body = FlagList), (status = 404)))]
pub(super) async fn list(
    context: &Context,
    asked: &OmaRequest<'_>,
    in_box: &BoxId,
    id: u64,
) -> Result<Answer, FaultResponse> {
    let thing = changes::object(context, in_box, id).await?;
    shown(asked, in_box, id, thing.flags)
}

/// Replaces all flags. The same ones change nothing, and tell nobody (NMS 6.3.4).
#[utoipa::path(put, path = "/nms/v1/{storeName}/{boxId}/objects/{objectId}/flags", tag = "OMA message store",
    security(("keys" = [])),
    params(("storeName" = String, Path), ("boxId" = String, Path), ("objectId" = String, Path)),
    request_body = FlagList,
    responses((status = 200, body = FlagList), (status = 404)))]
pub(super) async fn replace(
    context: &Context,
    asked: &OmaRequest<'_>,
    in_box: &BoxId,
    id: u64,
) -> Result<Answer, FaultResponse> {
    changes::object(context, in_box, id).await?;
    let wanted: FlagList = asked.document("flagList")?.parse()?;
    let wanted = checked(wanted.flag)?;
    let (thing, _) = changes::change_and_notify(context, in_box, id, |object| {
        let differs = !same_flags(&object.flags, &wanted);
        object.flags = wanted.clone();
        differs
    })
    .await?;
    shown(asked, in_box, id, thing.flags)
}

/// Whether a flag is set: 204, or 404 with `empty`, which is no fault (NMS 6.4.3).
#[utoipa::path(get, path = "/nms/v1/{storeName}/{boxId}/objects/{objectId}/flags/{flagName}", tag = "OMA message store",
    security(("keys" = [])),
    params(("storeName" = String, Path), ("boxId" = String, Path), ("objectId" = String, Path), ("flagName" = String, Path)),
    responses((status = 204),
        (status = 404, body = Empty, description = "The flag is not set (`empty`), or there is no such object (SVC0004)")))]
pub(super) async fn get(context: &Context, in_box: &BoxId, id: u64, flag: &str) -> Result<Answer, FaultResponse> {
    let thing = changes::object(context, in_box, id).await?;
    if thing.has_flag(flag) { Ok(Answer::Empty) } else { empty(404, None) }
}

/// Sets a flag: 201 if it was not set, or else 204. The body, `empty`, may be left out (NMS 6.4.4).
#[utoipa::path(put, path = "/nms/v1/{storeName}/{boxId}/objects/{objectId}/flags/{flagName}", tag = "OMA message store",
    security(("keys" = [])),
    params(("storeName" = String, Path), ("boxId" = String, Path), ("objectId" = String, Path), ("flagName" = String, Path)),
    responses((status = 201, body = Empty), (status = 204), (status = 404)))]
pub(super) async fn set(
    context: &Context,
    asked: &OmaRequest<'_>,
    in_box: &BoxId,
    id: u64,
    flag: &str,
) -> Result<Answer, FaultResponse> {
    let thing = changes::object(context, in_box, id).await?;
    checked(thing.flags.into_iter().chain([flag.to_owned()]).collect())?;
    let (_, changed) = changes::change_and_notify(context, in_box, id, |object| {
        let is_new = !object.has_flag(flag);
        if is_new {
            object.flags.push(flag.to_owned());
        }
        is_new
    })
    .await?;
    let url = format!("{}/flags/{}", object_url(&asked.root, in_box, id), encoded(flag));
    if changed { empty(201, Some(url)) } else { Ok(Answer::Empty) }
}

/// Clears a flag: 204, or 404 with `empty` if it was not set (NMS 6.4.6).
#[utoipa::path(delete, path = "/nms/v1/{storeName}/{boxId}/objects/{objectId}/flags/{flagName}", tag = "OMA message store",
    security(("keys" = [])),
    params(("storeName" = String, Path), ("boxId" = String, Path), ("objectId" = String, Path), ("flagName" = String, Path)),
    responses((status = 204),
        (status = 404, body = Empty, description = "The flag was not set (`empty`), or there is no such object (SVC0004)")))]
pub(super) async fn clear(context: &Context, in_box: &BoxId, id: u64, flag: &str) -> Result<Answer, FaultResponse> {
    changes::object(context, in_box, id).await?;
    let (_, changed) = changes::change_and_notify(context, in_box, id, |object| {
        let before = object.flags.len();
        object.flags.retain(|own| !own.eq_ignore_ascii_case(flag));
        object.flags.len() < before
    })
    .await?;
    if changed { Ok(Answer::Empty) } else { empty(404, None) }
}

fn empty(status: u16, location: Option<String>) -> Result<Answer, FaultResponse> {
    Ok(Answer::Document { status, document: Document::from_value("empty", Value::Null)?, location })
}

fn shown(asked: &OmaRequest<'_>, in_box: &BoxId, id: u64, flag: Vec<String>) -> Result<Answer, FaultResponse> {
    let url = format!("{}/flags", object_url(&asked.root, in_box, id));
    Ok(Answer::ok(Document::new("flagList", &FlagList { flag, resource_url: Some(url) })?))
}
