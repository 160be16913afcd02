//! Escalation: what a user has not read in time, the application's webhooks are told; reading it before cancels that.

use domain::inbox::{Escalation, InboxEntry};
use domain::notification::{NewNotification, Stream};
use serde_json::{Value, json};
use table::{Table, TableError};
use time::OffsetDateTime;

/// Tells the webhooks of a notification that is still unread, or notes why not. `at` is when it fell due, in milliseconds.
pub async fn escalate_if_unread(
    table: &Table,
    entry: &InboxEntry,
    at: i64,
    now: OffsetDateTime,
) -> Result<(), TableError> {
    if table.escalation(entry).await?.is_some() {
        return Ok(());
    }
    let open = table.read_state(entry.app, &entry.user).await?.is_open(entry.id.sequence);
    let notification = if open { table.notification(entry.app, &entry.id).await? } else { None };
    let Some(notification) = notification.filter(|it| !it.has_expired(now)) else {
        tracing::info!(notification.id = %entry.id, "an escalation was cancelled: the notification was read, archived or deleted, or has expired");
        return table.put_escalation(entry, Escalation::Cancelled, now).await;
    };
    let write_id = format!("{}.escalated", entry.id);
    // an earlier try may have told it and died
    if !table.published_since(entry.app, &Stream::App, at).await?.contains_key(&write_id) {
        let data = json!({
            "user": entry.user,
            "notification": { "id": notification.id, "type": notification.kind, "data": notification.data },
        });
        table
            .append(entry.app, &Stream::App, &[NewNotification::new("notification.escalated", data)], &write_id, now)
            .await?;
    }
    table.put_escalation(entry, Escalation::Published, now).await
}

/// How an escalation stands, for whoever looks at the notification; `None` if it has none.
pub async fn state(table: &Table, entry: &InboxEntry, data: &Value) -> Result<Option<Escalation>, TableError> {
    if data.get("escalation").is_none() {
        return Ok(None);
    }
    if let Some(state) = table.escalation(entry).await? {
        return Ok(Some(state));
    }
    let open = table.read_state(entry.app, &entry.user).await?.is_open(entry.id.sequence);
    Ok(Some(if open { Escalation::Pending } else { Escalation::Cancelled }))
}
