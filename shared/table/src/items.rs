//! Items: found, read, listed.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::item::{Item, ItemStatus};
use domain::{AppId, BucketId, ItemId};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use crate::{Attributes, CAPACITY, PutOutcome, RangeQuery, Row, Table, TableError, codec, keys};

/// Puts that are under way at once.
const MAX_CONCURRENT_PUTS: usize = 24;

/// The index row of up to 100 items that were found together.
#[derive(Serialize, Deserialize)]
struct ItemIndexRow {
    ids: Vec<ItemId>,
    #[serde(default)]
    bucket: Option<BucketId>,
    at: i64,
}

/// What a scan needs to know of an item that is there already.
#[derive(Deserialize)]
struct KnownItem {
    id: ItemId,
    #[serde(default)]
    found_by: String,
}

/// Where a reader of the item list stands: behind this entry of this row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageCursor {
    row: String,
    entry: usize,
}

/// The keys of the list's rows are shorter (`keys.rs`), and DynamoDB refuses those over 1,024 bytes.
const MAX_KEY_BYTES: usize = 128;

impl PageCursor {
    /// Whether it can be one of ours: it comes back from callers, who may have changed it.
    pub fn is_plausible(&self) -> bool {
        self.row.len() <= MAX_KEY_BYTES && self.row.as_bytes().get(13) == Some(&b'#')
    }
}

/// A page of items, newest first. With `next`, there may be more.
pub struct ItemPage {
    pub items: Vec<Item>,
    pub next: Option<PageCursor>,
}

impl Table {
    pub async fn item(&self, id: ItemId) -> Result<Option<Item>, TableError> {
        self.get(&Row::Item(id)).await
    }

    /// Of these items, those that are stored, with the page of the scan that found each.
    pub async fn known_items(&self, ids: &[ItemId]) -> Result<Vec<(ItemId, String)>, TableError> {
        let rows: Vec<Row> = ids.iter().map(|it| Row::Item(*it)).collect();
        let known: Vec<KnownItem> = self.get_many(&rows, Some("id,found_by")).await?;
        Ok(known.into_iter().map(|it| (it.id, it.found_by)).collect())
    }

    /// Stores items that were found together, at most 100 of one bucket: one write unit each and one row that lists
    /// them. An item that is there already is left as it is. `Taken` says that this batch was stored before, whole or
    /// in part.
    pub async fn put_found_items(&self, items: &[Item], batch: &str, write_id: &str) -> Result<PutOutcome, TableError> {
        let Some(first) = items.first() else { return Ok(PutOutcome::Stored) };
        let found =
            ItemIndexRow { ids: items.iter().map(|it| it.id).collect(), bucket: first.bucket_id, at: first.found_at };
        // the list first: an id in it without an item is passed over, an item without the list would be invisible
        let row = Row::ItemIndex(first.app, first.found_at, batch.to_owned());
        let put = self.put_new(&row, &found, write_id, Attributes::new()).await?;
        let puts = items
            .iter()
            .map(|it| async move { self.put_new(&Row::Item(it.id), it, &it.found_by, Attributes::new()).await });
        stream::iter(puts).buffer_unordered(MAX_CONCURRENT_PUTS).try_for_each(async |_: PutOutcome| Ok(())).await?;
        Ok(put)
    }

    /// Stores an item that was found alone: `Taken`, if somebody else found it before.
    pub async fn put_found_item(&self, item: &Item) -> Result<PutOutcome, TableError> {
        // the item first: of several that find it at once, one goes on to list it
        let put = self.put_new(&Row::Item(item.id), item, &item.found_by, Attributes::new()).await?;
        if put == PutOutcome::Stored {
            let found = ItemIndexRow { ids: vec![item.id], bucket: item.bucket_id, at: item.found_at };
            let row = Row::ItemIndex(item.app, item.found_at, item.id.to_string());
            self.put(&row, &found, Attributes::new()).await?;
        }
        Ok(put)
    }

    /// Items of an application, newest first, that fit the filters: at most `limit`, out of at most ten rows of the
    /// list, so that one request stays bounded whatever is filtered out.
    pub async fn items(
        &self,
        app: AppId,
        wanted: &ItemFilter,
        after: Option<PageCursor>,
        limit: usize,
    ) -> Result<ItemPage, TableError> {
        let partition = keys::item_index(app);
        let from = keys::time_key(wanted.since.unwrap_or(0), "");
        let mut at = after.unwrap_or(PageCursor { row: "9999999999999#~".to_owned(), entry: 0 });
        let mut items = Vec::new();
        for _ in 0..10 {
            let ask = RangeQuery {
                partition: &partition,
                from: &from,
                to: &at.row,
                forward: false,
                consistent: true,
                limit: 2,
            };
            let key_of = |row: &Attributes| row.get("SK").and_then(|it| it.as_s().ok()).cloned().unwrap_or_default();
            // the row that the cursor names is part of the range, also when it has been read to its end
            let unread = |row: &Attributes| at.entry != usize::MAX || key_of(row) != at.row;
            let Some(row) = self.query_range(ask).await?.into_iter().find(unread) else {
                return Ok(ItemPage { items, next: None });
            };
            let key = key_of(&row);
            let found: ItemIndexRow = codec::decode("found", row)?;
            let skip = if key == at.row { at.entry } else { 0 };
            if wanted.bucket.is_none_or(|it| Some(it) == found.bucket) {
                let rows: Vec<Row> = found.ids.iter().skip(skip).map(|it| Row::Item(*it)).collect();
                let mut there: Vec<Item> = self.get_many(&rows, None).await?;
                let place = |it: &Item| found.ids.iter().position(|id| *id == it.id).unwrap_or(usize::MAX);
                there.sort_by_key(place);
                for it in there {
                    if items.len() == limit {
                        let last: Option<&Item> = items.last();
                        let entry =
                            last.map_or(skip, |last| if found.ids.contains(&last.id) { place(last) + 1 } else { skip });
                        return Ok(ItemPage { items, next: Some(PageCursor { row: key, entry }) });
                    }
                    if wanted.matches(&it) && !items.iter().any(|other| other.id == it.id) {
                        items.push(it);
                    }
                }
            }
            at = PageCursor { row: key, entry: usize::MAX };
        }
        Ok(ItemPage { items, next: Some(at) })
    }

    /// Notes the job that shows the work on an item that is held; `false` if it is not ours any more.
    pub async fn put_job(&self, item: &Item, job: &str) -> Result<bool, TableError> {
        let row = Row::Item(item.id);
        let (pk, sk) = row.key();
        let update = self.client.update_item().table_name(&self.name).return_consumed_capacity(CAPACITY);
        let update = update.key("PK", AttributeValue::S(pk)).key("SK", AttributeValue::S(sk));
        let update = update
            .update_expression("SET job = :job")
            .condition_expression("revision = :mine")
            .expression_attribute_values(":job", AttributeValue::S(job.to_owned()))
            .expression_attribute_values(":mine", AttributeValue::N(item.revision.to_string()));
        match update.send().await.map_err(|it| it.into_service_error()) {
            Ok(_) => Ok(true),
            Err(it) if it.is_conditional_check_failed_exception() => Ok(false),
            Err(source) => Err(TableError::write(&row, source)),
        }
    }

    /// Extends the lease of an item that is held; `false` if it is not ours any more.
    pub async fn extend_lease(&self, item: &Item, until: i64) -> Result<bool, TableError> {
        let row = Row::Item(item.id);
        let (pk, sk) = row.key();
        let update = self.client.update_item().table_name(&self.name).return_consumed_capacity(CAPACITY);
        let update = update.key("PK", AttributeValue::S(pk)).key("SK", AttributeValue::S(sk));
        let update = update
            .update_expression("SET lease_until = :until, open_at = :at")
            .condition_expression("revision = :mine")
            .expression_attribute_values(":until", AttributeValue::N(until.to_string()))
            .expression_attribute_values(":at", AttributeValue::S(keys::time_key(until, "")))
            .expression_attribute_values(":mine", AttributeValue::N(item.revision.to_string()));
        match update.send().await.map_err(|it| it.into_service_error()) {
            Ok(_) => Ok(true),
            Err(it) if it.is_conditional_check_failed_exception() => Ok(false),
            Err(source) => Err(TableError::write(&row, source)),
        }
    }
}

/// What a listing is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct ItemFilter {
    pub bucket: Option<BucketId>,
    pub system: Option<domain::bucket::MediaSystem>,
    pub status: Option<ItemStatus>,
    /// Found at or after this time, in milliseconds.
    pub since: Option<i64>,
}

impl ItemFilter {
    fn matches(&self, item: &Item) -> bool {
        self.bucket.is_none_or(|it| Some(it) == item.bucket_id)
            && self.system.is_none_or(|it| it == item.system)
            && self.status.is_none_or(|it| it == item.status)
            && self.since.is_none_or(|it| item.found_at >= it)
    }
}

/// An item that is being worked on stands in the sparse index, by the end of its lease.
pub(crate) fn open_index_attributes(item: &Item) -> Attributes {
    let Some(until) = item.lease_until else { return Attributes::new() };
    let open = [("open", "LEASES".to_owned()), ("open_at", keys::time_key(until, ""))];
    open.map(|(name, value)| (name.to_owned(), AttributeValue::S(value))).into()
}
