//! The consequences of a notification in an inbox: it replaces older ones of its collapse key, and its expiry and escalation
//! are scheduled. Most notifications have none of these, and cost no request here.

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

use crate::context::Context;

/// What expires within this time is queued at once: it may expire before the next run of the sweep, which looks 90 seconds
/// ahead.
const IMMEDIATE_MS: i64 = 90_000;
/// Inboxes that are processed concurrently.
const MAX_CONCURRENT_INBOXES: usize = 16;

/// Processes the inboxes of a batch, each one time.
pub(crate) async fn process(
    context: &Context,
    now: OffsetDateTime,
    published: &[NotificationBatch],
) -> Result<(), Box<dyn Error>> {
    let mut inboxes: BTreeMap<(AppId, &str), Vec<&Notification>> = BTreeMap::new();
    for batch in published {
        for notification in &batch.notifications {
            if let Stream::User(user) = &notification.id.stream {
                inboxes.entry((batch.app, user)).or_default().push(notification);
            }
        }
    }
    let work = inboxes.iter().map(|((app, user), all)| process_inbox(context, now, *app, user, all));
    stream::iter(work).buffer_unordered(MAX_CONCURRENT_INBOXES).try_collect::<Vec<()>>().await.map(drop)
}

async fn process_inbox(
    context: &Context,
    now: OffsetDateTime,
    app: AppId,
    user: &str,
    notifications: &[&Notification],
) -> Result<(), Box<dyn Error>> {
    for notification in notifications {
        schedule(context, now, app, user, notification).await?;
    }
    // the sender has recorded the expiries, unless it crashed after the append
    let expiring: Vec<Expiry> = notifications.iter().filter_map(|it| expiry::from_notification(it)).collect();
    if !expiring.is_empty() && !expiry::record(&context.table, app, user, &expiring).await? {
        return Err("an inbox is changing all the time".into());
    }
    // the newest notification of a key stays; the older ones are deleted first, so that a retry finds what is left to do
    let mut newest: BTreeMap<&str, Position> = BTreeMap::new();
    let mut replaced: Vec<PositionRange> = Vec::new();
    for notification in notifications.iter().filter(|it| !is_change_type(&it.kind)) {
        let Some(key) = notification.collapse_key() else { continue };
        let position = notification.id.position();
        let before = match newest.get(key) {
            Some(before) => Some(*before),
            None => context.table.newest_of_collapse_key(app, user, key).await?.filter(|it| it.epoch == position.epoch),
        };
        if let Some(before) = before.filter(|it| it.sequence != position.sequence) {
            replaced.push(before.min(position).into());
        }
        newest.insert(key, before.map_or(position, |it| it.max(position)));
    }
    if !replaced.is_empty() {
        delete(context, app, user, &replaced).await?;
    }
    for (key, position) in newest {
        if !context.table.put_newest_of_collapse_key(app, user, key, position, now).await? {
            // another batch has recorded a newer one, which replaces this one
            delete(context, app, user, &[position.into()]).await?;
        }
    }
    Ok(())
}

/// Deletes replaced notifications. If the read state is full they stay: the stream must not wait for that.
async fn delete(context: &Context, app: AppId, user: &str, ranges: &[PositionRange]) -> Result<(), Box<dyn Error>> {
    match read_state::apply(&context.table, app, user, InboxAction::Delete, ranges, entry::clock::now()).await {
        Err(error @ TableError::Full { .. }) => {
            tracing::error!(error = %error, "a notification that was replaced stays: {error}");
            Ok(())
        }
        applied => applied?.map(drop).ok_or_else(|| "an inbox is changing all the time".into()),
    }
}

/// Schedules the expiry and the escalation of a notification. An update may set another expiry.
async fn schedule(
    context: &Context,
    now: OffsetDateTime,
    app: AppId,
    user: &str,
    notification: &Notification,
) -> Result<(), Box<dyn Error>> {
    let id = if notification.kind == UPDATED {
        notification.data.get("updates").and_then(Value::as_str).and_then(|it| it.parse().ok())
    } else {
        (!is_change_type(&notification.kind)).then(|| notification.id.clone())
    };
    let Some(id) = id else { return Ok(()) };
    let entry = || InboxEntry { app, user: user.to_owned(), id: id.clone() };
    // what became due before this batch was handled is due at once
    if let Some(at) = notification.expires_at() {
        if at - millis(now) <= IMMEDIATE_MS {
            let command = PushCommand::new(app, id.stream.to_string(), Push::Expire { user: user.to_owned(), at });
            context.pushes.send(&command, delay_until(at, now)).await?;
        } else {
            context.table.put_due(&DueEntry { at, work: DueWork::Expire(entry()) }).await?;
        }
    }
    let escalation = notification.data.pointer("/escalation/at").and_then(Value::as_str);
    if let Some(at) = escalation.and_then(|it| OffsetDateTime::parse(it, &Rfc3339).ok()) {
        context.table.put_due(&DueEntry { at: millis(at.max(now)), work: DueWork::Escalate(entry()) }).await?;
    }
    Ok(())
}
