//! Settings of applications, cached for ten seconds.

use std::sync::Arc;
use std::time::Duration;

use domain::AppId;
use domain::settings::Settings;
use table::{Table, TableError};

use crate::ttl_cache::TtlCache;

/// How long it takes at most until a change of settings applies.
const SETTINGS_TTL: Duration = Duration::from_secs(10);
const MAX_CACHED: usize = 1_000;

/// Reads settings of applications through a cache.
pub struct AppSettings {
    table: Table,
    cache: TtlCache<AppId, Arc<Settings>>,
}

impl AppSettings {
    /// Reads from this table; the cache is empty.
    pub fn new(table: Table) -> Self {
        Self { table, cache: TtlCache::new(MAX_CACHED) }
    }

    /// The settings of an application, at most ten seconds old.
    pub async fn get(&self, app: AppId) -> Result<Arc<Settings>, TableError> {
        match self.cache.get(&app) {
            Some(settings) => Ok(settings),
            None => self.reload(app).await,
        }
    }

    /// The settings of an application as they are now.
    pub async fn reload(&self, app: AppId) -> Result<Arc<Settings>, TableError> {
        let settings = Arc::new(self.table.settings(app).await?);
        self.cache.put(app, settings.clone(), SETTINGS_TTL);
        Ok(settings)
    }
}
