//! What the endpoints work with.

use std::time::Duration;

use billing::Billing;
use entry::Queue;
use entry::http::Authenticator;
use table::Table;

use crate::answer::Fault;

/// Clients and caches that live as long as the execution environment.
pub(crate) struct Context {
    pub(crate) table: Table,
    pub(crate) authenticator: Authenticator,
    /// The payment provider; `None` in a deployment that sells nothing.
    pub(crate) provider: Option<Provider>,
    /// How long a change may take.
    pub(crate) budget: Duration,
}

/// The payment provider, and what comes from it.
pub(crate) struct Provider {
    pub(crate) billing: Billing,
    /// The secret of its webhooks.
    pub(crate) webhook_secret: String,
    /// The queue of `billing-sync`.
    pub(crate) queue: Queue,
}

impl Context {
    /// The payment provider.
    ///
    /// # Errors
    /// 501 in a deployment without one.
    pub(crate) fn provider(&self) -> Result<&Provider, Fault> {
        self.provider.as_ref().ok_or_else(Fault::not_configured)
    }
}
