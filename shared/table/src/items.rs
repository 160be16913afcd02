//! Items: discovered, read, listed.

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::item::{Item, ItemStatus};
use domain::job::{Hold, JobPlace};
use domain::{AppId, BucketId, ItemId, JobId};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use crate::codec::{self, Attributes};
use crate::error::TableError;
use crate::keys::{self, Row};
use crate::table::{PutOutcome, RangeQuery, Table, condition_held};

/// The longest sort key of a cursor, in bytes. Those of the index are shorter (`keys.rs`); DynamoDB refuses keys over 1,024.
const MAX_KEY_BYTES: usize = 128;
/// Index rows that one request reads at most.
const MAX_INDEX_ROWS: usize = 10;
/// The number of puts of one batch that run concurrently.
const MAX_CONCURRENT_PUTS: usize = 24;

/// The index row of up to 100 items that were found together.
#[derive(Serialize, Deserialize)]
struct ItemIndexRow {
    ids: Vec<ItemId>,
    #[serde(default)]
    bucket: Option<BucketId>,
    at: i64,
}

/// What a scan needs of an item that is stored already.
#[derive(Deserialize)]
struct KnownItem {
    id: ItemId,
    #[serde(default)]
    found_by: String,
}

/// A cursor into the item list: the next entry to read of an index row. `usize::MAX` is behind the whole row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageCursor {
    row: String,
    entry: usize,
}

impl PageCursor {
    /// Whether it has the form of a cursor of ours: callers may have changed it.
    pub fn is_plausible(&self) -> bool {
        self.row.len() <= MAX_KEY_BYTES && self.row.as_bytes().get(13) == Some(&b'#')
    }
}

/// A page of items, newest first. If `next` is set, there may be more.
pub struct ItemPage {
    pub items: Vec<Item>,
    pub next: Option<PageCursor>,
}

impl Table {
    /// An item by its id.
    pub async fn item(&self, id: ItemId) -> Result<Option<Item>, TableError> {
        self.get(&Row::Item(id)).await
    }

    /// The items with these ids that are stored, in no order, each with the page of the scan that found it.
    pub async fn known_items(&self, ids: &[ItemId]) -> Result<Vec<(ItemId, String)>, TableError> {
        let rows: Vec<Row> = ids.iter().map(|it| Row::Item(*it)).collect();
        let known: Vec<KnownItem> = self.get_many(&rows, Some("id,found_by")).await?;
        Ok(known.into_iter().map(|it| (it.id, it.found_by)).collect())
    }

    /// Stores items that were found together, at most 100 of one bucket: one row each, and one index row for all. An item
    /// that exists already stays as it is. `AlreadyExists` says that this batch was stored before, whole or in part.
    pub async fn put_found_items(&self, items: &[Item], batch: &str, write_id: &str) -> Result<PutOutcome, TableError> {
        let Some(first) = items.first() else { return Ok(PutOutcome::Stored) };
        let found =
            ItemIndexRow { ids: items.iter().map(|it| it.id).collect(), bucket: first.bucket_id, at: first.found_at };
        // the index row first: readers skip an id without an item, but never see an item without an index row
        let row = Row::ItemIndex(first.app, first.found_at, batch.to_owned());
        let put = self.put_new(&row, &found, write_id, Attributes::new()).await?;
        let puts = items
            .iter()
            .map(|it| async move { self.put_new(&Row::Item(it.id), it, &it.found_by, Attributes::new()).await });
        stream::iter(puts).buffer_unordered(MAX_CONCURRENT_PUTS).try_for_each(async |_: PutOutcome| Ok(())).await?;
        Ok(put)
    }

    /// Stores a single item; `AlreadyExists` if it was found before.
    pub async fn put_found_item(&self, item: &Item) -> Result<PutOutcome, TableError> {
        // the item first: of several that find it at the same time, one adds the index row
        let put = self.put_new(&Row::Item(item.id), item, &item.found_by, Attributes::new()).await?;
        if put == PutOutcome::Stored {
            let found = ItemIndexRow { ids: vec![item.id], bucket: item.bucket_id, at: item.found_at };
            let row = Row::ItemIndex(item.app, item.found_at, item.id.to_string());
            self.put(&row, &found, Attributes::new()).await?;
        }
        Ok(put)
    }

    /// Items of an application that match a filter, newest first: at most `limit`, out of at most ten index rows, so that
    /// one request stays bounded whatever is filtered out.
    pub async fn items(
        &self,
        app: AppId,
        filter: &ItemFilter,
        after: Option<PageCursor>,
        limit: usize,
    ) -> Result<ItemPage, TableError> {
        let partition = keys::item_index(app);
        let from = keys::time_key(filter.since.unwrap_or(0), "");
        let mut at = after.unwrap_or(PageCursor { row: "9999999999999#~".to_owned(), entry: 0 });
        let mut items: Vec<Item> = Vec::new();
        for _ in 0..MAX_INDEX_ROWS {
            let range = RangeQuery {
                partition: &partition,
                from: &from,
                to: &at.row,
                forward: false,
                consistent: true,
                limit: 2,
            };
            // the row that the cursor names is part of the range, also when it has been read to its end
            let unread = |row: &Attributes| at.entry != usize::MAX || codec::sort_key(row) != at.row;
            let Some(row) = self.query_range(range).await?.into_iter().find(unread) else {
                return Ok(ItemPage { items, next: None });
            };
            let key = codec::sort_key(&row);
            let index: ItemIndexRow = codec::decode("found", row)?;
            let skip = if key == at.row { at.entry } else { 0 };
            if filter.bucket.is_none_or(|it| Some(it) == index.bucket) {
                let rows: Vec<Row> = index.ids.iter().skip(skip).map(|it| Row::Item(*it)).collect();
                let mut stored: Vec<Item> = self.get_many(&rows, None).await?;
                let entry_of = |item: &Item| index.ids.iter().position(|id| *id == item.id);
                stored.sort_by_key(|it| entry_of(it).unwrap_or(usize::MAX));
                for item in stored {
                    if items.len() == limit {
                        let entry = items.last().and_then(entry_of).map_or(skip, |last| last + 1);
                        return Ok(ItemPage { items, next: Some(PageCursor { row: key, entry }) });
                    }
                    if filter.matches(&item) && !items.iter().any(|other| other.id == item.id) {
                        items.push(item);
                    }
                }
            }
            at = PageCursor { row: key, entry: usize::MAX };
        }
        Ok(ItemPage { items, next: Some(at) })
    }

    /// The place of a job: its item and its processor. `None` if no remote backend has been asked to do it.
    pub async fn job_place(&self, job: JobId) -> Result<Option<JobPlace>, TableError> {
        self.get(&Row::Job(job)).await
    }

    /// Stores the place of a job, before the first start call that names the job.
    pub async fn put_job_place(&self, place: &JobPlace) -> Result<(), TableError> {
        self.put(&Row::Job(place.id), place, Attributes::new()).await
    }

    /// Stores the id of the asset manager's job that shows the work on a job of an item; `false` if the work is not the
    /// holder's any more. The item's revision rises, so that nobody who read the item before overwrites it.
    pub async fn put_asset_job(&self, item: &Item, hold: Hold, job: &str) -> Result<bool, TableError> {
        let row = Row::Item(item.id);
        let update = self.update_item(&row);
        let Some(update) = if_held(update, item, hold) else { return Ok(false) };
        let index = job_index(item, hold).unwrap_or_default();
        let update = update
            .update_expression(format!("SET #jobs[{index}].#asset_job = :job, revision = revision + :one"))
            .expression_attribute_names("#asset_job", "asset_job")
            .expression_attribute_values(":job", AttributeValue::S(job.to_owned()))
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()));
        condition_held(&row, update.send().await)
    }

    /// Extends the lease of a job until a time in milliseconds since 1970; `false` if the work is not the holder's any more.
    /// Of an item with several jobs, the index keeps its time, which is then too early: the sweep looks, and corrects it.
    pub async fn extend_lease(&self, item: &Item, hold: Hold, until: i64) -> Result<bool, TableError> {
        let row = Row::Item(item.id);
        let update = self.update_item(&row);
        let Some(update) = if_held(update, item, hold) else { return Ok(false) };
        let index = job_index(item, hold).unwrap_or_default();
        let lease = format!("SET #jobs[{index}].#lease = :until");
        let mut update = update
            .expression_attribute_names("#lease", "lease_until")
            .expression_attribute_values(":until", AttributeValue::N(until.to_string()));
        update = if item.processor.is_single() {
            update
                .update_expression(format!("{lease}, #lease = :until, open_at = :at"))
                .expression_attribute_values(":at", AttributeValue::S(keys::time_key(until, "")))
        } else {
            update.update_expression(lease)
        };
        condition_held(&row, update.send().await)
    }
}

impl Table {
    /// Corrects when the sweep looks at an item's jobs next, from the jobs as they are, if nobody has changed the item.
    pub async fn correct_check(&self, item: &Item) -> Result<(), TableError> {
        let row = Row::Item(item.id);
        let check_at = item.all_jobs().filter_map(|it| it.check_at()).min();
        let update = self
            .update_item(&row)
            .condition_expression("revision = :mine")
            .expression_attribute_values(":mine", AttributeValue::N(item.revision.to_string()));
        let update = match check_at {
            Some(at) => update
                .update_expression("SET lease_until = :until, open_at = :at")
                .expression_attribute_values(":until", AttributeValue::N(at.to_string()))
                .expression_attribute_values(":at", AttributeValue::S(keys::time_key(at, ""))),
            None => update
                .update_expression("REMOVE lease_until, #open, open_at")
                .expression_attribute_names("#open", "open"),
        };
        condition_held(&row, update.send().await).map(drop)
    }
}

/// The place of a held job in its item's row; `None` if the item has no such job.
fn job_index(item: &Item, hold: Hold) -> Option<usize> {
    item.jobs.iter().position(|it| it.processor == hold.processor)
}

/// An update of an item's row under the condition that a job of it is still held; `None` if the item as it was read does
/// not have the job.
fn if_held(update: UpdateItemFluentBuilder, item: &Item, hold: Hold) -> Option<UpdateItemFluentBuilder> {
    let index = job_index(item, hold)?;
    let number = |value: u32| AttributeValue::N(value.to_string());
    let members = ["processor", "state", "attempt", "tries", "collections"];
    let held = members.map(|it| format!("#jobs[{index}].#{it} = :{it}")).join(" AND ");
    let update = members
        .into_iter()
        .fold(update.condition_expression(held), |update, it| update.expression_attribute_names(format!("#{it}"), it));
    Some(
        update
            .expression_attribute_names("#jobs", "jobs")
            .expression_attribute_values(":processor", AttributeValue::S(hold.processor.name().to_owned()))
            .expression_attribute_values(":state", AttributeValue::S(hold.state.name().to_owned()))
            .expression_attribute_values(":attempt", number(hold.attempt))
            .expression_attribute_values(":tries", number(hold.tries))
            .expression_attribute_values(":collections", number(hold.collections)),
    )
}

/// The filter of a list of items: each member that is set must match.
#[derive(Debug, Clone, Default)]
pub struct ItemFilter {
    pub bucket: Option<BucketId>,
    pub system: Option<domain::bucket::MediaSystem>,
    pub status: Option<ItemStatus>,
    /// Found at or after this time, in milliseconds since 1970.
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

/// An item that is being processed stands in the sparse index, by the time when the sweep looks at its jobs.
pub(crate) fn open_index_attributes(item: &Item) -> Attributes {
    item.check_at.map(|until| codec::open_index("LEASES", keys::time_key(until, ""))).unwrap_or_default()
}
