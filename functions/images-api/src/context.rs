//! What the endpoints work with: clients and settings, built once when the function starts.

use std::sync::Arc;

use axum::extract::FromRef;
use domain::ssrf::AllowedNetworks;
use entry::Secrets;
use entry::http::Authenticator;
use table::Table;

#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) table: Table,
    pub(crate) authenticator: Authenticator,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) s3: aws_sdk_s3::Client,
    pub(crate) results_bucket: String,
    pub(crate) allowed_networks: AllowedNetworks,
}

impl FromRef<Context> for Authenticator {
    fn from_ref(context: &Context) -> Self {
        context.authenticator.clone()
    }
}
