//! What the endpoints work with.

use std::sync::Arc;

use axum::extract::FromRef;
use domain::channel::ChannelKind;
use domain::ssrf::AllowedNetworks;
use entry::http::Authenticator;
use entry::{DeliveryQueues, PlanLimits, Seal, Secrets};
use table::Table;

/// What the endpoints work with.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) table: Table,
    pub(crate) authenticator: Authenticator,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) seal: Arc<Seal>,
    /// SHA-256 of the operator's key, in hex, or of two, separated by a comma; empty means that there is no operator.
    pub(crate) operator_key_hashes: String,
    pub(crate) allowed_networks: AllowedNetworks,
    /// Where retries and replays are queued.
    pub(crate) delivery_queues: DeliveryQueues,
    /// Whether owners may see secrets in clear: `never` or `owner`.
    pub(crate) reveal_secrets: String,
    pub(crate) plan_limits: Arc<PlanLimits>,
    /// The kinds of channels that the deployment has switched off.
    pub(crate) kinds_off: Vec<ChannelKind>,
}

impl FromRef<Context> for Authenticator {
    fn from_ref(context: &Context) -> Self {
        context.authenticator.clone()
    }
}
