//! What the endpoints work with.

use std::sync::Arc;

use axum::extract::FromRef;
use entry::PlanLimits;
use entry::http::Authenticator;
use inbox::socket_pusher::SocketPusher;
use publisher::Publisher;
use table::Table;
use type_schemas::TypeSchemas;

/// Clients and caches that the handlers share.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) table: Table,
    pub(crate) authenticator: Authenticator,
    /// Whether the legacy routes need no credentials (`INBOX_AUTH=open`).
    pub(crate) open_inbox: bool,
    pub(crate) type_schemas: TypeSchemas,
    pub(crate) pusher: SocketPusher,
    pub(crate) publisher: Publisher,
    pub(crate) plan_limits: Arc<PlanLimits>,
}

impl FromRef<Context> for Authenticator {
    fn from_ref(context: &Context) -> Self {
        context.authenticator.clone()
    }
}
