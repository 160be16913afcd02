//! The message store (NMS V1.0): boxes, their objects, folders and subscriptions.

mod bulk;
mod bulk_flags;
mod changes;
mod flags;
mod folder_view;
mod folders;
mod multipart;
mod objects;
mod paths;
mod payload_parts;
mod reset;
mod search;
mod subscriptions;
mod transfer;

use axum::http::Method;
use domain::message_store::{BoxId, Stored, StoredAttribute};
use domain::notification::is_valid_name;
use oma::Fault;

use crate::answer::{Answer, FaultResponse};
use crate::context::Context;
use crate::request::{OmaRequest, caller};
use crate::route::{BoxResource, NmsRoute};

/// The routes of boxes.
#[derive(utoipa::OpenApi)]
#[openapi(paths(
    reset::reset,
    objects::create,
    search::search,
    objects::create_many,
    bulk_flags::update,
    bulk_flags::delete,
    bulk_flags::delete_by_post,
    paths::find_object,
    paths::find_objects,
    objects::get,
    objects::delete,
    objects::payload,
    objects::payload_part,
    flags::list,
    flags::replace,
    flags::get,
    flags::set,
    flags::clear,
    folders::create,
    search::search_folders,
    transfer::copy,
    transfer::move_all,
    paths::find_folder,
    paths::find_folders,
    folders::get,
    folders::delete,
    folders::name,
    folders::rename,
    subscriptions::create,
    subscriptions::list,
    subscriptions::get,
    subscriptions::update,
    subscriptions::delete
))]
pub(crate) struct Description;

/// Answers a request to a resource of a box.
pub(crate) async fn answer(
    context: &Context,
    asked: &OmaRequest<'_>,
    route: NmsRoute,
) -> Result<Answer, FaultResponse> {
    let (app, name) = caller(context, &asked.parts.headers, &route.name).await?;
    if !is_valid_name(&route.store) {
        return Err(Fault::invalid_input("Request-URI").into());
    }
    let in_box = &BoxId { app, store: route.store, name };
    let method = &asked.parts.method;
    match route.resource {
        BoxResource::Box => reset::reset(context, in_box).await,
        BoxResource::Objects => objects::create(context, asked, in_box).await,
        BoxResource::Search => search::search(context, asked, in_box).await,
        BoxResource::BulkCreation => objects::create_many(context, asked, in_box).await,
        BoxResource::BulkUpdate => bulk_flags::update(context, asked, in_box).await,
        BoxResource::BulkDelete => match *method {
            Method::POST => bulk_flags::delete_by_post(context, asked, in_box).await,
            _ => bulk_flags::delete(context, asked, in_box).await,
        },
        BoxResource::FolderSearch => search::search_folders(context, asked, in_box).await,
        BoxResource::CopyToFolder => transfer::copy(context, asked, in_box).await,
        BoxResource::MoveToFolder => transfer::move_all(context, asked, in_box).await,
        BoxResource::ObjectPaths => match *method {
            Method::POST => paths::find_objects(context, asked, in_box).await,
            _ => paths::find_object(context, asked, in_box).await,
        },
        BoxResource::FolderPaths => match *method {
            Method::POST => paths::find_folders(context, asked, in_box).await,
            _ => paths::find_folder(context, asked, in_box).await,
        },
        BoxResource::Object(id) => match *method {
            Method::DELETE => objects::delete(context, in_box, id).await,
            _ => objects::get(context, asked, in_box, id).await,
        },
        BoxResource::Payload(id) => objects::payload(context, in_box, id).await,
        BoxResource::PayloadPart(id, number) => objects::payload_part(context, in_box, id, number).await,
        BoxResource::Flags(id) => match *method {
            Method::PUT => flags::replace(context, asked, in_box, id).await,
            _ => flags::list(context, asked, in_box, id).await,
        },
        BoxResource::Flag(id, flag) => match *method {
            Method::PUT => flags::set(context, asked, in_box, id, &flag).await,
            Method::DELETE => flags::clear(context, in_box, id, &flag).await,
            _ => flags::get(context, in_box, id, &flag).await,
        },
        BoxResource::Folders => folders::create(context, asked, in_box).await,
        BoxResource::Folder(id) => match *method {
            Method::DELETE => folders::delete(context, in_box, id).await,
            _ => folders::get(context, asked, in_box, id).await,
        },
        BoxResource::FolderName(id) => match *method {
            Method::PUT => folders::rename(context, asked, in_box, id).await,
            _ => folders::name(context, in_box, id).await,
        },
        BoxResource::Subscriptions => match *method {
            Method::POST => subscriptions::create(context, asked, in_box).await,
            _ => subscriptions::list(context, asked, in_box).await,
        },
        BoxResource::Subscription(id) => match *method {
            Method::POST => subscriptions::update(context, asked, in_box, id).await,
            Method::DELETE => subscriptions::delete(context, asked, in_box, id).await,
            _ => subscriptions::get(context, asked, in_box, id).await,
        },
    }
}

/// Stores the attributes of a thing that another store tells of, as an object of a box, and tells the box's subscriptions.
pub(crate) async fn store_dump(
    context: &Context,
    in_box: &BoxId,
    attributes: Vec<StoredAttribute>,
) -> Result<Stored, FaultResponse> {
    let stored = objects::create_bare(context, in_box, attributes).await?;
    changes::notify(context, in_box).await;
    Ok(stored)
}

pub(crate) use self::subscriptions::replay;
