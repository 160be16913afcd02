//! What a page of a listing brings: items that are not there yet, each told once.

use std::collections::HashMap;

use domain::bucket::{Bucket, System};
use domain::content::FIRST_BYTES;
use domain::item::{Item, Problem, Status};
use domain::notification::{News, Stream};
use domain::order::ScanOrder;
use domain::scanning::{Object, Verdict, judge, judge_content};
use domain::{BATCH, ItemId};
use futures_util::{StreamExt, TryStreamExt, stream};
use media::objects::{Objects, ObjectsError};
use serde_json::json;
use table::{Put, Table, TableError};
use time::OffsetDateTime;

/// Objects that are asked for their types, or looked at, at once.
fn at_once(system: System) -> usize {
    match system {
        System::ObjectMatrix => 4, // such a gateway is one server (media systems, section 5.4)
        System::DataCore | System::Iconik => 16,
    }
}

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
    let seen: Vec<(ItemId, &Object)> =
        objects.iter().filter_map(|it| Some((item(bucket, it, judge(bucket, it), &page, order.at)?.id, it))).collect();
    let ids: Vec<ItemId> = seen.iter().map(|it| it.0).collect();
    let known: HashMap<ItemId, String> = table.known(&ids).await?.into_iter().collect();
    let new = seen.into_iter().filter(|it| known.get(&it.0).is_none_or(|by| *by == page)).map(|it| it.1);
    let decided: Vec<Result<Option<Item>, String>> = stream::iter(new)
        .map(async |object| match typed(source, object).await? {
            Ok(typed) => {
                let verdict = decide(source, bucket, &typed).await?;
                Ok(Ok(item(bucket, &typed, verdict, &page, order.at)))
            }
            Err(flaw) => Ok(Err(flaw)),
        })
        .buffered(at_once(bucket.system))
        .try_collect()
        .await
        .map_err(Trouble::Theirs)?;
    let (mut new, mut flaws) = (Vec::new(), Vec::new());
    for it in decided {
        match it {
            Ok(item) => new.extend(item),
            Err(flaw) => flaws.push(flaw),
        }
    }
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
        Err(error) if concerns_all(&error) => return Err(error),
        Err(error) => {
            let key: String = it.key.chars().take(100).flat_map(char::escape_debug).collect();
            return Ok(Err(format!("`{key}`: {error}")));
        }
    };
    Ok(Ok(Object { media_type: asked.or_else(|| it.media_type.clone()), ..it.clone() }))
}

/// What becomes of an object; what neither its type nor its name tells, its first bytes do. One that cannot be looked at
/// is left to the processor, which says why.
async fn decide(source: &impl Objects, bucket: &Bucket, object: &Object) -> Result<Verdict, ObjectsError> {
    match judge(bucket, object) {
        Verdict::Look { media_type } => match source.first_bytes(&object.key, FIRST_BYTES).await {
            Ok(first) => Ok(judge_content(bucket.processor, media_type, &first)),
            Err(error) if concerns_all(&error) => Err(error),
            Err(_) => Ok(Verdict::Process { media_type }),
        },
        verdict => Ok(verdict),
    }
}

/// Whether an error is one of the endpoint, not of one object.
fn concerns_all(error: &ObjectsError) -> bool {
    matches!(error, ObjectsError::Unreachable(_) | ObjectsError::Busy { .. } | ObjectsError::Clock(_))
}

/// An object that was removed since it was listed has no type, and is met again by whoever fetches it.
fn gone(error: ObjectsError) -> Result<Option<String>, ObjectsError> {
    if matches!(error, ObjectsError::NoObject) { Ok(None) } else { Err(error) }
}

fn item(bucket: &Bucket, object: &Object, verdict: Verdict, page: &str, at: i64) -> Option<Item> {
    let at = domain::from_millis(at);
    match verdict {
        Verdict::Ignore => None,
        Verdict::Process { media_type } | Verdict::Look { media_type } => {
            Some(Item::found(bucket, object, media_type, page, at))
        }
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
