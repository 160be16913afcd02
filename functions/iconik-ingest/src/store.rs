//! Items of assets: known, stored, told.

use domain::ItemId;
use domain::command::IngestCommand;
use domain::id::sha256_hex;
use domain::item::{Item, ItemStatus};
use domain::notification::{NewNotification, Stream};
use entry::clock;
use serde_json::json;
use table::{PutOutcome, TableError};
use uuid::Uuid;

use crate::handler::{Context, Session};

/// The id of the item that a version of an asset is.
pub(crate) fn item_id(at: &Session, order: &IngestCommand, asset: Uuid, version: Uuid) -> ItemId {
    Item::asset_id(order.app, at.iconik.host_name(), &asset.to_string(), &version.to_string())
}

/// The order's own name: the same when it comes again, another for every other order.
pub(crate) fn command_key(order: &IngestCommand) -> String {
    let event = order.event.as_ref().map(|it| format!("{}|{}|{}", it.realm, it.operation, it.request_id));
    let all = format!("{}|{:?}|{}", order.received_at, order.what, event.unwrap_or_default());
    sha256_hex(all.as_bytes())[..16].to_owned()
}

/// Whether an item is there that another order found. One that this order found may be half done.
pub(crate) async fn is_known(
    parts: &Context,
    at: &Session,
    order: &IngestCommand,
    asset: Uuid,
    version: Uuid,
) -> Result<bool, TableError> {
    let known = parts.table.known_items(&[item_id(at, order, asset, version)]).await?;
    Ok(known.first().is_some_and(|it| order.force || it.1 != command_key(order)))
}

/// Stores an item and tells of it, each once, whatever is repeated.
pub(crate) async fn store(parts: &Context, order: &IngestCommand, item: Item) -> Result<(), TableError> {
    if parts.table.put_found_item(&item).await? == PutOutcome::AlreadyExists {
        return Ok(()); // another order was faster, and tells
    }
    let write_id = format!("{}.found", item.id);
    if parts.table.published_since(order.app, &Stream::App, order.received_at).await?.contains_key(&write_id) {
        return Ok(());
    }
    let error = || item.error.as_ref().map(|it| json!({ "code": it.code, "message": it.message }));
    let news = match item.status {
        ItemStatus::Skipped => {
            NewNotification::new("item.skipped", json!({ "item": item.reference(), "error": error() }))
        }
        ItemStatus::Failed => {
            NewNotification::new("item.failed", json!({ "item": item.reference(), "error": error() }))
        }
        _ => NewNotification::new("item.found", json!({ "item": item.reference() })),
    };
    parts.table.append(order.app, &Stream::App, &[news], &write_id, clock::now()).await?;
    tracing::info!(item.id = %item.id, asset = item.key, "found {} in Iconik: {}", item.display_name(), item.status.name());
    Ok(())
}
