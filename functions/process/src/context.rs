//! What an invocation works with: clients, settings and limits, built once when the function starts.

use std::sync::Arc;

use domain::ssrf::AllowedNetworks;
use entry::{AppSettings, Meter, PlanLimits, Queue, Secrets};
use external_processor::ExternalProcessor;
use iconik::Connections;
use media::ffmpeg::Ffmpeg;
use object_store::{ObjectStore, ObjectStoreError};
use table::Table;
use time::Duration;

pub(crate) struct Context {
    pub(crate) table: Table,
    pub(crate) settings: AppSettings,
    pub(crate) plan_limits: Arc<PlanLimits>,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) connections: Connections,
    /// The function's own queues. Commands whose item has to wait go back to them.
    pub(crate) process_queue: Queue,
    pub(crate) urgent_queue: Queue,
    pub(crate) s3: aws_sdk_s3::Client,
    pub(crate) results_bucket: String,
    /// How long a claim on an item lasts without an extension.
    pub(crate) lease: Duration,
    pub(crate) ffmpeg: Ffmpeg,
    pub(crate) external: ExternalProcessor,
    pub(crate) allowed_networks: AllowedNetworks,
    pub(crate) meter: Meter,
}

impl Context {
    /// The object store of a bucket, with the bucket's credentials.
    ///
    /// # Errors
    /// Outer: the stored credentials cannot be read. Inner: the endpoint is refused.
    pub(crate) async fn object_store(
        &self,
        bucket: &domain::bucket::Bucket,
        now: time::OffsetDateTime,
    ) -> Result<Result<impl ObjectStore, ObjectStoreError>, entry::MessageError> {
        let credentials = self.secrets.bucket_credentials(bucket).await?;
        let meter = self.meter.counter("media");
        Ok(object_store::open(bucket, credentials, None, now, &self.allowed_networks, meter))
    }
}
