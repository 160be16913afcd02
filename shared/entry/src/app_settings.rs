//! Settings of applications, remembered for a moment.

use std::sync::Arc;
use std::time::Duration;

use domain::AppId;
use domain::settings::Settings;
use table::{Table, TableError};

use crate::TtlCache;

/// How soon a change of settings is obeyed.
const SETTINGS_TTL: Duration = Duration::from_secs(10);
const MAX_CACHED: usize = 1_000;

/// Reads settings of applications.
pub struct AppSettings {
    table: Table,
    cache: TtlCache<AppId, Arc<Settings>>,
}

impl AppSettings {
    pub fn new(table: Table) -> Self {
        Self { table, cache: TtlCache::new(MAX_CACHED) }
    }

    pub async fn get(&self, app: AppId) -> Result<Arc<Settings>, TableError> {
        match self.cache.get(&app) {
            Some(it) => Ok(it),
            None => self.reload(app).await,
        }
    }

    /// The settings as they are now: for what follows a change of them.
    pub async fn reload(&self, app: AppId) -> Result<Arc<Settings>, TableError> {
        let it = Arc::new(self.table.settings(app).await?);
        self.cache.put(app, it.clone(), SETTINGS_TTL);
        Ok(it)
    }
}
