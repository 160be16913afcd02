//! What the endpoints work with.

use std::sync::Arc;

use axum::extract::FromRef;
use entry::PlanLimits;
use entry::http::Authenticator;
use publisher::Publisher;
use table::Table;
use type_schemas::TypeSchemas;

/// Clients and caches that the handlers share.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) publisher: Publisher,
    pub(crate) authenticator: Authenticator,
    pub(crate) type_schemas: TypeSchemas,
    pub(crate) plan_limits: Arc<PlanLimits>,
}

impl Context {
    pub(crate) fn table(&self) -> &Table {
        &self.publisher.table
    }
}

impl FromRef<Context> for Authenticator {
    fn from_ref(context: &Context) -> Self {
        context.authenticator.clone()
    }
}
