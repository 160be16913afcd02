//! An asset: is there a new version in it, and what becomes of that?

use domain::command::IngestCommand;
use domain::ingest::{Media, Original, plan};
use domain::media_type::{OCTET_STREAM, VisualContent, classify_type};
use iconik::asset::{Asset, Ineligible};
use iconik::source::{describe, needs_proxies, original_media_type};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::context::{Context, Session};
use crate::error::{IngestError, IngestOutcome};
use crate::store::{self, Candidate};

/// Collections of an asset whose ancestors are read: each is a request.
const MAX_COLLECTIONS: usize = 20;

/// Handles an asset as it is now, whatever the event said about it. `announced` is the version that the event named.
pub(crate) async fn ingest(
    context: &Context,
    session: &Session,
    command: &IngestCommand,
    id: Uuid,
    announced: Option<Uuid>,
    now: OffsetDateTime,
) -> Result<IngestOutcome, IngestError> {
    // Iconik is not asked about a version that is known already
    if let Some(version) = announced
        && !command.force
        && store::is_known(context, session, command, id, version).await?
    {
        return Ok(IngestOutcome::Done);
    }
    let Some(asset) = session.iconik.asset(id).await? else {
        tracing::info!(asset = %id, "asset {id} is gone");
        return Ok(IngestOutcome::Done);
    };
    let (version, unavailable) = match asset.active() {
        Ok(version) => (version, None),
        Err(Ineligible::NotMedia(reason)) => {
            tracing::info!(asset = %id, "asset {id} is ignored: {reason}");
            return Ok(IngestOutcome::Done);
        }
        Err(Ineligible::Unavailable(reason)) => match asset.versions.last() {
            Some(version) => (version, Some(reason)),
            None => return Ok(IngestOutcome::Done),
        },
    };
    let (processors, types) = (&session.settings.processor, session.settings.media_types());
    if let Some(reason) = unavailable {
        let original = Original { media_type: OCTET_STREAM, visual: VisualContent::Unknown };
        let plan = plan(processors, &types, original, &Media::Unavailable { reason }, command.attempt);
        let candidate = Candidate { asset: &asset, version, media_type: OCTET_STREAM };
        return Ok(store::apply(context, session, command, candidate, plan, now).await?);
    }
    if store::is_known(context, session, command, id, version.id).await? {
        if command.force {
            store::reprocess_known(context, session, command, id, version.id, now).await?;
        }
        return Ok(IngestOutcome::Done);
    }
    if !is_watched(session, &asset).await? {
        return Ok(IngestOutcome::Done);
    }
    let files = session.iconik.files(id).await?;
    let named = match original_media_type(version.id, &files) {
        Some(named) => Some(named),
        None => session.iconik.original_type(id).await?.map(|it| (it.clone(), classify_type(&it))),
    };
    let (media_type, visual) = named.unwrap_or((OCTET_STREAM.to_owned(), VisualContent::Unknown));
    let proxies = match needs_proxies(&media_type, version.id, &files) {
        true => session.iconik.proxies(id).await?,
        false => Vec::new(),
    };
    let (original, media) = describe((&media_type, visual), version.id, &proxies, &files, command.attempt);
    let plan = plan(processors, &types, original, &media, command.attempt);
    let candidate = Candidate { asset: &asset, version, media_type: &media_type };
    Ok(store::apply(context, session, command, candidate, plan, now).await?)
}

/// Whether the asset lies below a collection that is watched.
async fn is_watched(session: &Session, asset: &Asset) -> Result<bool, IngestError> {
    let watched = &session.settings.iconik_collections;
    let is_listed = |it: &Uuid| watched.contains(&it.to_string());
    if watched.is_empty() || asset.in_collections.iter().any(is_listed) {
        return Ok(true);
    }
    for collection in asset.in_collections.iter().take(MAX_COLLECTIONS) {
        if session.iconik.ancestors(*collection).await?.iter().any(is_listed) {
            return Ok(true);
        }
    }
    Ok(false)
}
