//! Escalation: what a user has not read in time, the application's webhooks are told; reading it before cancels that.

use domain::inbox::{Entry, Escalation};
use domain::notification::{News, Stream};
use serde_json::{Value, json};
use table::{Table, TableError};
use time::OffsetDateTime;

/// Tells the webhooks of a notification that is still unread, or notes why not. `at` is when it fell due, in milliseconds.
pub async fn run(table: &Table, it: &Entry, at: i64, now: OffsetDateTime) -> Result<(), TableError> {
    if table.escalated(it).await?.is_some() {
        return Ok(());
    }
    let open = table.marks(it.app, &it.user).await?.is_open(it.id.sequence);
    let notification = if open { table.notification(it.app, &it.id).await? } else { None };
    let Some(notification) = notification.filter(|it| !it.has_expired(now)) else {
        tracing::info!(notification.id = %it.id, "an escalation was cancelled: the notification was read, archived or deleted, or has expired");
        return table.put_escalated(it, Escalation::Cancelled, now).await;
    };
    let write_id = format!("{}.escalated", it.id);
    // an earlier try may have told it and died
    if !table.told_since(it.app, &Stream::App, at).await?.contains_key(&write_id) {
        let data = json!({
            "user": it.user,
            "notification": { "id": notification.id, "type": notification.kind, "data": notification.data },
        });
        table.append(it.app, &Stream::App, &[News::new("notification.escalated", data)], &write_id, now).await?;
    }
    table.put_escalated(it, Escalation::Told, now).await
}

/// How an escalation stands, for whoever looks at the notification; `None` if it has none.
pub async fn state(table: &Table, it: &Entry, data: &Value) -> Result<Option<Escalation>, TableError> {
    if data.get("escalation").is_none() {
        return Ok(None);
    }
    if let Some(state) = table.escalated(it).await? {
        return Ok(Some(state));
    }
    let open = table.marks(it.app, &it.user).await?.is_open(it.id.sequence);
    Ok(Some(if open { Escalation::Pending } else { Escalation::Cancelled }))
}
