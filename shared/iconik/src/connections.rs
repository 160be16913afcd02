//! Clients of Iconik by application, cached between invocations; and what happens when credentials are refused.

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

use crate::client::{Iconik, IconikError, open};

/// Clients in the cache at most; one more empties it.
const MAX_CONNECTIONS: usize = 200;

/// Makes clients, and caches them while the settings of their applications stay the same.
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

    /// The client that an application's settings describe.
    pub async fn get(&self, app: AppId, settings: &Settings) -> Result<Arc<Iconik>, IconikError> {
        let cached = self.cache.lock().unwrap_or_else(PoisonError::into_inner).get(&app).cloned();
        if let Some((cached_settings, client)) = cached
            && cached_settings == *settings
        {
            return Ok(client);
        }
        let client = Arc::new(open(app, settings, &self.secrets, &self.table, &self.allowed, &self.meter).await?);
        let mut all = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_CONNECTIONS {
            all.clear();
        }
        all.insert(app, (settings.clone(), client.clone()));
        Ok(client)
    }
}

/// Records that Iconik refuses an application's credentials: no request is sent until a check succeeds. It is published
/// once.
pub async fn block(
    table: &Table,
    app: AppId,
    state: &AssetManagerState,
    reason: &str,
    now: OffsetDateTime,
) -> Result<(), TableError> {
    let plan = on_unauthorized(now, state, reason);
    if !plan.notifications.is_empty() {
        tracing::error!(application.id = %app, "Iconik refuses the credentials of {app}: {reason}");
        let write_id = format!("{app}.unauthorized.{}", domain::millis(now));
        table.append(app, &Stream::App, &plan.notifications, &write_id, now).await?;
    }
    table.put_asset_manager(app, &plan.next, true).await
}
