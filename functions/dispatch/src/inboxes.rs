//! What follows from a notification in an inbox: it replaces the one before it of the same key, it will expire, it will be
//! escalated. Most have none of that, and cost nothing here.

use std::error::Error;

use domain::inbox::{Change, Entry, is_change};
use domain::notification::{Notification, Stream};
use domain::{AppId, millis};
use inbox::marking;
use serde_json::Value;
use table::{Batch, Due, DueWork};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::handler::Parts;

pub(crate) async fn follow(parts: &Parts, now: OffsetDateTime, told: &[Batch]) -> Result<(), Box<dyn Error>> {
    for batch in told {
        for it in &batch.notifications {
            if let Stream::User(user) = &it.id.stream
                && !is_change(&it.kind)
            {
                one(parts, now, batch.app, user, it).await?;
            }
        }
    }
    Ok(())
}

async fn one(
    parts: &Parts,
    now: OffsetDateTime,
    app: AppId,
    user: &str,
    it: &Notification,
) -> Result<(), Box<dyn Error>> {
    let entry = || Entry { app, user: user.to_owned(), id: it.id.clone() };
    if let Some(key) = it.data.get("collapseKey").and_then(Value::as_str) {
        let number = it.id.sequence;
        let before = parts.table.collapse(app, user, key, number, now).await?;
        // of two that come in another order the older one goes
        if let Some(older) = before.filter(|it| *it != number).map(|it| it.min(number)) {
            let marked = marking::apply(&parts.table, app, user, Change::Delete, &[(older, older)]).await?;
            marked.ok_or("an inbox is changing all the time")?;
        }
    }
    for (at, what) in [
        (it.data.get("expiresAt"), DueWork::Expire as fn(Entry) -> DueWork),
        (it.data.pointer("/escalation/at"), DueWork::Escalate),
    ] {
        let at = at.and_then(Value::as_str).and_then(|it| OffsetDateTime::parse(it, &Rfc3339).ok());
        if let Some(at) = at {
            // what fell due while the stream waited is done with the next run of the sweep
            parts.table.put_due(&Due { at: millis(at.max(now)), what: what(entry()) }).await?;
        }
    }
    Ok(())
}
