//! What the handler works with.

use std::sync::Arc;

use domain::asset_manager::AssetManagerState;
use domain::settings::Settings;
use domain::ssrf::AllowedNetworks;
use entry::queue::MAX_DELAY;
use entry::{AppSettings, Meter, Queue, Secrets};
use iconik::{Connections, Iconik};
use table::Table;
use time::Duration;

/// What the handler works with.
pub(crate) struct Context {
    pub(crate) table: Table,
    pub(crate) settings: AppSettings,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) connections: Connections,
    pub(crate) queue: Queue,
    pub(crate) dead_letter_queue: Queue,
    pub(crate) allowed_networks: AllowedNetworks,
    pub(crate) meter: Meter,
    /// How long a command first waits for media that is not there yet; doubled with each attempt.
    pub(crate) first_wait: Duration,
    /// The hosts that are trusted to say which Iconik domain a token belongs to.
    pub(crate) iconik_hosts: String,
}

impl Context {
    /// How long a command waits while Iconik refuses the application's credentials: two minutes by default. The check
    /// that `sweep` queues each minute finds out when they are accepted again.
    pub(crate) fn blocked_delay(&self) -> Duration {
        (self.first_wait * 8_i32).min(MAX_DELAY)
    }
}

/// An application's connection to Iconik, for one command.
pub(crate) struct Session {
    pub(crate) settings: Arc<Settings>,
    pub(crate) iconik: Arc<Iconik>,
    pub(crate) state: AssetManagerState,
}
