//! What the endpoints work with.

use axum::extract::FromRef;
use entry::http::Authenticator;
use inbox::connection_sender::ConnectionSender;
use table::Table;

/// Clients that the handlers share.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) table: Table,
    pub(crate) authenticator: Authenticator,
    pub(crate) sender: ConnectionSender,
}

impl FromRef<Context> for Authenticator {
    fn from_ref(context: &Context) -> Self {
        context.authenticator.clone()
    }
}
