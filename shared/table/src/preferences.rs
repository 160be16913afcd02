//! Users' preferences, and the outcome of escalations.

use domain::AppId;
use domain::inbox::{Escalation, InboxEntry, Preferences};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::codec::{self, Attributes};
use crate::error::TableError;
use crate::keys::Row;
use crate::streams::RETENTION;
use crate::table::Table;

#[derive(Serialize, Deserialize)]
struct EscalationRow {
    state: Escalation,
}

impl Table {
    /// A user's preferences; the defaults if none are stored. Eventually consistent: they are read for every
    /// notification.
    pub async fn preferences(&self, app: AppId, user: &str) -> Result<Preferences, TableError> {
        Ok(self.get_eventual(&Row::Preferences(app, user.to_owned())).await?.unwrap_or_default())
    }

    /// Stores a user's preferences.
    pub async fn put_preferences(&self, app: AppId, user: &str, preferences: &Preferences) -> Result<(), TableError> {
        self.put(&Row::Preferences(app, user.to_owned()), preferences, Attributes::new()).await
    }

    /// The outcome of an entry's escalation; `None` if it is not due yet.
    pub async fn escalation(&self, entry: &InboxEntry) -> Result<Option<Escalation>, TableError> {
        let row: Option<EscalationRow> = self.get(&Row::Escalation(entry.app, entry.id.clone())).await?;
        Ok(row.map(|it| it.state))
    }

    /// Stores the outcome of an entry's escalation, as long as the notification is kept.
    pub async fn put_escalation(
        &self,
        entry: &InboxEntry,
        state: Escalation,
        now: OffsetDateTime,
    ) -> Result<(), TableError> {
        let row = Row::Escalation(entry.app, entry.id.clone());
        self.put(&row, &EscalationRow { state }, codec::ttl((now + RETENTION).unix_timestamp())).await
    }
}
