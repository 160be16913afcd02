//! Settings of applications, remembered for a moment.

use std::sync::Arc;
use std::time::Duration;

use domain::AppId;
use domain::settings::Settings;
use table::{Table, TableError};

use crate::Remembered;

/// How soon a change of settings is obeyed.
const KEPT: Duration = Duration::from_secs(10);
const MOST: usize = 1_000;

/// Reads settings of applications.
pub struct AppSettings {
    table: Table,
    kept: Remembered<AppId, Arc<Settings>>,
}

impl AppSettings {
    pub fn new(table: Table) -> Self {
        Self { table, kept: Remembered::new(MOST) }
    }

    pub async fn of(&self, app: AppId) -> Result<Arc<Settings>, TableError> {
        match self.kept.get(&app) {
            Some(it) => Ok(it),
            None => self.fresh(app).await,
        }
    }

    /// The settings as they are now: for what follows a change of them.
    pub async fn fresh(&self, app: AppId) -> Result<Arc<Settings>, TableError> {
        let it = Arc::new(self.table.settings(app).await?);
        self.kept.put(app, it.clone(), KEPT);
        Ok(it)
    }
}
