//! Escalation: publishes `notification.escalated` to the application's channels when a user has not read a notification in
//! time. Reading, archiving or deleting it before cancels the escalation.

use domain::inbox::{Escalation, InboxEntry};
use domain::notification::{NewNotification, Stream};
use serde_json::{Value, json};
use table::{Table, TableError};
use time::OffsetDateTime;

/// Publishes the escalation of a notification that is still unread, or stores that it was cancelled. `due_at` is when the
/// escalation fell due, in milliseconds. Running it again changes nothing.
///
/// # Errors
/// If the table cannot be read or written.
pub async fn escalate_if_unread(
    table: &Table,
    entry: &InboxEntry,
    due_at: i64,
    now: OffsetDateTime,
) -> Result<(), TableError> {
    if table.escalation(entry).await?.is_some() {
        return Ok(());
    }
    let is_open = table.read_state(entry.app, &entry.user).await?.is_open(entry.id.sequence);
    let notification = if is_open { table.notification(entry.app, &entry.id).await? } else { None };
    let Some(notification) = notification.filter(|it| !it.has_expired(now)) else {
        tracing::info!(notification.id = %entry.id, "an escalation was cancelled: the notification was read, archived or deleted, or has expired");
        return table.put_escalation(entry, Escalation::Cancelled, now).await;
    };
    let write_id = format!("{}.escalated", entry.id);
    // an earlier attempt may have published it and then failed
    if !table.published_since(entry.app, &Stream::App, due_at).await?.contains_key(&write_id) {
        let data = json!({
            "user": entry.user,
            "notification": { "id": notification.id, "type": notification.kind, "data": notification.data },
        });
        let escalated = NewNotification::new("notification.escalated", data);
        table.append(entry.app, &Stream::App, &[escalated], &write_id, now).await?;
    }
    table.put_escalation(entry, Escalation::Published, now).await
}

/// The state of a notification's escalation. `data` is the notification's; `None` if it has no escalation.
///
/// # Errors
/// If the table cannot be read.
pub async fn state(table: &Table, entry: &InboxEntry, data: &Value) -> Result<Option<Escalation>, TableError> {
    if data.get("escalation").is_none() {
        return Ok(None);
    }
    if let Some(state) = table.escalation(entry).await? {
        return Ok(Some(state));
    }
    let is_open = table.read_state(entry.app, &entry.user).await?.is_open(entry.id.sequence);
    Ok(Some(if is_open { Escalation::Pending } else { Escalation::Cancelled }))
}
