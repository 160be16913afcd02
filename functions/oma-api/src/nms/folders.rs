//! Folders: create, read, rename, delete, and the paths that they make (NMS 6.9 to 6.11).

use std::collections::HashMap;

use domain::cursor;
use domain::message_store::{BoxId, ROOT_FOLDER, Stored, StoredAttribute, StoredState};
use domain::millis;
use entry::clock;
use message_store::{box_url, folder_url, object_url, shown_attributes, stored_attributes};
use oma::{Attribute, Document, Fault, Folder, FolderReferenceList, ObjectReferenceList, Reference};
use serde_json::Value;

use super::changes;
use super::folder_view::{FolderView, Listed};
use crate::answer::{Answer, FaultResponse};
use crate::body_schema::Name;
use crate::context::Context;
use crate::request::OmaRequest;

/// Folders inside each other.
pub(super) const MAX_DEPTH: usize = 32;

/// Creates a folder. What is missing of `parentFolderPath` is created with it, up to 32 folders inside each other (NMS 6.9.5).
#[utoipa::path(post, path = "/nms/v1/{storeName}/{boxId}/folders", tag = "OMA message store",
    security(("keys" = [])), params(("storeName" = String, Path), ("boxId" = String, Path)),
    request_body = Folder,
    responses((status = 201, body = Reference),
        (status = 400, description = "SVC0002: %1 names the part that cannot be. SVC0004 with `parentFolder`: there is no such folder"),
        (status = 409, description = "SVC0002 with `name`: there is a folder of that name")))]
pub(super) async fn create(context: &Context, asked: &OmaRequest<'_>, in_box: &BoxId) -> Result<Answer, FaultResponse> {
    let given: Folder = asked.document("folder")?.parse()?;
    let parent =
        parent_of(context, in_box, given.parent_folder.as_deref(), given.parent_folder_path.as_deref()).await?;
    let name = given.name.filter(|it| is_name(it)).ok_or_else(|| Fault::invalid_input("name"))?;
    if context.table.folder_named(in_box, parent, &name).await?.is_some() {
        return Err(changes::name_taken());
    }
    let id = child(context, in_box, parent, &name, stored_attributes(given.attributes)).await?;
    changes::notify(context, in_box).await;
    let reference = reference(context, asked, in_box, id).await?;
    let location = Some(reference.resource_url.clone());
    Ok(Answer::Document { status: 201, document: Document::new("reference", &reference)?, location })
}

/// A folder with what is in it, page by page: the folders first. `f0` is the root (NMS 6.10.3).
#[utoipa::path(get, path = "/nms/v1/{storeName}/{boxId}/folders/{folderId}", tag = "OMA message store",
    security(("keys" = [])),
    params(("storeName" = String, Path), ("boxId" = String, Path), ("folderId" = String, Path),
        ("fromCursor" = Option<String>, Query), ("maxEntries" = Option<u64>, Query), ("listFilter" = Option<String>, Query),
        ("path" = Option<String>, Query), ("attrFilter" = Option<Vec<String>>, Query)),
    responses((status = 200, body = Folder), (status = 404)))]
pub(super) async fn get(
    context: &Context,
    asked: &OmaRequest<'_>,
    in_box: &BoxId,
    id: u64,
) -> Result<Answer, FaultResponse> {
    let view = FolderView::new(asked.parts.uri.query().unwrap_or_default())?;
    let folder = find(context, in_box, id).await?;
    let path = path_of(context, in_box, id).await?;
    let mut inside: Vec<Stored> = context.table.all_stored(in_box).await?;
    inside.retain(|it| it.is_live() && it.parent == id && view.list.contains(it));
    inside.sort_by_key(|it| (!it.is_folder(), it.id));
    let end = inside.len().min(view.start.saturating_add(view.most));
    let cursor = (end < inside.len()).then(|| cursor::encode(&end));
    let (mut folders, mut objects) = (Vec::new(), Vec::new());
    for thing in inside.get(view.start..end).unwrap_or_default() {
        let url = if thing.is_folder() { folder_url } else { object_url }(&asked.root, in_box, thing.id);
        let name = thing.folder_name.clone().unwrap_or_else(|| format!("o{}", thing.id));
        let path = view.paths.then(|| format!("{}/{name}", path.trim_end_matches('/')));
        let list = if thing.is_folder() { &mut folders } else { &mut objects };
        list.push(Reference { resource_url: url, path });
    }
    let shown = Folder {
        cursor,
        sub_folders: (view.list != Listed::Objects).then_some(FolderReferenceList { folder_reference: folders }),
        objects: (view.list != Listed::Subfolders).then_some(ObjectReferenceList { object_reference: objects }),
        ..shown(asked, in_box, folder.as_ref(), path, &view.attributes)
    };
    Ok(Answer::ok(Document::new("folder", &shown)?))
}

/// A folder without what is in it; `None` is the root.
pub(super) fn shown(
    asked: &OmaRequest<'_>,
    in_box: &BoxId,
    folder: Option<&Stored>,
    path: String,
    wanted: &[String],
) -> Folder {
    let root = || vec![Attribute { name: "Root".to_owned(), value: vec!["Yes".to_owned()] }];
    let mut attributes = folder.map_or_else(|| oma::AttributeList { attribute: root() }, shown_attributes);
    attributes
        .attribute
        .retain(|it| wanted.is_empty() || wanted.iter().any(|name| name.eq_ignore_ascii_case(&it.name)));
    Folder {
        parent_folder: folder.map(|it| folder_url(&asked.root, in_box, it.parent)),
        attributes,
        resource_url: Some(folder_url(&asked.root, in_box, folder.map_or(ROOT_FOLDER, |it| it.id))),
        path: Some(path),
        name: Some(folder.and_then(|it| it.folder_name.clone()).unwrap_or_default()),
        last_mod_seq: folder.map(|it| it.changed_seq),
        ..Folder::default()
    }
}

/// The reference to a folder.
pub(super) async fn reference(
    context: &Context,
    asked: &OmaRequest<'_>,
    in_box: &BoxId,
    id: u64,
) -> Result<Reference, FaultResponse> {
    let path = Some(path_of(context, in_box, id).await?);
    Ok(Reference { path, resource_url: folder_url(&asked.root, in_box, id) })
}

/// The name of a folder (NMS 6.11.3).
#[utoipa::path(get, path = "/nms/v1/{storeName}/{boxId}/folders/{folderId}/folderName", tag = "OMA message store",
    security(("keys" = [])),
    params(("storeName" = String, Path), ("boxId" = String, Path), ("folderId" = String, Path)),
    responses((status = 200, body = Name), (status = 404)))]
pub(super) async fn name(context: &Context, in_box: &BoxId, id: u64) -> Result<Answer, FaultResponse> {
    let folder = find(context, in_box, id).await?;
    answer_name(folder.and_then(|it| it.folder_name).unwrap_or_default())
}

/// Gives a folder another name, of 1 to 255 bytes without a slash. That changes nothing of what is in it (NMS 6.11.4).
#[utoipa::path(put, path = "/nms/v1/{storeName}/{boxId}/folders/{folderId}/folderName", tag = "OMA message store",
    security(("keys" = [])),
    params(("storeName" = String, Path), ("boxId" = String, Path), ("folderId" = String, Path)),
    request_body = Name,
    responses((status = 200, body = Name),
        (status = 403, description = "POL1030: the root keeps its name. POL0001: the credentials are good, but not for this"),
        (status = 404),
        (status = 409, description = "SVC0002 with `name`: there is a folder of that name")))]
pub(super) async fn rename(
    context: &Context,
    asked: &OmaRequest<'_>,
    in_box: &BoxId,
    id: u64,
) -> Result<Answer, FaultResponse> {
    if find(context, in_box, id).await?.is_none() {
        return Err(Fault::folder_not_renamable().into());
    }
    let wanted = asked.document("name")?.value.as_str().unwrap_or_default().to_owned();
    if !is_name(&wanted) {
        return Err(Fault::invalid_input("name").into());
    }
    changes::change_and_notify(context, in_box, id, |folder| {
        let before = folder.folder_name.replace(wanted.clone());
        before.as_ref() != Some(&wanted)
    })
    .await?;
    answer_name(wanted)
}

/// Deletes a folder and all that is in it, from the inside out (NMS 6.10.6).
#[utoipa::path(delete, path = "/nms/v1/{storeName}/{boxId}/folders/{folderId}", tag = "OMA message store",
    security(("keys" = [])),
    params(("storeName" = String, Path), ("boxId" = String, Path), ("folderId" = String, Path)),
    responses((status = 204),
        (status = 403, description = "POL0001: the root folder stays, or the credentials are good, but not for this"),
        (status = 404)))]
pub(super) async fn delete(context: &Context, in_box: &BoxId, id: u64) -> Result<Answer, FaultResponse> {
    if find(context, in_box, id).await?.is_none() {
        return Err(Fault::policy_error("the root folder stays").into());
    }
    let all = context.table.all_stored(in_box).await?;
    let doomed: Vec<u64> = std::iter::once(id).chain(inside(&all, id).iter().map(|it| it.id)).collect();
    for id in doomed.iter().rev() {
        let delete = |it: &mut Stored| {
            it.state = StoredState::Deleted;
            true
        };
        match changes::change(context, in_box, *id, delete).await {
            Ok((gone, _)) if gone.is_folder() => {}
            Ok(_) => context.table.delete_payload(in_box, *id).await?,
            Err(missing) if missing.fault.status == 404 => {} // another request was faster
            Err(other) => return Err(other),
        }
    }
    changes::notify(context, in_box).await;
    Ok(Answer::Empty)
}

/// What is in a folder, and in the folders in it, from the outside in. Each is there once, even if two moves at the same time
/// have put two folders into each other.
pub(super) fn inside(all: &[Stored], folder: u64) -> Vec<&Stored> {
    let mut by_parent: HashMap<u64, Vec<&Stored>> = HashMap::new();
    for thing in all.iter().filter(|it| it.is_live() && it.id != folder) {
        by_parent.entry(thing.parent).or_default().push(thing);
    }
    let (mut found, mut next) = (by_parent.remove(&folder).unwrap_or_default(), 0);
    while let Some(id) = found.get(next).map(|it| it.id) {
        found.extend(by_parent.remove(&id).unwrap_or_default());
        next += 1;
    }
    found
}

fn answer_name(name: String) -> Result<Answer, FaultResponse> {
    Ok(Answer::ok(Document::from_value("name", Value::String(name))?))
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 255 && !name.contains('/')
}

/// A folder; `None` for the root, which has no row.
pub(super) async fn find(context: &Context, in_box: &BoxId, id: u64) -> Result<Option<Stored>, FaultResponse> {
    if id == ROOT_FOLDER {
        return Ok(None);
    }
    let found = context.table.stored(in_box, id).await?.filter(|it| it.is_live() && it.is_folder());
    Ok(Some(found.ok_or_else(Fault::unknown_resource)?))
}

/// The folder that a body names, by its URL or by its path; else the root.
pub(super) async fn parent_of(
    context: &Context,
    in_box: &BoxId,
    url: Option<&str>,
    path: Option<&str>,
) -> Result<u64, FaultResponse> {
    match (url, path) {
        (Some(url), _) => id_of_url(context, in_box, url).await,
        (None, Some(path)) => id_of_path(context, in_box, path).await,
        (None, None) => Ok(ROOT_FOLDER),
    }
}

/// The id of the folder that a URL of a body names.
async fn id_of_url(context: &Context, in_box: &BoxId, url: &str) -> Result<u64, FaultResponse> {
    let unknown = || FaultResponse::from(Fault::invalid_address("parentFolder"));
    let id = id_in_url(in_box, url, "/folders/f").ok_or_else(unknown)?;
    match find(context, in_box, id).await {
        Err(missing) if missing.fault.status == 404 => Err(unknown()),
        found => found.map(|_| id),
    }
}

/// The id of the folder that a reference names.
pub(super) async fn id_of_reference(
    context: &Context,
    in_box: &BoxId,
    reference: &Reference,
    part: &str,
) -> Result<u64, FaultResponse> {
    let id = id_in_url(in_box, &reference.resource_url, "/folders/f").ok_or_else(|| Fault::invalid_address(part))?;
    find(context, in_box, id).await.map(|_| id)
}

/// The id at the end of a URL of a thing in a box; the root of URLs may have changed since it was given out.
pub(super) fn id_in_url(in_box: &BoxId, url: &str, resource: &str) -> Option<u64> {
    let (_, path) = url.split_once("/nms/v1/")?;
    let own = box_url("", in_box);
    path.strip_prefix(own.trim_start_matches("/nms/v1/"))?.strip_prefix(resource)?.parse().ok()
}

/// The id of the folder at a path; what is missing of it is created.
async fn id_of_path(context: &Context, in_box: &BoxId, path: &str) -> Result<u64, FaultResponse> {
    let names: Vec<&str> = path.split('/').filter(|it| !it.is_empty()).collect();
    if names.len() > MAX_DEPTH || !names.iter().all(|it| is_name(it)) {
        return Err(Fault::invalid_input("parentFolderPath").into());
    }
    let mut parent = ROOT_FOLDER;
    for name in names {
        parent = match context.table.folder_named(in_box, parent, name).await? {
            Some(id) => id,
            None => child(context, in_box, parent, name, Vec::new()).await?,
        };
    }
    Ok(parent)
}

/// The folder of a name, created if it is not there. Of two requests, one creates it.
pub(super) async fn child(
    context: &Context,
    in_box: &BoxId,
    parent: u64,
    name: &str,
    attributes: Vec<StoredAttribute>,
) -> Result<u64, FaultResponse> {
    let id = context.table.next_box_id(in_box).await?;
    let new = Stored {
        folder_name: Some(name.to_owned()),
        attributes,
        ..Stored::new(in_box, id, parent, millis(clock::now()))
    };
    match context.table.commit_stored(None, &new, clock::now()).await? {
        Some(_) => Ok(id),
        // the name is taken; or it was, by a folder that was deleted since
        None => context.table.folder_named(in_box, parent, name).await?.ok_or_else(FaultResponse::busy),
    }
}

/// The id of what is at a path, and whether it is a folder; `None` if nothing is.
pub(super) async fn at_path(
    context: &Context,
    in_box: &BoxId,
    path: &str,
) -> Result<Option<(u64, bool)>, FaultResponse> {
    let names: Vec<&str> = path.split('/').filter(|it| !it.is_empty()).take(MAX_DEPTH + 1).collect();
    let mut parent = ROOT_FOLDER;
    for (index, name) in names.iter().enumerate() {
        match context.table.folder_named(in_box, parent, name).await? {
            Some(id) => parent = id,
            None if index + 1 == names.len() => {
                let Some(id) = name.strip_prefix('o').and_then(|it| it.parse().ok()) else { return Ok(None) };
                let found = context.table.stored(in_box, id).await?;
                let is_there = found.is_some_and(|it| it.is_live() && !it.is_folder() && it.parent == parent);
                return Ok(is_there.then_some((id, false)));
            }
            None => return Ok(None),
        }
    }
    Ok(Some((parent, true)))
}

/// The path of a folder.
pub(super) async fn path_of(context: &Context, in_box: &BoxId, mut id: u64) -> Result<String, FaultResponse> {
    let mut names = Vec::new();
    while id != ROOT_FOLDER && names.len() <= MAX_DEPTH {
        let Some(folder) = context.table.stored(in_box, id).await? else { break };
        names.push(folder.folder_name.unwrap_or_default());
        id = folder.parent;
    }
    names.reverse();
    Ok(format!("/{}", names.join("/")))
}

#[cfg(test)]
mod tests {
    use domain::AppId;

    use super::*;

    #[test]
    fn what_is_inside_a_folder_is_listed_once_from_the_outside_in() {
        let in_box = BoxId { app: AppId::random([7; 16]), store: "s".to_owned(), name: "n".to_owned() };
        let mut all: Vec<Stored> = [(1, 0), (2, 1), (3, 2), (4, 3), (5, 0), (6, 1), (7, 8), (8, 7)]
            .into_iter()
            .map(|(id, parent)| Stored::new(&in_box, id, parent, 0))
            .collect();
        let ids = |all: &[Stored], folder: u64| inside(all, folder).iter().map(|it| it.id).collect::<Vec<_>>();
        assert_eq!(ids(&all, 1), [2, 6, 3, 4]);
        assert_eq!((ids(&all, 4), ids(&all, 7)), (vec![], vec![8]), "7 and 8 are in each other");
        all[1].state = StoredState::Deleted;
        assert_eq!(ids(&all, 1), [6]);
    }
}
