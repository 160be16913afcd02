//! Connections to Iconik by application, kept between invocations; and what happens when one is refused.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::AppId;
use domain::asset_manager::{AssetManagerState, on_unauthorized};
use domain::notification::Stream;
use domain::settings::Settings;
use domain::ssrf::AllowedNetworks;
use entry::{Meter, Secrets};
use table::{Table, TableError};
use time::OffsetDateTime;

use crate::{Iconik, IconikError, open};

/// Applications whose connections are kept.
const MAX_CONNECTIONS: usize = 200;

/// Opens connections, and keeps them while their settings stay the same.
pub struct Connections {
    table: Table,
    secrets: Arc<Secrets>,
    allowed: AllowedNetworks,
    meter: Meter,
    cache: Mutex<HashMap<AppId, (Settings, Arc<Iconik>)>>,
}

impl Connections {
    pub fn new(table: Table, secrets: Arc<Secrets>, allowed: AllowedNetworks, meter: Meter) -> Self {
        Self { table, secrets, allowed, meter, cache: Mutex::default() }
    }

    /// The connection that an application's settings describe.
    pub async fn get(&self, app: AppId, settings: &Settings) -> Result<Arc<Iconik>, IconikError> {
        let kept = self.cache.lock().unwrap_or_else(PoisonError::into_inner).get(&app).cloned();
        if let Some((as_it_was, it)) = kept
            && as_it_was == *settings
        {
            return Ok(it);
        }
        let it = Arc::new(open(app, settings, &self.secrets, &self.table, &self.allowed, &self.meter).await?);
        let mut all = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_CONNECTIONS {
            all.clear();
        }
        all.insert(app, (settings.clone(), it.clone()));
        Ok(it)
    }
}

/// Notes that Iconik refuses an application's credentials: nothing is asked until a probe succeeds. Tells it once.
pub async fn block(
    table: &Table,
    app: AppId,
    state: &AssetManagerState,
    why: &str,
    now: OffsetDateTime,
) -> Result<(), TableError> {
    let plan = on_unauthorized(now, state, why);
    if !plan.notifications.is_empty() {
        tracing::error!(application.id = %app, "Iconik refuses the credentials of {app}: {why}");
        let write_id = format!("{app}.unauthorized.{}", domain::millis(now));
        table.append(app, &Stream::App, &plan.notifications, &write_id, now).await?;
    }
    table.put_asset_manager(app, &plan.next, true).await
}
