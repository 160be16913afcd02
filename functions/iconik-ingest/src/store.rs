//! Items of assets: whether one is known, how a plan is stored, and what is published about it.

use domain::ItemId;
use domain::command::IngestCommand;
use domain::id::sha256_hex;
use domain::ingest::IngestPlan;
use domain::item::{AssetVersion, Item, ItemStatus, Problem, URGENT_PRIORITY};
use domain::media_type::OCTET_STREAM;
use domain::notification::{NewNotification, Stream};
use domain::processing::reprocess;
use entry::clock;
use iconik::asset::{Asset, Version};
use serde_json::json;
use table::{CommitOutcome, PutOutcome, TableError};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::context::{Context, Session};
use crate::error::IngestOutcome;

/// Attempts to commit a transition of an item that others change at the same time.
const MAX_COMMIT_ATTEMPTS: usize = 3;

/// The id of the item of an asset's version.
fn item_id(session: &Session, command: &IngestCommand, asset: Uuid, version: Uuid) -> ItemId {
    Item::asset_id(command.app, session.iconik.host_name(), &asset.to_string(), &version.to_string())
}

/// Identifies a command: the same when it comes again, another one for every other command.
fn command_key(command: &IngestCommand) -> String {
    let event = command.event.as_ref().map(|it| format!("{}|{}|{}", it.realm, it.operation, it.request_id));
    let all = format!("{}|{:?}|{}", command.received_at, command.what, event.unwrap_or_default());
    sha256_hex(all.as_bytes())[..16].to_owned()
}

/// Whether another command has stored the item. If this command has stored it in an earlier attempt, its notification
/// may still be missing.
pub(crate) async fn is_known(
    context: &Context,
    session: &Session,
    command: &IngestCommand,
    asset: Uuid,
    version: Uuid,
) -> Result<bool, TableError> {
    let known = context.table.known_items(&[item_id(session, command, asset, version)]).await?;
    Ok(known.first().is_some_and(|it| command.force || it.1 != command_key(command)))
}

/// The version that a plan is about.
pub(crate) struct Candidate<'a> {
    pub(crate) asset: &'a Asset,
    pub(crate) version: &'a Version,
    /// The media type of the original.
    pub(crate) media_type: &'a str,
}

impl Candidate<'_> {
    fn item(&self, session: &Session, command: &IngestCommand, size: u64, media_type: &str) -> Item {
        let (asset, version) = (self.asset.id.to_string(), self.version.id.to_string());
        let (priority, found_by) = (session.settings.priority, command_key(command));
        let version = AssetVersion {
            app: command.app,
            host: session.iconik.host_name(),
            asset: &asset,
            version: &version,
            title: &self.asset.title,
            size,
            media_type: media_type.to_owned(),
            processor: session.settings.processor.clone(),
            // a user who asks for it waits for it
            priority: if command.force { priority.max(URGENT_PRIORITY) } else { priority },
            found_by: &found_by,
        };
        Item::from_asset(version, domain::from_millis(command.received_at))
    }
}

/// Carries out a plan: stores the item that follows from it, if any.
pub(crate) async fn apply(
    context: &Context,
    session: &Session,
    command: &IngestCommand,
    candidate: Candidate<'_>,
    plan: IngestPlan,
    now: OffsetDateTime,
) -> Result<IngestOutcome, TableError> {
    let ended = |media_type: &str, status, error| Item {
        status,
        updated_at: domain::millis(now),
        error: Some(error),
        ..candidate.item(session, command, 0, media_type)
    };
    let item = match plan {
        IngestPlan::Wait => return Ok(IngestOutcome::RetryLater),
        IngestPlan::Take { size } => candidate.item(session, command, size, candidate.media_type),
        IngestPlan::Skip { reason } => {
            ended(candidate.media_type, ItemStatus::Skipped, Problem::new("not_wanted", reason))
        }
        IngestPlan::Fail { error } => ended(OCTET_STREAM, ItemStatus::Failed, error),
    };
    store(context, command, item).await?;
    Ok(IngestOutcome::Done)
}

/// Queues a known version for processing again, as a user has asked.
pub(crate) async fn reprocess_known(
    context: &Context,
    session: &Session,
    command: &IngestCommand,
    asset: Uuid,
    version: Uuid,
    now: OffsetDateTime,
) -> Result<(), TableError> {
    let id = item_id(session, command, asset, version);
    for _ in 0..MAX_COMMIT_ATTEMPTS {
        let Some(item) = context.table.item(id).await? else { return Ok(()) };
        let Some(transition) = reprocess(now, &item, None) else { return Ok(()) };
        if context.table.commit(&transition, now).await? == CommitOutcome::Committed {
            return Ok(());
        }
    }
    Ok(()) // it changes all the time, so it is being processed
}

/// Stores an item and publishes its notification, each once, however often the command is repeated.
async fn store(context: &Context, command: &IngestCommand, item: Item) -> Result<(), TableError> {
    if context.table.put_found_item(&item).await? == PutOutcome::AlreadyExists {
        return Ok(()); // another command was faster, and publishes
    }
    let write_id = format!("{}.found", item.id);
    if context.table.published_since(command.app, &Stream::App, command.received_at).await?.contains_key(&write_id) {
        return Ok(());
    }
    let error = || item.error.as_ref().map(|it| json!({ "code": it.code, "message": it.message }));
    let notification = match item.status {
        ItemStatus::Skipped => {
            NewNotification::new("item.skipped", json!({ "item": item.reference(), "error": error() }))
        }
        ItemStatus::Failed => {
            NewNotification::new("item.failed", json!({ "item": item.reference(), "error": error() }))
        }
        _ => NewNotification::new("item.found", json!({ "item": item.reference() })),
    };
    context.table.append(command.app, &Stream::App, &[notification], &write_id, clock::now()).await?;
    tracing::info!(item.id = %item.id, asset = item.key, "found {} in Iconik: {}", item.display_name(), item.status.name());
    Ok(())
}
