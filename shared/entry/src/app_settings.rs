//! Settings of applications, remembered for a moment.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use domain::AppId;
use domain::settings::Settings;
use table::{Table, TableError};

/// How soon a change of settings is obeyed.
const KEPT: Duration = Duration::from_secs(10);
const MOST: usize = 1_000;

/// Reads settings of applications.
pub struct AppSettings {
    table: Table,
    kept: Mutex<HashMap<AppId, (Instant, Arc<Settings>)>>,
}

impl AppSettings {
    pub fn new(table: Table) -> Self {
        Self { table, kept: Mutex::default() }
    }

    pub async fn of(&self, app: AppId) -> Result<Arc<Settings>, TableError> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(&app).cloned();
        if let Some((at, it)) = kept
            && at.elapsed() < KEPT
        {
            return Ok(it);
        }
        self.fresh(app).await
    }

    /// The settings as they are now: for what follows a change of them.
    pub async fn fresh(&self, app: AppId) -> Result<Arc<Settings>, TableError> {
        let it = Arc::new(self.table.settings(app).await?);
        let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST {
            all.clear();
        }
        all.insert(app, (Instant::now(), it.clone()));
        Ok(it)
    }
}
