//! What the endpoints work with.

use std::sync::Arc;

use entry::Queue;
use table::Table;

use crate::secret::WebhookSecrets;

/// What the endpoints work with.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) secrets: Arc<WebhookSecrets>,
    /// The queue of `iconik-ingest`.
    pub(crate) queue: Queue,
}

impl Context {
    pub(crate) fn new(table: Table, queue: Queue) -> Self {
        Self { secrets: Arc::new(WebhookSecrets::new(table)), queue }
    }
}
