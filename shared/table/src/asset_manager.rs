//! The state of the connection to an application's asset manager.

use domain::AppId;
use domain::asset_manager::AssetManagerState;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::codec::{self, Attributes};
use crate::error::TableError;
use crate::keys::{self, Row};
use crate::table::Table;

#[derive(Serialize, Deserialize)]
struct AssetManagerRow {
    app: AppId,
    state: AssetManagerState,
}

#[derive(Deserialize)]
struct AssetManagerIndexRow {
    app: AppId,
}

impl Table {
    /// The state of an application's asset manager; the default if none is stored.
    pub async fn asset_manager(&self, app: AppId) -> Result<AssetManagerState, TableError> {
        let row: Option<AssetManagerRow> = self.get(&Row::AssetManager(app)).await?;
        Ok(row.map(|it| it.state).unwrap_or_default())
    }

    /// Stores a state. `sweep` finds it when its next check is due, unless it is no longer `watched`.
    pub async fn put_asset_manager(
        &self,
        app: AppId,
        state: &AssetManagerState,
        watched: bool,
    ) -> Result<(), TableError> {
        let extra = match watched {
            true => codec::open_index("MANAGERS", keys::time_key(state.next_at, &app.to_string())),
            false => Attributes::new(),
        };
        self.put(&Row::AssetManager(app), &AssetManagerRow { app, state: state.clone() }, extra).await
    }

    /// The applications whose asset manager is due for a check at `now`: pages are read until there are 1,000.
    pub async fn asset_managers_due(&self, now: OffsetDateTime) -> Result<Vec<AppId>, TableError> {
        let due: Vec<AssetManagerIndexRow> =
            self.query_open_index("MANAGERS", &keys::time_key(domain::millis(now), "~"), "manager", 1_000).await?;
        Ok(due.into_iter().map(|it| it.app).collect())
    }
}
