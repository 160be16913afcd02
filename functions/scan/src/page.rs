//! The objects of one listed page: which of them become items, stored and published once.

use std::collections::HashMap;

use domain::bucket::{Bucket, MediaSystem};
use domain::command::ScanCommand;
use domain::content_sniffing::SNIFF_BYTES;
use domain::item::{Item, ItemStatus, Problem};
use domain::notification::{NewNotification, Stream};
use domain::scanning::{ListedObject, ScanDecision, decide, decide_by_content};
use domain::{ItemId, MAX_BATCH};
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectStore, ObjectStoreError, excerpt};
use serde_json::json;
use table::{PutOutcome, Table, TableError};
use time::OffsetDateTime;

/// Objects whose media type or first bytes are read concurrently.
fn max_concurrent(system: MediaSystem) -> usize {
    match system {
        MediaSystem::ObjectMatrix => 4, // its gateway is one server (media systems, section 5.4)
        MediaSystem::DataCore | MediaSystem::Iconik => 16,
    }
}

/// The result of a page.
pub(crate) struct StoredPage {
    /// New items.
    pub(crate) found: u64,
    /// Why objects were left out, one sentence each. The next scan lists them again.
    pub(crate) errors: Vec<String>,
}

/// Why a page was not stored.
pub(crate) enum PageError {
    Table(TableError),
    ObjectStore(ObjectStoreError),
}

impl From<TableError> for PageError {
    fn from(error: TableError) -> Self {
        Self::Table(error)
    }
}

/// Stores and publishes the new items of a page.
///
/// A repeated page finds the same items, since each carries the page's name, and publishes only those that were not
/// published. An object whose type cannot be read is left out alone. A dry run counts, and writes nothing.
///
/// # Errors
/// The table cannot be read or written, or the endpoint does not answer for any object.
pub(crate) async fn store(
    table: &Table,
    command: &ScanCommand,
    bucket: &Bucket,
    source: &impl ObjectStore,
    objects: &[ListedObject],
    now: OffsetDateTime,
) -> Result<StoredPage, PageError> {
    let page = format!("{}.{}", command.scan, command.page);
    let candidates: Vec<(ItemId, &ListedObject)> = objects
        .iter()
        .filter_map(|it| Some((item_for(bucket, it, decide(bucket, it), &page, command.at)?.id, it)))
        .collect();
    let ids: Vec<ItemId> = candidates.iter().map(|it| it.0).collect();
    let known: HashMap<ItemId, String> = table.known_items(&ids).await?.into_iter().collect();
    let new =
        candidates.into_iter().filter(|it| known.get(&it.0).is_none_or(|found_by| *found_by == page)).map(|it| it.1);
    let decided: Vec<Result<Option<Item>, String>> = stream::iter(new)
        .map(async |object| match with_media_type(source, object).await? {
            Ok(typed) => {
                let decision = decide_or_sniff(source, bucket, &typed).await?;
                Ok(Ok(item_for(bucket, &typed, decision, &page, command.at)))
            }
            Err(reason) => Ok(Err(reason)),
        })
        .buffered(max_concurrent(bucket.system))
        .try_collect()
        .await
        .map_err(PageError::ObjectStore)?;
    let (mut new, mut errors) = (Vec::new(), Vec::new());
    for result in decided {
        match result {
            Ok(item) => new.extend(item),
            Err(reason) => errors.push(reason),
        }
    }
    if command.dry {
        let found = new.iter().filter(|it| it.status == ItemStatus::Pending).count() as u64;
        return Ok(StoredPage { found, errors });
    }
    for (index, chunk) in new.chunks(MAX_BATCH).enumerate() {
        let batch = format!("{page}.{index}");
        // the time tells this try's row from that of an earlier try
        let write_id = format!("{batch}.{}", domain::millis(now));
        let is_retry = table.put_found_items(chunk, &batch, &write_id).await? == PutOutcome::AlreadyExists;
        if is_retry && table.published_since(command.app, &Stream::App, command.at).await?.contains_key(&batch) {
            continue;
        }
        let notifications: Vec<NewNotification> = chunk.iter().map(notification_for).collect();
        table.append(command.app, &Stream::App, &notifications, &batch, now).await?;
        for item in chunk.iter().filter(|item| item.status == ItemStatus::Pending) {
            tracing::info!(item.id = %item.id, key = %item.key, "found {} in {}", item.key, item.bucket);
        }
    }
    Ok(StoredPage { found: new.len() as u64, errors })
}

/// The object with the media type that its system stores. Inner error: why the type of this object cannot be read.
///
/// # Errors
/// The endpoint does not answer for any object.
async fn with_media_type(
    source: &impl ObjectStore,
    object: &ListedObject,
) -> Result<Result<ListedObject, String>, ObjectStoreError> {
    let stored = match source.media_type(&object.key).await.or_else(none_if_gone) {
        Ok(stored) => stored,
        Err(error) if is_endpoint_error(&error) => return Err(error),
        Err(error) => {
            return Ok(Err(format!("`{}`: {error}", excerpt(&object.key))));
        }
    };
    Ok(Ok(ListedObject { media_type: stored.or_else(|| object.media_type.clone()), ..object.clone() }))
}

/// What to do with an object, by its media type and name, or else by its first bytes. One whose bytes cannot be read is
/// left to the processor, which reports the reason.
async fn decide_or_sniff(
    source: &impl ObjectStore,
    bucket: &Bucket,
    object: &ListedObject,
) -> Result<ScanDecision, ObjectStoreError> {
    match decide(bucket, object) {
        ScanDecision::Sniff { media_type } => match source.first_bytes(&object.key, SNIFF_BYTES).await {
            Ok(first) => Ok(decide_by_content(&bucket.processor, media_type, &first)),
            Err(error) if is_endpoint_error(&error) => Err(error),
            Err(_) => Ok(ScanDecision::Process { media_type }),
        },
        decision => Ok(decision),
    }
}

/// Whether an error concerns the endpoint, not one object.
fn is_endpoint_error(error: &ObjectStoreError) -> bool {
    matches!(error, ObjectStoreError::Unreachable(_) | ObjectStoreError::Busy { .. } | ObjectStoreError::ClockSkew(_))
}

/// An object that was removed after it was listed has no media type. Whoever fetches it reports that it is gone.
fn none_if_gone(error: ObjectStoreError) -> Result<Option<String>, ObjectStoreError> {
    if matches!(error, ObjectStoreError::NoObject) { Ok(None) } else { Err(error) }
}

/// The item that an object becomes, Pending or Skipped. `at` is the scan's time, in milliseconds since 1970.
fn item_for(bucket: &Bucket, object: &ListedObject, decision: ScanDecision, page: &str, at: i64) -> Option<Item> {
    let at = domain::from_millis(at);
    match decision {
        ScanDecision::Ignore => None,
        ScanDecision::Process { media_type } | ScanDecision::Sniff { media_type } => {
            Some(Item::from_object(bucket, object, media_type, page, at))
        }
        ScanDecision::Skip { media_type, reason } => {
            let mut item = Item::from_object(bucket, object, media_type, page, at);
            item.status = ItemStatus::Skipped;
            item.error = Some(Problem::new("not_wanted", reason));
            Some(item)
        }
    }
}

fn notification_for(item: &Item) -> NewNotification {
    match &item.error {
        None => NewNotification::new("item.found", json!({ "item": item.reference() })),
        Some(problem) => NewNotification::new(
            "item.skipped",
            json!({ "item": item.reference(), "error": { "code": problem.code, "message": problem.message } }),
        ),
    }
}
