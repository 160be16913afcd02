//! What a page of a listing brings: items that are not there yet, each told once.

use domain::bucket::Bucket;
use domain::item::{Item, Problem, Status};
use domain::notification::{News, Stream};
use domain::order::ScanOrder;
use domain::scanning::{Object, Verdict, judge};
use domain::{BATCH, ItemId};
use serde_json::json;
use table::{Put, Table, TableError};
use time::OffsetDateTime;

/// Stores and tells the new items of a page; answers how many it found. A page that comes again finds the same ones
/// (they carry its name) and tells only what was not told.
pub(crate) async fn store(
    table: &Table,
    order: &ScanOrder,
    bucket: &Bucket,
    objects: &[Object],
    now: OffsetDateTime,
) -> Result<u64, TableError> {
    let page = format!("{}.{}", order.scan, order.page);
    let items: Vec<Item> = objects.iter().filter_map(|it| item(bucket, it, &page, order.at)).collect();
    let ids: Vec<ItemId> = items.iter().map(|it| it.id).collect();
    let known: std::collections::HashMap<ItemId, String> = table.known(&ids).await?.into_iter().collect();
    let new: Vec<Item> = items.into_iter().filter(|it| known.get(&it.id).is_none_or(|by| *by == page)).collect();
    for (index, chunk) in new.chunks(BATCH).enumerate() {
        let batch = format!("{page}.{index}");
        // an id of this try, so that an earlier try's row is not taken for ours
        let write_id = format!("{batch}.{}", domain::millis(now));
        let again = table.put_found(chunk, &batch, &write_id).await? == Put::Taken;
        if again && table.told_since(order.app, &Stream::App, order.at).await?.contains(&batch) {
            continue;
        }
        let news: Vec<News> = chunk.iter().map(found).collect();
        table.append(order.app, &Stream::App, &news, &batch, now).await?;
        for it in chunk.iter().filter(|it| it.status == Status::Pending) {
            tracing::info!(item.id = %it.id, key = %it.key, "found {} in {}", it.key, it.bucket);
        }
    }
    Ok(new.len() as u64)
}

fn item(bucket: &Bucket, object: &Object, page: &str, at: i64) -> Option<Item> {
    let at = domain::from_millis(at);
    match judge(bucket, object) {
        Verdict::Ignore => None,
        Verdict::Process { media_type } => Some(Item::found(bucket, object, media_type, page, at)),
        Verdict::Skip { media_type, reason } => {
            let mut item = Item::found(bucket, object, media_type, page, at);
            item.status = Status::Skipped;
            item.error = Some(Problem::new("not_wanted", reason));
            Some(item)
        }
    }
}

fn found(item: &Item) -> News {
    match &item.error {
        None => News::new("item.found", json!({ "item": item.reference() })),
        Some(it) => News::new(
            "item.skipped",
            json!({ "item": item.reference(), "error": { "code": it.code, "message": it.message } }),
        ),
    }
}
