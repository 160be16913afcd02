//! What the endpoints work with.

use std::sync::Arc;

use axum::extract::FromRef;
use domain::ssrf::AllowedNetworks;
use entry::http::Authenticator;
use entry::{Queue, Secrets};
use table::Table;

/// What the endpoints work with.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) table: Table,
    pub(crate) authenticator: Authenticator,
    pub(crate) secrets: Arc<Secrets>,
    /// The queue of `scan`.
    pub(crate) scan_queue: Queue,
    /// The queue of `iconik-ingest`.
    pub(crate) ingest_queue: Queue,
    pub(crate) s3: aws_sdk_s3::Client,
    /// The bucket of results.
    pub(crate) results_bucket: String,
    pub(crate) allowed_networks: AllowedNetworks,
}

impl FromRef<Context> for Authenticator {
    fn from_ref(context: &Context) -> Self {
        context.authenticator.clone()
    }
}
