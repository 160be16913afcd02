//! Which applications have WebSocket connections, cached.

use std::time::Duration;

use domain::AppId;
use entry::TtlCache;
use table::{Table, TableError};

/// How long it is cached that an application has connections. That it has none is not cached.
const PRESENCE_TTL: Duration = Duration::from_secs(300);
const MAX_CACHED: usize = 1_000;

/// The applications that have connections.
pub struct Presence(TtlCache<AppId, ()>);

impl Default for Presence {
    fn default() -> Self {
        Self(TtlCache::new(MAX_CACHED))
    }
}

impl Presence {
    /// Whether an application has connections at `now`, in milliseconds since 1970.
    pub async fn has_connections(&self, table: &Table, app: AppId, now: i64) -> Result<bool, TableError> {
        if self.0.get(&app).is_some() {
            return Ok(true);
        }
        let until = table.presence_until(app).await?;
        if until > now {
            self.0.put(app, (), PRESENCE_TTL);
        }
        Ok(until > now)
    }
}
