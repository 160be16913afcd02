//! What a page of a listing brings: items that are not there yet, each told once.

use std::collections::HashMap;

use domain::bucket::{Bucket, MediaSystem};
use domain::command::ScanCommand;
use domain::content_sniffing::SNIFF_BYTES;
use domain::item::{Item, ItemStatus, Problem};
use domain::notification::{NewNotification, Stream};
use domain::scanning::{ListedObject, ScanDecision, decide, decide_by_content};
use domain::{ItemId, MAX_BATCH};
use futures_util::{StreamExt, TryStreamExt, stream};
use media::object_store::{ObjectStore, ObjectStoreError};
use serde_json::json;
use table::{PutOutcome, Table, TableError};
use time::OffsetDateTime;

/// Objects that are asked for their types, or looked at, at once.
fn max_concurrent(system: MediaSystem) -> usize {
    match system {
        MediaSystem::ObjectMatrix => 4, // such a gateway is one server (media systems, section 5.4)
        MediaSystem::DataCore | MediaSystem::Iconik => 16,
    }
}

/// What a page brought.
pub(crate) struct StoredPage {
    pub(crate) found: u64,
    /// Why objects were left out, one sentence each; the next scan meets them again.
    pub(crate) errors: Vec<String>,
}

/// Why a page was not stored.
pub(crate) enum PageError {
    Table(TableError),
    ObjectStore(ObjectStoreError),
}

impl From<TableError> for PageError {
    fn from(it: TableError) -> Self {
        Self::Table(it)
    }
}

/// Stores and tells the new items of a page; answers how many it found. A page that comes again finds the same ones
/// (they carry its name) and tells only what was not told. An object whose type is refused takes no other along. A dry run counts and leaves everything as it is.
pub(crate) async fn store(
    table: &Table,
    order: &ScanCommand,
    bucket: &Bucket,
    source: &impl ObjectStore,
    objects: &[ListedObject],
    now: OffsetDateTime,
) -> Result<StoredPage, PageError> {
    let page = format!("{}.{}", order.scan, order.page);
    let candidates: Vec<(ItemId, &ListedObject)> = objects
        .iter()
        .filter_map(|it| Some((item_for(bucket, it, decide(bucket, it), &page, order.at)?.id, it)))
        .collect();
    let ids: Vec<ItemId> = candidates.iter().map(|it| it.0).collect();
    let known: HashMap<ItemId, String> = table.known_items(&ids).await?.into_iter().collect();
    let new = candidates.into_iter().filter(|it| known.get(&it.0).is_none_or(|by| *by == page)).map(|it| it.1);
    let decided: Vec<Result<Option<Item>, String>> = stream::iter(new)
        .map(async |object| match with_media_type(source, object).await? {
            Ok(typed) => {
                let verdict = sniff(source, bucket, &typed).await?;
                Ok(Ok(item_for(bucket, &typed, verdict, &page, order.at)))
            }
            Err(flaw) => Ok(Err(flaw)),
        })
        .buffered(max_concurrent(bucket.system))
        .try_collect()
        .await
        .map_err(PageError::ObjectStore)?;
    let (mut new, mut flaws) = (Vec::new(), Vec::new());
    for it in decided {
        match it {
            Ok(item) => new.extend(item),
            Err(flaw) => flaws.push(flaw),
        }
    }
    if order.dry {
        let found = new.iter().filter(|it| it.status == ItemStatus::Pending).count() as u64;
        return Ok(StoredPage { found, errors: flaws });
    }
    for (index, chunk) in new.chunks(MAX_BATCH).enumerate() {
        let batch = format!("{page}.{index}");
        // an id of this try, so that an earlier try's row is not taken for ours
        let write_id = format!("{batch}.{}", domain::millis(now));
        let again = table.put_found_items(chunk, &batch, &write_id).await? == PutOutcome::AlreadyExists;
        if again && table.published_since(order.app, &Stream::App, order.at).await?.contains_key(&batch) {
            continue;
        }
        let news: Vec<NewNotification> = chunk.iter().map(notification_for).collect();
        table.append(order.app, &Stream::App, &news, &batch, now).await?;
        for it in chunk.iter().filter(|it| it.status == ItemStatus::Pending) {
            tracing::info!(item.id = %it.id, key = %it.key, "found {} in {}", it.key, it.bucket);
        }
    }
    Ok(StoredPage { found: new.len() as u64, errors: flaws })
}

/// The object with the type that its system has for it, or why it has none. An endpoint that is down or busy is so for all.
async fn with_media_type(
    source: &impl ObjectStore,
    it: &ListedObject,
) -> Result<Result<ListedObject, String>, ObjectStoreError> {
    let asked = match source.media_type(&it.key).await.or_else(none_if_gone) {
        Ok(asked) => asked,
        Err(error) if is_endpoint_error(&error) => return Err(error),
        Err(error) => {
            let key: String = it.key.chars().take(100).flat_map(char::escape_debug).collect();
            return Ok(Err(format!("`{key}`: {error}")));
        }
    };
    Ok(Ok(ListedObject { media_type: asked.or_else(|| it.media_type.clone()), ..it.clone() }))
}

/// What becomes of an object; what neither its type nor its name tells, its first bytes do. One that cannot be looked at
/// is left to the processor, which says why.
async fn sniff(
    source: &impl ObjectStore,
    bucket: &Bucket,
    object: &ListedObject,
) -> Result<ScanDecision, ObjectStoreError> {
    match decide(bucket, object) {
        ScanDecision::Sniff { media_type } => match source.first_bytes(&object.key, SNIFF_BYTES).await {
            Ok(first) => Ok(decide_by_content(bucket.processor, media_type, &first)),
            Err(error) if is_endpoint_error(&error) => Err(error),
            Err(_) => Ok(ScanDecision::Process { media_type }),
        },
        verdict => Ok(verdict),
    }
}

/// Whether an error is one of the endpoint, not of one object.
fn is_endpoint_error(error: &ObjectStoreError) -> bool {
    matches!(error, ObjectStoreError::Unreachable(_) | ObjectStoreError::Busy { .. } | ObjectStoreError::ClockSkew(_))
}

/// An object that was removed since it was listed has no type, and is met again by whoever fetches it.
fn none_if_gone(error: ObjectStoreError) -> Result<Option<String>, ObjectStoreError> {
    if matches!(error, ObjectStoreError::NoObject) { Ok(None) } else { Err(error) }
}

fn item_for(bucket: &Bucket, object: &ListedObject, verdict: ScanDecision, page: &str, at: i64) -> Option<Item> {
    let at = domain::from_millis(at);
    match verdict {
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
        Some(it) => NewNotification::new(
            "item.skipped",
            json!({ "item": item.reference(), "error": { "code": it.code, "message": it.message } }),
        ),
    }
}
