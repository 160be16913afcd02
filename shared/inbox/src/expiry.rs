//! Expiry of notifications: recorded in the read state when they are sent, and deleted when the time has come.

use std::future::ready;

use domain::AppId;
use domain::expiry::Expiry;
use domain::inbox::{ReadState, UPDATED, is_change_type};
use domain::notification::{Notification, NotificationId};
use serde_json::Value;
use table::{Table, TableError};
use time::OffsetDateTime;

use crate::read_state;

/// When a notification expires, or, for an update, the notification that it updates. `None` if it does not expire.
pub fn from_notification(notification: &Notification) -> Option<Expiry> {
    let number = if notification.kind == UPDATED {
        notification.data.get("updates").and_then(Value::as_str)?.parse::<NotificationId>().ok()?.sequence
    } else if is_change_type(&notification.kind) {
        return None;
    } else {
        notification.id.sequence
    };
    Some(Expiry { number, at: notification.expires_at()?, set_by: notification.id.sequence })
}

/// Records when notifications of a user's inbox expire. `false` if other writers were faster at each attempt. Where the
/// read state is full, expired notifications stay in the counts.
///
/// # Errors
/// If the table cannot be read or written.
pub async fn record(table: &Table, app: AppId, user: &str, new: &[Expiry]) -> Result<bool, TableError> {
    let add = |before: ReadState| {
        let mut next = before.clone();
        let changed = new.iter().filter(|it| next.set_expiry(**it)).count();
        next.revision += 1;
        (changed > 0).then_some(next)
    };
    match read_state::update(table, app, user, |before| ready(Ok(add(before)))).await {
        Err(error @ TableError::Full { .. }) => {
            tracing::error!(error = %error, "expired notifications stay in the counts of an inbox: {error}");
            Ok(true)
        }
        outcome => outcome,
    }
}

/// Deletes what has expired in a user's inbox. `false` if other writers were faster at each attempt.
///
/// # Errors
/// If the table cannot be read or written.
pub async fn delete_expired(table: &Table, app: AppId, user: &str, now: OffsetDateTime) -> Result<bool, TableError> {
    let now_ms = domain::millis(now);
    read_state::update(table, app, user, |before| ready(Ok(before.delete_expired(now_ms)))).await
}
