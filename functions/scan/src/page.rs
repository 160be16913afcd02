//! What a page of a listing brings: items that are not there yet, each told once.

use std::collections::HashMap;

use domain::bucket::Bucket;
use domain::item::{Item, Problem, Status};
use domain::notification::{News, Stream};
use domain::order::ScanOrder;
use domain::scanning::{Object, Verdict, judge};
use domain::{BATCH, ItemId};
use futures_util::{StreamExt, TryStreamExt, stream};
use media::objects::{Objects, ObjectsError};
use serde_json::json;
use table::{Put, Table, TableError};
use time::OffsetDateTime;

/// Types that are asked for at once: such a gateway is one server (media systems, section 5.4).
const AT_ONCE: usize = 4;

/// What a page brought.
pub(crate) struct Stored {
    pub(crate) found: u64,
    /// Why objects were left out, one sentence each; the next scan meets them again.
    pub(crate) flaws: Vec<String>,
}

/// Why a page was not stored.
pub(crate) enum Trouble {
    Table(TableError),
    Theirs(ObjectsError),
}

impl From<TableError> for Trouble {
    fn from(it: TableError) -> Self {
        Self::Table(it)
    }
}

/// Stores and tells the new items of a page; answers how many it found. A page that comes again finds the same ones
/// (they carry its name) and tells only what was not told. An object whose type is refused takes no other along. A dry run counts and leaves everything as it is.
pub(crate) async fn store(
    table: &Table,
    order: &ScanOrder,
    bucket: &Bucket,
    source: &impl Objects,
    objects: &[Object],
    now: OffsetDateTime,
) -> Result<Stored, Trouble> {
    let page = format!("{}.{}", order.scan, order.page);
    let seen: Vec<(Item, &Object)> =
        objects.iter().filter_map(|it| Some((item(bucket, it, &page, order.at)?, it))).collect();
    let ids: Vec<ItemId> = seen.iter().map(|it| it.0.id).collect();
    let known: HashMap<ItemId, String> = table.known(&ids).await?.into_iter().collect();
    let new = seen.into_iter().filter(|it| known.get(&it.0.id).is_none_or(|by| *by == page)).map(|it| it.1);
    let asked: Vec<Result<Object, String>> = stream::iter(new)
        .map(async |it| typed(source, it).await)
        .buffered(AT_ONCE)
        .try_collect()
        .await
        .map_err(Trouble::Theirs)?;
    let (mut new, mut flaws) = (Vec::new(), Vec::new());
    for it in asked {
        match it {
            Ok(object) => new.push(object),
            Err(flaw) => flaws.push(flaw),
        }
    }
    let new: Vec<Item> = new.iter().filter_map(|it| item(bucket, it, &page, order.at)).collect();
    if order.dry {
        let found = new.iter().filter(|it| it.status == Status::Pending).count() as u64;
        return Ok(Stored { found, flaws });
    }
    for (index, chunk) in new.chunks(BATCH).enumerate() {
        let batch = format!("{page}.{index}");
        // an id of this try, so that an earlier try's row is not taken for ours
        let write_id = format!("{batch}.{}", domain::millis(now));
        let again = table.put_found(chunk, &batch, &write_id).await? == Put::Taken;
        if again && table.told_since(order.app, &Stream::App, order.at).await?.contains_key(&batch) {
            continue;
        }
        let news: Vec<News> = chunk.iter().map(found).collect();
        table.append(order.app, &Stream::App, &news, &batch, now).await?;
        for it in chunk.iter().filter(|it| it.status == Status::Pending) {
            tracing::info!(item.id = %it.id, key = %it.key, "found {} in {}", it.key, it.bucket);
        }
    }
    Ok(Stored { found: new.len() as u64, flaws })
}

/// The object with the type that its system has for it, or why it has none. An endpoint that is down or busy is so for all.
async fn typed(source: &impl Objects, it: &Object) -> Result<Result<Object, String>, ObjectsError> {
    let asked = match source.media_type(&it.key).await.or_else(gone) {
        Ok(asked) => asked,
        Err(error @ (ObjectsError::Unreachable(_) | ObjectsError::Busy { .. } | ObjectsError::Clock(_))) => {
            return Err(error);
        }
        Err(error) => {
            let key: String = it.key.chars().take(100).flat_map(char::escape_debug).collect();
            return Ok(Err(format!("`{key}`: {error}")));
        }
    };
    Ok(Ok(Object { media_type: asked.or_else(|| it.media_type.clone()), ..it.clone() }))
}

/// An object that was removed since it was listed has no type, and is met again by whoever fetches it.
fn gone(error: ObjectsError) -> Result<Option<String>, ObjectsError> {
    if matches!(error, ObjectsError::NoObject) { Ok(None) } else { Err(error) }
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
