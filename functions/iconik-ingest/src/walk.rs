//! Commands for many assets: chosen ones, collections with all that is below them, searches. A command handles one
//! page, and queues another command for the next page.

use domain::command::{Ingest, IngestCommand};
use domain::notification::{NewNotification, Stream};
use iconik::asset::CollectionPage;
use serde_json::json;
use time::Duration;
use uuid::Uuid;

use crate::context::{Context, Session};
use crate::error::IngestError;

/// How deep collections are followed. A collection that contains itself is followed once.
const MAX_DEPTH: usize = 20;
/// Iconik's lists end at this page (section 3.9).
const MAX_PAGE: u32 = 10_000;

/// Reads a page, and queues a command per asset, per inner collection, and for the next page.
pub(crate) async fn step(context: &Context, session: &Session, command: &IngestCommand) -> Result<(), IngestError> {
    let mut next: Vec<Ingest> = Vec::new();
    match &command.what {
        Ingest::Assets { assets } => next.extend(assets.iter().map(|it| asset_command(*it))),
        Ingest::Collection { collection, page, above } => {
            let Some(found) = session.iconik.collection_page(*collection, *page).await? else { return Ok(()) };
            let path: Vec<Uuid> = above.iter().copied().chain([*collection]).collect();
            if path.len() < MAX_DEPTH {
                let inner = found.collections.iter().filter(|it| !path.contains(it));
                next.extend(inner.map(|it| Ingest::Collection { collection: *it, page: 1, above: path.clone() }));
            }
            let (collection, above) = (*collection, above.clone());
            add_page(&found, *page, &mut next, |page| Ingest::Collection { collection, page, above });
        }
        Ingest::SavedSearch { search, page } => {
            let Some(found) = session.iconik.saved_search(*search, *page).await? else { return Ok(()) };
            let path = Vec::new();
            next.extend(found.collections.iter().map(|collection| Ingest::Collection {
                collection: *collection,
                page: 1,
                above: path.clone(),
            }));
            let search = *search;
            add_page(&found, *page, &mut next, |page| Ingest::SavedSearch { search, page });
        }
        Ingest::Search { from, to, after, seen } => {
            let found = session
                .iconik
                .search_created(*from, *to, &session.settings.iconik_collections, after.as_deref())
                .await?;
            let seen = seen + found.assets.len() as u64;
            next.extend(found.assets.iter().map(|it| asset_command(*it)));
            match found.after {
                // sort values that do not change would repeat the page without end
                Some(values) if after.as_ref() != Some(&values) => {
                    next.push(Ingest::Search { from: *from, to: *to, after: Some(values), seen });
                }
                _ => publish_caught_up(context, command, *from, *to, seen).await?,
            }
        }
        Ingest::Asset { .. } | Ingest::EndJob { .. } | Ingest::Check => {}
    }
    let commands: Vec<(IngestCommand, Duration)> =
        next.into_iter().map(|what| (IngestCommand { what, attempt: 0, ..command.clone() }, Duration::ZERO)).collect();
    Ok(context.queue.send_all(&commands).await?)
}

fn asset_command(asset: Uuid) -> Ingest {
    Ingest::Asset { asset, version: None }
}

/// Adds the assets of a page and the command for the next page. A list ends with an empty page: its stated length is
/// not reliable.
fn add_page(found: &CollectionPage, page: u32, next: &mut Vec<Ingest>, after: impl FnOnce(u32) -> Ingest) {
    next.extend(found.assets.iter().map(|it| asset_command(*it)));
    if !found.empty && page < MAX_PAGE {
        next.push(after(page + 1));
    }
}

/// Publishes that all assets of a time were handled, once per command.
async fn publish_caught_up(
    context: &Context,
    command: &IngestCommand,
    from: i64,
    to: i64,
    seen: u64,
) -> Result<(), IngestError> {
    let time = |it: i64| domain::rfc3339(domain::from_millis(it));
    let data = json!({ "from": time(from), "to": time(to), "assets": seen });
    let write_id = format!("{}.caught-up.{from}.{to}.{}", command.app, command.received_at);
    if context.table.published_since(command.app, &Stream::App, command.received_at).await?.contains_key(&write_id) {
        return Ok(());
    }
    let notification = [NewNotification::new("iconik.caught-up", data)];
    context.table.append(command.app, &Stream::App, &notification, &write_id, entry::clock::now()).await?;
    Ok(())
}
