//! What follows from a notification in an inbox: it replaces the one before it of the same key, it will expire, it will be
//! escalated. Most have none of that, and cost nothing here.

use std::collections::BTreeMap;
use std::error::Error;

use domain::command::{Push, PushCommand, delay_until};
use domain::expiry::Expiry;
use domain::inbox::{InboxAction, InboxEntry, UPDATED, is_change_type};
use domain::notification::{Notification, Position, Stream};
use domain::{AppId, millis};
use futures_util::{StreamExt, TryStreamExt, stream};
use inbox::expiry;
use inbox::read_state::{self, PositionRange};
use serde_json::Value;
use table::{DueEntry, DueWork, NotificationBatch, TableError};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::handler::Context;

/// What expires within this time, in milliseconds, may do so before the sweep's next run, which looks 90 s ahead: it is
/// ordered at once.
const IMMEDIATE_MS: i64 = 90_000;
/// Inboxes that are looked after at once.
const MAX_CONCURRENT_INBOXES: usize = 16;

/// Looks after the inboxes of a batch, each once.
pub(crate) async fn process(
    parts: &Context,
    now: OffsetDateTime,
    told: &[NotificationBatch],
) -> Result<(), Box<dyn Error>> {
    let mut inboxes: BTreeMap<(AppId, &str), Vec<&Notification>> = BTreeMap::new();
    for batch in told {
        for it in &batch.notifications {
            if let Stream::User(user) = &it.id.stream {
                inboxes.entry((batch.app, user)).or_default().push(it);
            }
        }
    }
    let work = inboxes.iter().map(|((app, user), all)| process_inbox(parts, now, *app, user, all));
    stream::iter(work).buffer_unordered(MAX_CONCURRENT_INBOXES).try_collect::<Vec<()>>().await.map(drop)
}

async fn process_inbox(
    parts: &Context,
    now: OffsetDateTime,
    app: AppId,
    user: &str,
    all: &[&Notification],
) -> Result<(), Box<dyn Error>> {
    for it in all {
        schedule(parts, now, app, user, it).await?;
    }
    // whoever sent them has noted that, unless it died in between
    let expiring: Vec<Expiry> = all.iter().filter_map(|it| expiry::from_notification(it)).collect();
    if !expiring.is_empty() && !expiry::record(&parts.table, app, user, &expiring).await? {
        return Err("an inbox is changing all the time".into());
    }
    // of one key the newest stays; what it replaces goes first, so that a repeat finds what is left to do
    let mut newest: BTreeMap<&str, Position> = BTreeMap::new();
    let mut gone: Vec<PositionRange> = Vec::new();
    for it in all.iter().filter(|it| !is_change_type(&it.kind)) {
        let Some(key) = it.data.get("collapseKey").and_then(Value::as_str) else { continue };
        let place = it.id.position();
        let before = match newest.get(key) {
            Some(before) => Some(*before),
            None => parts.table.newest_of_collapse_key(app, user, key).await?.filter(|it| it.epoch == place.epoch),
        };
        if let Some(before) = before.filter(|it| it.sequence != place.sequence) {
            gone.push(before.min(place).into());
        }
        newest.insert(key, before.map_or(place, |it| it.max(place)));
    }
    if !gone.is_empty() {
        delete(parts, app, user, &gone).await?;
    }
    for (key, place) in newest {
        if !parts.table.put_newest_of_collapse_key(app, user, key, place, now).await? {
            // a newer one came another way: this one is replaced by it
            delete(parts, app, user, &[place.into()]).await?;
        }
    }
    Ok(())
}

/// Deletes what was replaced. An inbox whose marks are full keeps it: the batch, and all behind it, must not wait for that.
async fn delete(parts: &Context, app: AppId, user: &str, spans: &[PositionRange]) -> Result<(), Box<dyn Error>> {
    match read_state::apply(&parts.table, app, user, InboxAction::Delete, spans, entry::clock::now()).await {
        Err(error @ TableError::Full { .. }) => {
            tracing::error!(error = %error, "a notification that was replaced stays: {error}");
            Ok(())
        }
        marked => marked?.map(drop).ok_or_else(|| "an inbox is changing all the time".into()),
    }
}

/// Notes when it expires and is escalated. A change may give a notification another time to expire.
async fn schedule(
    parts: &Context,
    now: OffsetDateTime,
    app: AppId,
    user: &str,
    it: &Notification,
) -> Result<(), Box<dyn Error>> {
    let id = if it.kind == UPDATED {
        it.data.get("updates").and_then(Value::as_str).and_then(|it| it.parse().ok())
    } else {
        (!is_change_type(&it.kind)).then(|| it.id.clone())
    };
    let Some(id) = id else { return Ok(()) };
    let entry = || InboxEntry { app, user: user.to_owned(), id: id.clone() };
    // what fell due while the stream waited is done at once, or with the next run of the sweep
    if let Some(at) = it.expires_at() {
        if at - millis(now) <= IMMEDIATE_MS {
            let order = PushCommand::new(app, id.stream.to_string(), Push::Expire { user: user.to_owned(), at });
            parts.pushes.send(&order, delay_until(at, now)).await?;
        } else {
            parts.table.put_due(&DueEntry { at, work: DueWork::Expire(entry()) }).await?;
        }
    }
    let escalated = it.data.pointer("/escalation/at").and_then(Value::as_str);
    if let Some(at) = escalated.and_then(|it| OffsetDateTime::parse(it, &Rfc3339).ok()) {
        parts.table.put_due(&DueEntry { at: millis(at.max(now)), work: DueWork::Escalate(entry()) }).await?;
    }
    Ok(())
}
