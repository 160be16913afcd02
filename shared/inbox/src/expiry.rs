//! What expires: noted among the marks when it is sent, deleted when its time has come.

use std::time::Duration;

use domain::AppId;
use domain::expiry::Expiry;
use domain::inbox::{Marks, UPDATED, is_change};
use domain::notification::{Notification, NotificationId};
use serde_json::Value;
use table::{Table, TableError};
use time::OffsetDateTime;

use crate::sending::moment;

/// Tries against others who mark the same inbox.
const TRIES: u64 = 20;

/// When a notification expires, or the one that it changes; `None` if it does not.
pub fn of(it: &Notification) -> Option<Expiry> {
    let number = if it.kind == UPDATED {
        it.data.get("updates").and_then(Value::as_str)?.parse::<NotificationId>().ok()?.sequence
    } else if is_change(&it.kind) {
        return None;
    } else {
        it.id.sequence
    };
    Some(Expiry { number, at: it.expires_at()?, by: it.id.sequence })
}

/// Notes when notifications of a user's inbox expire; `false` if others were always faster. An inbox whose marks are full
/// keeps them in its counts.
pub async fn note(table: &Table, app: AppId, user: &str, new: &[Expiry]) -> Result<bool, TableError> {
    let change = |marks: &Marks| {
        let mut next = marks.clone();
        let changed = new.iter().filter(|it| next.expires(**it)).count();
        next.revision += 1;
        (changed > 0).then_some(next)
    };
    match changed(table, app, user, change).await {
        Err(error @ TableError::Full { .. }) => {
            tracing::error!(error = %error, "what expires stays in the counts of an inbox: {error}");
            Ok(true)
        }
        done => done,
    }
}

/// Deletes what has expired in a user's inbox; `false` if others were always faster.
pub async fn end(table: &Table, app: AppId, user: &str, now: OffsetDateTime) -> Result<bool, TableError> {
    let at = domain::millis(now);
    changed(table, app, user, |marks| marks.ended(at)).await
}

async fn changed(
    table: &Table,
    app: AppId,
    user: &str,
    change: impl Fn(&Marks) -> Option<Marks>,
) -> Result<bool, TableError> {
    for attempt in 0..TRIES {
        let Some(next) = change(&table.marks(app, user).await?) else { return Ok(true) };
        if table.put_marks(app, user, &next).await? {
            return Ok(true);
        }
        moment(Duration::from_millis(attempt * 7 % 50 + 3)).await;
    }
    Ok(false)
}
