//! Many assets: chosen ones, collections with all below them, searches. One page per order, the next is another order.

use domain::command::{Ingest, IngestCommand};
use domain::notification::{NewNotification, Stream};
use iconik::asset::CollectionPage;
use serde_json::json;
use time::Duration;
use uuid::Uuid;

use crate::handler::{Context, IngestError, Session};

/// Collections are followed so deep; one that contains itself is met only once on its way.
const MAX_DEPTH: usize = 20;
/// Iconik's lists end at this page (section 3.9).
const MAX_PAGE: u32 = 10_000;

/// Carries out one step.
pub(crate) async fn step(parts: &Context, at: &Session, order: &IngestCommand) -> Result<(), IngestError> {
    let mut next: Vec<Ingest> = Vec::new();
    match &order.what {
        Ingest::Assets { assets } => next.extend(assets.iter().map(|it| asset_command(*it))),
        Ingest::Collection { collection, page, above } => {
            let Some(found) = at.iconik.collection_page(*collection, *page).await? else { return Ok(()) };
            let path: Vec<Uuid> = above.iter().copied().chain([*collection]).collect();
            if path.len() < MAX_DEPTH {
                let inner = found.collections.iter().filter(|it| !path.contains(it));
                next.extend(inner.map(|it| Ingest::Collection { collection: *it, page: 1, above: path.clone() }));
            }
            let (collection, above) = (*collection, above.clone());
            add_page(&found, *page, &mut next, |page| Ingest::Collection { collection, page, above });
        }
        Ingest::SavedSearch { search, page } => {
            let Some(found) = at.iconik.saved_search(*search, *page).await? else { return Ok(()) };
            let path = Vec::new();
            next.extend(found.collections.iter().map(|it| Ingest::Collection {
                collection: *it,
                page: 1,
                above: path.clone(),
            }));
            let search = *search;
            add_page(&found, *page, &mut next, |page| Ingest::SavedSearch { search, page });
        }
        Ingest::Search { from, to, after, seen } => {
            let found = at.iconik.search_created(*from, *to, &at.settings.iconik_collections, after.as_deref()).await?;
            let seen = seen + found.assets.len() as u64;
            next.extend(found.assets.iter().map(|it| asset_command(*it)));
            match found.after {
                // a place that does not move would go round for ever
                Some(it) if after.as_ref() != Some(&it) => {
                    next.push(Ingest::Search { from: *from, to: *to, after: Some(it), seen });
                }
                _ => publish_caught_up(parts, order, *from, *to, seen).await?,
            }
        }
        Ingest::Asset { .. } | Ingest::EndJob { .. } | Ingest::Check => {}
    }
    let orders: Vec<(IngestCommand, Duration)> =
        next.into_iter().map(|what| (IngestCommand { what, attempt: 0, ..order.clone() }, Duration::ZERO)).collect();
    Ok(parts.queue.send_all(&orders).await?)
}

fn asset_command(asset: Uuid) -> Ingest {
    Ingest::Asset { asset, version: None }
}

/// The assets of a page, and the order for the next: a list ends with an empty page, whatever it says of its length.
fn add_page(found: &CollectionPage, page: u32, next: &mut Vec<Ingest>, after: impl FnOnce(u32) -> Ingest) {
    next.extend(found.assets.iter().map(|it| asset_command(*it)));
    if !found.empty && page < MAX_PAGE {
        next.push(after(page + 1));
    }
}

async fn publish_caught_up(
    parts: &Context,
    order: &IngestCommand,
    from: i64,
    to: i64,
    seen: u64,
) -> Result<(), IngestError> {
    let time = |it: i64| domain::rfc3339(domain::from_millis(it));
    let data = json!({ "from": time(from), "to": time(to), "assets": seen });
    let write_id = format!("{}.caught-up.{from}.{to}.{}", order.app, order.received_at);
    if parts.table.published_since(order.app, &Stream::App, order.received_at).await?.contains_key(&write_id) {
        return Ok(());
    }
    let news = [NewNotification::new("iconik.caught-up", data)];
    parts.table.append(order.app, &Stream::App, &news, &write_id, entry::clock::now()).await?;
    Ok(())
}
