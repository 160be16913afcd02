//! What an invocation works with: clients, settings and limits, built once when the function starts.

use std::sync::Arc;
use std::time::Duration;

use domain::ssrf::AllowedNetworks;
use entry::{AppSettings, Meter, Secrets};
use iconik::Connections;
use media::ffmpeg::Ffmpeg;
use table::Table;

pub(crate) struct Context {
    pub(crate) table: Table,
    pub(crate) settings: AppSettings,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) connections: Connections,
    pub(crate) s3: aws_sdk_s3::Client,
    pub(crate) results_bucket: String,
    pub(crate) ffmpeg: Ffmpeg,
    /// For pictures by URL.
    pub(crate) client: guard::Client,
    /// How long one task may take: shorter than the function's timeout, so that a slow task ends with an error.
    pub(crate) deadline: Duration,
    pub(crate) allowed_networks: AllowedNetworks,
    pub(crate) meter: Meter,
}
