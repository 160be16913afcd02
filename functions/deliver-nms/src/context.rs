//! What the handler works with.

use channels::webhook::WebhookClient;
use entry::{Queue, Secrets};
use table::Table;

/// Clients and caches that live as long as the execution environment.
pub(crate) struct Context {
    pub(crate) table: Table,
    pub(crate) secrets: Secrets,
    pub(crate) client: WebhookClient,
    /// The function's own queue, for retries.
    pub(crate) queue: Queue,
    /// The queue of `deliver-push`, which makes further lists.
    pub(crate) push_queue: Queue,
}
