//! The searches for objects and for folders (NMS 6.7, 6.12).

use std::collections::{HashMap, HashSet};

use domain::cursor;
use domain::message_store::{BoxId, Stored};
use message_store::{Filter, Moment};
use oma::{
    Document, Fault, FolderList, ObjectList, ObjectReferenceList, Reference, SearchType, SelectionCriteria, SortOrder,
    SortType,
};

use super::subscriptions::filter_fault;
use super::{folders, objects};
use crate::answer::{Answer, FaultResponse};
use crate::context::Context;
use crate::request::OmaRequest;

/// The most things of a page.
const MAX_ENTRIES: u64 = 100;

/// What is searched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Objects,
    Folders,
}

/// A page of what was found.
pub(super) struct Found {
    pub(super) things: Vec<Stored>,
    /// Where the next page begins.
    cursor: Option<String>,
    /// What a later search for created objects begins after.
    creation_cursor: Option<String>,
    vanished: bool,
}

/// Searches a box for objects that fit, page by page, at most 100 at a time. With `VanishedObjects` it is a list of references
/// to what is gone, which has no pages (NMS 6.7).
#[utoipa::path(post, path = "/nms/v1/{storeName}/{boxId}/objects/operations/search", tag = "OMA message store",
    security(("keys" = [])), params(("storeName" = String, Path), ("boxId" = String, Path)),
    request_body = SelectionCriteria,
    responses((status = 200, body = ObjectList),
        (status = 400, description = "SVC0002: %1 names the part that cannot be. SVC0003: %1 is none of %2. SVC0004 with `searchScope`: it is no URL of this box"),
        (status = 404, description = "SVC0004: the folder of `searchScope` is not there")))]
pub(super) async fn search(context: &Context, asked: &OmaRequest<'_>, in_box: &BoxId) -> Result<Answer, FaultResponse> {
    let criteria: SelectionCriteria = asked.document("selectionCriteria")?.parse()?;
    let found = find(context, in_box, &criteria, Kind::Objects).await?;
    if found.vanished {
        let url = |it: &Stored| message_store::object_url(&asked.root, in_box, it.id);
        let references = found.things.iter().map(|it| Reference { resource_url: url(it), path: None }).collect();
        let list = ObjectReferenceList { object_reference: references };
        return Ok(Answer::ok(Document::new("objectReferenceList", &list)?));
    }
    let mut list = ObjectList { object: Vec::new(), cursor: found.cursor, creation_cursor: found.creation_cursor };
    for thing in &found.things {
        list.object.push(objects::shown(context, asked, thing).await?);
    }
    Ok(Answer::ok(Document::new("objectList", &list)?))
}

/// Searches a box for folders that fit, page by page, at most 100 at a time (NMS 6.12).
#[utoipa::path(post, path = "/nms/v1/{storeName}/{boxId}/folders/operations/search", tag = "OMA message store",
    security(("keys" = [])), params(("storeName" = String, Path), ("boxId" = String, Path)),
    request_body = SelectionCriteria,
    responses((status = 200, body = FolderList),
        (status = 400, description = "SVC0002: %1 names the part that cannot be. SVC0003: %1 is none of %2. SVC0004 with `searchScope`: it is no URL of this box"),
        (status = 404, description = "SVC0004: the folder of `searchScope` is not there")))]
pub(super) async fn search_folders(
    context: &Context,
    asked: &OmaRequest<'_>,
    in_box: &BoxId,
) -> Result<Answer, FaultResponse> {
    let criteria: SelectionCriteria = asked.document("selectionCriteria")?.parse()?;
    let found = find(context, in_box, &criteria, Kind::Folders).await?;
    let mut list = FolderList { folder: Vec::new(), cursor: found.cursor };
    for folder in &found.things {
        let path = folders::path_of(context, in_box, folder.id).await?;
        list.folder.push(folders::shown(asked, in_box, Some(folder), path, &[]));
    }
    Ok(Answer::ok(Document::new("folderList", &list)?))
}

/// A page of what fits.
pub(super) async fn find(
    context: &Context,
    in_box: &BoxId,
    criteria: &SelectionCriteria,
    kind: Kind,
) -> Result<Found, FaultResponse> {
    let filter = criteria.search_criteria.as_ref().map(Filter::new).transpose().map_err(filter_fault)?;
    let vanished = filter.as_ref().is_some_and(Filter::wants_vanished);
    if vanished && kind == Kind::Folders {
        return Err(Fault::invalid_input("type").into()); // it is defined for objects
    }
    let created_after = created_after(criteria)?;
    let (start, mut newest): (usize, Option<u64>) = match criteria.from_cursor.as_deref().filter(|it| !it.is_empty()) {
        Some(token) => cursor::decode(token).map_err(|_| Fault::invalid_input("fromCursor"))?,
        None => (0, None),
    };
    let mut things: Vec<Stored> = context.table.all_stored(in_box).await?;
    // as of the first page: what is created while a client reads on is found by its next search
    newest = newest.or_else(|| things.iter().map(|it| it.created_seq).max()).filter(|_| created_after.is_some());
    if let Some(scope) = &criteria.search_scope {
        let scope = folders::id_of_reference(context, in_box, scope, "searchScope").await?;
        let within = within(&things, scope, criteria.non_recursive_scope != Some(true));
        things.retain(|it| within.contains(&it.parent));
    }
    let moment = Moment { created_seq: created_after.unwrap_or_default(), is_replay: false };
    things.retain(|it| it.is_folder() == (kind == Kind::Folders) && it.is_live() != vanished);
    things.retain(|it| filter.as_ref().is_none_or(|filter| filter.matches(it, moment)));
    sort(criteria, &mut things);
    // a list of references has no cursor: it ends where the client says, and nowhere before
    let limit = if vanished { u64::MAX } else { MAX_ENTRIES };
    let most = usize::try_from(criteria.max_entries.clamp(1, limit)).unwrap_or(usize::MAX);
    let end = things.len().min(start.saturating_add(most));
    let cursor = (end < things.len()).then(|| cursor::encode(&(end, newest)));
    let creation_cursor = created_after.map(|before| cursor::encode(&newest.unwrap_or(before)));
    let things = things.get(start..end).unwrap_or_default().to_vec();
    Ok(Found { things, cursor, creation_cursor, vanished })
}

/// The number after which objects count as created, 0 for all; `None` if the search is not for created ones.
fn created_after(criteria: &SelectionCriteria) -> Result<Option<u64>, FaultResponse> {
    let listed = criteria.search_criteria.iter().flat_map(|it| &it.criterion);
    let Some(created) = listed.into_iter().find(|it| it.kind == SearchType::CreatedObjects) else { return Ok(None) };
    if created.value.is_empty() {
        return Ok(Some(0));
    }
    Ok(Some(cursor::decode(&created.value).map_err(|_| Fault::invalid_input("value"))?))
}

/// A folder, and those inside it.
fn within(all: &[Stored], scope: u64, recursive: bool) -> HashSet<u64> {
    let mut folders: HashMap<u64, Vec<u64>> = HashMap::new();
    for folder in all.iter().filter(|it| it.is_folder() && recursive) {
        folders.entry(folder.parent).or_default().push(folder.id);
    }
    let (mut found, mut next) = (HashSet::new(), vec![scope]);
    while let Some(id) = next.pop() {
        if found.insert(id) {
            next.extend(folders.get(&id).into_iter().flatten());
        }
    }
    found
}

/// By the first key of the order; by default the newest first.
fn sort(criteria: &SelectionCriteria, found: &mut [Stored]) {
    let listed = criteria.sort_criteria.as_ref().and_then(|it| it.criterion.first());
    let key = listed.or(criteria.sort_criterion.as_ref());
    let value = |it: &Stored| match key.filter(|it| it.kind == SortType::Attribute) {
        Some(key) => it.attribute(key.name.as_deref().unwrap_or_default()).first().cloned().unwrap_or_default(),
        None => format!("{:020}", it.id), // ids grow with the time
    };
    found.sort_by_cached_key(|it| (value(it), it.id));
    if key.and_then(|it| it.order).unwrap_or_default() == SortOrder::Descending {
        found.reverse();
    }
}
