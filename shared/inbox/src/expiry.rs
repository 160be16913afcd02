//! What expires: noted among the marks when it is sent, deleted when its time has come.

use std::time::Duration;

use domain::AppId;
use domain::expiry::Expiry;
use domain::inbox::{ReadState, UPDATED, is_change_type};
use domain::notification::{Notification, NotificationId};
use serde_json::Value;
use table::{Table, TableError};
use time::OffsetDateTime;

use crate::connection_sender::pause;

/// Tries against others who mark the same inbox.
const MAX_ATTEMPTS: u64 = 20;

/// When a notification expires, or the one that it changes; `None` if it does not.
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

/// Notes when notifications of a user's inbox expire; `false` if others were always faster. An inbox whose marks are full
/// keeps them in its counts.
pub async fn record(table: &Table, app: AppId, user: &str, new: &[Expiry]) -> Result<bool, TableError> {
    let change = |marks: &ReadState| {
        let mut next = marks.clone();
        let changed = new.iter().filter(|it| next.set_expiry(**it)).count();
        next.revision += 1;
        (changed > 0).then_some(next)
    };
    match update_read_state(table, app, user, change).await {
        Err(error @ TableError::Full { .. }) => {
            tracing::error!(error = %error, "what expires stays in the counts of an inbox: {error}");
            Ok(true)
        }
        done => done,
    }
}

/// Deletes what has expired in a user's inbox; `false` if others were always faster.
pub async fn delete_expired(table: &Table, app: AppId, user: &str, now: OffsetDateTime) -> Result<bool, TableError> {
    let at = domain::millis(now);
    update_read_state(table, app, user, |marks| marks.delete_expired(at)).await
}

async fn update_read_state(
    table: &Table,
    app: AppId,
    user: &str,
    change: impl Fn(&ReadState) -> Option<ReadState>,
) -> Result<bool, TableError> {
    for attempt in 0..MAX_ATTEMPTS {
        let Some(next) = change(&table.read_state(app, user).await?) else { return Ok(true) };
        if table.put_read_state(app, user, &next).await? {
            return Ok(true);
        }
        pause(Duration::from_millis(attempt * 7 % 50 + 3)).await;
    }
    Ok(false)
}
