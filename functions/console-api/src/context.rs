//! What the endpoints work with.

use axum::extract::FromRef;
use axum::http::HeaderValue;
use entry::http::Authenticator;
use table::Table;

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) table: Table,
    pub(crate) authenticator: Authenticator,
    /// Where sockets are; `None` if they are on the host of the pages.
    pub(crate) socket_url: Option<String>,
    /// What the pages may load and call (Content Security Policy).
    pub(crate) policy: HeaderValue,
}

impl FromRef<Context> for Authenticator {
    fn from_ref(context: &Context) -> Self {
        context.authenticator.clone()
    }
}
