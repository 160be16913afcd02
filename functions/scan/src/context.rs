//! What an invocation works with: clients and settings, built once when the function starts.

use domain::ssrf::AllowedNetworks;
use entry::{AppSettings, Meter, Queue, Secrets};
use table::Table;

pub(crate) struct Context {
    pub(crate) table: Table,
    pub(crate) settings: AppSettings,
    pub(crate) secrets: Secrets,
    /// The function's own queue: the next page of a scan goes there.
    pub(crate) scan_queue: Queue,
    pub(crate) allowed_networks: AllowedNetworks,
    pub(crate) meter: Meter,
}
