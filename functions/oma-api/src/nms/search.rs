//! The search for objects (NMS 6.7).

use domain::cursor;
use domain::message_store::{BoxId, Stored};
use message_store::{Filter, Moment};
use oma::{Document, Fault, ObjectList, ObjectReferenceList, Reference, SelectionCriteria, SortOrder, SortType};

use super::objects;
use super::subscriptions::filter_fault;
use crate::answer::{Answer, FaultResponse};
use crate::context::Context;
use crate::request::OmaRequest;

/// The most objects of a page.
const MAX_ENTRIES: u64 = 100;

/// Searches a box: the objects that fit, page by page.
pub(super) async fn search(context: &Context, asked: &OmaRequest<'_>, in_box: &BoxId) -> Result<Answer, FaultResponse> {
    let criteria: SelectionCriteria = asked.document("selectionCriteria")?.parse()?;
    let filter = criteria.search_criteria.as_ref().map(Filter::new).transpose().map_err(filter_fault)?;
    let vanished = filter.as_ref().is_some_and(Filter::wants_vanished);
    let start: usize = match criteria.from_cursor.as_deref().filter(|it| !it.is_empty()) {
        Some(token) => cursor::decode(token).map_err(|_| Fault::invalid_input("fromCursor"))?,
        None => 0,
    };
    let moment = Moment { created_seq: 0, is_replay: false };
    let mut found: Vec<Stored> = context.table.all_stored(in_box).await?;
    found.retain(|it| !it.is_folder() && it.is_live() != vanished);
    found.retain(|it| filter.as_ref().is_none_or(|filter| filter.matches(it, moment)));
    sort(&criteria, &mut found);
    // a list of references has no cursor: it ends where the client says, and nowhere before
    let limit = if vanished { u64::MAX } else { MAX_ENTRIES };
    let most = usize::try_from(criteria.max_entries.clamp(1, limit)).unwrap_or(usize::MAX);
    let page: Vec<&Stored> = found.iter().skip(start).take(most).collect();
    let next = start + page.len();
    let next = (next < found.len()).then(|| cursor::encode(&next));
    if vanished {
        let url = |it: &&Stored| message_store::object_url(&asked.root, in_box, it.id);
        let references = page.iter().map(|it| Reference { resource_url: url(it), path: None }).collect();
        let list = ObjectReferenceList { object_reference: references };
        return Ok(Answer::ok(Document::new("objectReferenceList", &list)?));
    }
    let mut list = ObjectList { object: Vec::new(), cursor: next, creation_cursor: None };
    for thing in page {
        list.object.push(objects::shown(context, asked, thing).await?);
    }
    Ok(Answer::ok(Document::new("objectList", &list)?))
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
