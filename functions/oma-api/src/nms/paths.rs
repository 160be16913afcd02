//! The lookup of objects and folders by their paths (NMS 6.8, 6.13).

use axum::http::StatusCode;
use domain::message_store::BoxId;
use message_store::{folder_url, object_url};
use oma::{BulkResponseList, Document, Fault, PathList, Reference};

use super::bulk::BulkAnswers;
use super::folders;
use crate::answer::{Answer, FaultResponse};
use crate::context::Context;
use crate::request::OmaRequest;

/// Paths of one request.
const MAX_PATHS: usize = 100;

/// The object at a path (NMS 6.8.3).
#[utoipa::path(get, path = "/nms/v1/{storeName}/{boxId}/objects/operations/pathToId", tag = "OMA message store",
    security(("keys" = [])), params(("storeName" = String, Path), ("boxId" = String, Path), ("path" = String, Query)),
    responses((status = 200, body = Reference),
        (status = 400, description = "SVC1009: the path is missing"),
        (status = 404, description = "SVC0004: nothing is at the path")))]
pub(super) async fn find_object(
    context: &Context,
    asked: &OmaRequest<'_>,
    in_box: &BoxId,
) -> Result<Answer, FaultResponse> {
    find(context, asked, in_box, false).await
}

/// The objects at up to 100 paths, in their order (NMS 6.8.5).
#[utoipa::path(post, path = "/nms/v1/{storeName}/{boxId}/objects/operations/pathToId", tag = "OMA message store",
    security(("keys" = [])), params(("storeName" = String, Path), ("boxId" = String, Path)),
    request_body = PathList,
    responses((status = 200, body = BulkResponseList),
        (status = 404, body = BulkResponseList, description = "Nothing is at any of the paths")))]
pub(super) async fn find_objects(
    context: &Context,
    asked: &OmaRequest<'_>,
    in_box: &BoxId,
) -> Result<Answer, FaultResponse> {
    find_all(context, asked, in_box, false).await
}

/// The folder at a path (NMS 6.13.3).
#[utoipa::path(get, path = "/nms/v1/{storeName}/{boxId}/folders/operations/pathToId", tag = "OMA message store",
    security(("keys" = [])), params(("storeName" = String, Path), ("boxId" = String, Path), ("path" = String, Query)),
    responses((status = 200, body = Reference),
        (status = 400, description = "SVC1009: the path is missing"),
        (status = 404, description = "SVC0004: nothing is at the path")))]
pub(super) async fn find_folder(
    context: &Context,
    asked: &OmaRequest<'_>,
    in_box: &BoxId,
) -> Result<Answer, FaultResponse> {
    find(context, asked, in_box, true).await
}

/// The folders at up to 100 paths, in their order (NMS 6.13.5).
#[utoipa::path(post, path = "/nms/v1/{storeName}/{boxId}/folders/operations/pathToId", tag = "OMA message store",
    security(("keys" = [])), params(("storeName" = String, Path), ("boxId" = String, Path)),
    request_body = PathList,
    responses((status = 200, body = BulkResponseList),
        (status = 404, body = BulkResponseList, description = "Nothing is at any of the paths")))]
pub(super) async fn find_folders(
    context: &Context,
    asked: &OmaRequest<'_>,
    in_box: &BoxId,
) -> Result<Answer, FaultResponse> {
    find_all(context, asked, in_box, true).await
}

/// The reference of the path in the query.
async fn find(
    context: &Context,
    asked: &OmaRequest<'_>,
    in_box: &BoxId,
    folders: bool,
) -> Result<Answer, FaultResponse> {
    let path = query_path(asked).ok_or_else(Fault::missing_folder_path)?;
    let found = reference(context, asked, in_box, &path, folders).await?;
    let found = found.ok_or_else(|| Fault::unknown_address(path))?;
    Ok(Answer::ok(Document::new("reference", &found)?))
}

/// The references of the paths in the body.
async fn find_all(
    context: &Context,
    asked: &OmaRequest<'_>,
    in_box: &BoxId,
    folders: bool,
) -> Result<Answer, FaultResponse> {
    let list: PathList = asked.document("pathList")?.parse()?;
    if list.path.is_empty() || list.path.len() > MAX_PATHS {
        return Err(Fault::invalid_input("path").into());
    }
    let mut answers = BulkAnswers::default();
    for path in list.path {
        let found = reference(context, asked, in_box, &path, folders).await?;
        answers.push(StatusCode::OK, found.ok_or_else(|| Fault::unknown("path", path).into()));
    }
    answers.into_answer()
}

async fn reference(
    context: &Context,
    asked: &OmaRequest<'_>,
    in_box: &BoxId,
    path: &str,
    folders: bool,
) -> Result<Option<Reference>, FaultResponse> {
    let found = folders::at_path(context, in_box, path).await?.filter(|it| it.1 == folders);
    let url = if folders { folder_url } else { object_url };
    Ok(found.map(|(id, _)| Reference { resource_url: url(&asked.root, in_box, id), path: Some(path.to_owned()) }))
}

/// The parameter `path` of the query.
fn query_path(asked: &OmaRequest<'_>) -> Option<String> {
    let query = asked.parts.uri.query().unwrap_or_default();
    let value = query.split('&').find_map(|it| it.strip_prefix("path="))?;
    percent_encoding::percent_decode_str(value).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}
