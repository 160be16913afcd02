//! The lookup of objects and folders by their paths (NMS 6.8, 6.13).

use axum::http::{Method, StatusCode};
use domain::message_store::BoxId;
use message_store::{folder_url, object_url};
use oma::{Document, Fault, PathList, Reference};

use super::bulk::BulkAnswers;
use super::folders;
use crate::answer::{Answer, FaultResponse};
use crate::context::Context;
use crate::request::OmaRequest;

/// Paths of one request.
const MAX_PATHS: usize = 100;

/// The references of paths: one in the query, or several in the body.
pub(super) async fn look_up(
    context: &Context,
    asked: &OmaRequest<'_>,
    in_box: &BoxId,
    folders: bool,
) -> Result<Answer, FaultResponse> {
    if asked.parts.method == Method::GET {
        let path = query_path(asked).ok_or_else(Fault::missing_folder_path)?;
        let found = reference(context, asked, in_box, &path, folders).await?;
        let found = found.ok_or_else(|| Fault::unknown_address(path))?;
        return Ok(Answer::ok(Document::new("reference", &found)?));
    }
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
