//! An asset: is there something new in it, what, and is it there yet?

use domain::command::{Ingest, IngestCommand};
use domain::item::{AssetVersion as Found, Item, ItemStatus, Problem, URGENT_PRIORITY};
use domain::media_type::{OCTET_STREAM, VisualContent, classify_type};
use domain::processing::reprocess;
use domain::scanning::MAX_OBJECT_BYTES;
use entry::Failure;
use iconik::asset::{Asset, Unfit, Version};
use iconik::source::{Decision, MediaSource, decide, needs_proxies, original_media_type};
use table::CommitOutcome;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::handler::{Context, IngestError, IngestOutcome, Session};
use crate::store;

/// Looks at an asset as it is now, whatever the event said of it.
pub(crate) async fn ingest(
    parts: &Context,
    at: &Session,
    order: &IngestCommand,
    asset: Uuid,
    announced: Option<Uuid>,
    now: OffsetDateTime,
) -> Result<IngestOutcome, IngestError> {
    // an event that names its version needs no question to Iconik if that version is known
    if let Some(version) = announced
        && !order.force
        && store::is_known(parts, at, order, asset, version).await?
    {
        return Ok(IngestOutcome::Done);
    }
    let Some(found) = at.iconik.asset(asset).await? else {
        tracing::info!(asset = %asset, "asset {asset} is gone");
        return Ok(IngestOutcome::Done);
    };
    let version = match found.active() {
        Ok(it) => it.clone(),
        Err(Unfit::NotMedia(why)) => {
            tracing::info!(asset = %asset, "asset {asset} is passed over: {why}");
            return Ok(IngestOutcome::Done);
        }
        Err(Unfit::Skip(why)) => {
            let Some(version) = found.versions.last() else { return Ok(IngestOutcome::Done) };
            return skip(parts, at, order, &found, version, "application/octet-stream", why, now).await;
        }
    };
    if store::is_known(parts, at, order, asset, version.id).await? {
        if order.force {
            reprocess_known(parts, at, order, asset, version.id, now).await?;
        }
        return Ok(IngestOutcome::Done);
    }
    if !is_watched(at, &found).await? {
        return Ok(IngestOutcome::Done);
    }
    let files = at.iconik.files(asset).await?;
    let original = match original_media_type(version.id, &files) {
        Some(named) => Some(named),
        None => at.iconik.original_type(asset).await?.map(|it| (it.clone(), classify_type(&it))),
    };
    let (kind, pictures) = original.unwrap_or((OCTET_STREAM.to_owned(), VisualContent::Unknown));
    let proxies = if needs_proxies(&kind, version.id, &files) { at.iconik.proxies(asset).await? } else { Vec::new() };
    if files.is_empty() && proxies.is_empty() {
        return Ok(IngestOutcome::RetryLater); // nothing is known of it yet
    }
    let (processor, types) = (at.settings.processor, at.settings.media_types());
    let decision = decide(processor, &types, (&kind, pictures), version.id, &proxies, &files, order.attempt);
    let size = match decision {
        Decision::Fetch(MediaSource::Proxy(_, size) | MediaSource::File(_, size)) => size,
        Decision::Wait => return Ok(IngestOutcome::RetryLater),
        Decision::Skip(why) => return skip(parts, at, order, &found, &version, &kind, &why, now).await,
    };
    if size > MAX_OBJECT_BYTES {
        return skip(parts, at, order, &found, &version, &kind, "the media is too large", now).await;
    }
    store::store(parts, order, item(at, order, &found, &version, size, kind)).await?;
    Ok(IngestOutcome::Done)
}

/// The media never came.
pub(crate) async fn fail(
    parts: &Context,
    at: &Session,
    order: &IngestCommand,
    now: OffsetDateTime,
) -> Result<(), Failure> {
    let Ingest::Asset { asset, .. } = order.what else { return Ok(()) };
    let found = at.iconik.asset(asset).await?;
    let Some((found, version)) = found.and_then(|it| it.active().ok().cloned().map(|version| (it, version))) else {
        return Ok(());
    };
    let mut failed = item(at, order, &found, &version, 0, OCTET_STREAM.to_owned());
    failed.status = ItemStatus::Failed;
    failed.updated_at = domain::millis(now);
    failed.error = Some(Problem::new("no_media", "the asset has no closed file or proxy that can be fetched"));
    Ok(store::store(parts, order, failed).await?)
}

#[expect(clippy::too_many_arguments, reason = "an item that is not processed, with all that is known of it")]
async fn skip(
    parts: &Context,
    at: &Session,
    order: &IngestCommand,
    found: &Asset,
    version: &Version,
    kind: &str,
    why: &str,
    now: OffsetDateTime,
) -> Result<IngestOutcome, IngestError> {
    let mut skipped = item(at, order, found, version, 0, kind.to_owned());
    skipped.status = ItemStatus::Skipped;
    skipped.updated_at = domain::millis(now);
    skipped.error = Some(Problem::new("not_wanted", why));
    store::store(parts, order, skipped).await?;
    Ok(IngestOutcome::Done)
}

fn item(at: &Session, order: &IngestCommand, found: &Asset, version: &Version, size: u64, media_type: String) -> Item {
    let (asset, version, found_by) = (found.id.to_string(), version.id.to_string(), store::command_key(order));
    let it = Found {
        app: order.app,
        host: at.iconik.host_name(),
        asset: &asset,
        version: &version,
        title: &found.title,
        size,
        media_type,
        processor: at.settings.processor,
        // a person who asks for it waits for it
        priority: if order.force { at.settings.priority.max(URGENT_PRIORITY) } else { at.settings.priority },
        found_by: &found_by,
    };
    Item::from_asset(it, domain::from_millis(order.received_at))
}

/// A person wants a known version processed again.
async fn reprocess_known(
    parts: &Context,
    at: &Session,
    order: &IngestCommand,
    asset: Uuid,
    version: Uuid,
    now: OffsetDateTime,
) -> Result<(), IngestError> {
    let id = store::item_id(at, order, asset, version);
    for _ in 0..3 {
        let Some(item) = parts.table.item(id).await? else { return Ok(()) };
        let Some(plan) = reprocess(now, &item) else { return Ok(()) };
        if parts.table.commit(&plan, now).await? == CommitOutcome::Committed {
            return Ok(());
        }
    }
    Ok(()) // it is changing all the time: it is being worked on
}

/// Whether the asset lies below a collection that is watched.
async fn is_watched(at: &Session, found: &Asset) -> Result<bool, IngestError> {
    let watched = &at.settings.iconik_collections;
    let is = |it: &Uuid| watched.contains(&it.to_string());
    if watched.is_empty() || found.in_collections.iter().any(is) {
        return Ok(true);
    }
    for it in found.in_collections.iter().take(20) {
        if at.iconik.ancestors(*it).await?.iter().any(is) {
            return Ok(true);
        }
    }
    Ok(false)
}
