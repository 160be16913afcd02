//! What the endpoints work with.

use std::sync::Arc;

use axum::extract::FromRef;
use domain::ItemId;
use domain::processor::ProcessorKind;
use domain::ssrf::AllowedNetworks;
use entry::http::Authenticator;
use entry::{AppSettings, Meter, ProcessQueues, Queue, Secrets, TtlCache};
use iconik::Connections;
use iconik::source::MediaSource;
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
    /// The queues of `process`.
    pub(crate) process_queues: ProcessQueues,
    /// The processors that the deployment has switched off.
    pub(crate) processors_off: Vec<ProcessorKind>,
    pub(crate) s3: aws_sdk_s3::Client,
    /// The bucket of results.
    pub(crate) results_bucket: String,
    pub(crate) allowed_networks: AllowedNetworks,
    pub(crate) settings: Arc<AppSettings>,
    /// Clients of Iconik, and its links to media of items.
    pub(crate) connections: Arc<Connections>,
    pub(crate) links: Arc<TtlCache<ItemId, (MediaSource, String)>>,
    pub(crate) meter: Meter,
}

impl FromRef<Context> for Authenticator {
    fn from_ref(context: &Context) -> Self {
        context.authenticator.clone()
    }
}
