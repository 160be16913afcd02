//! What the endpoint works with.

use std::sync::Arc;

use entry::Secrets;
use table::Table;

/// What the endpoint works with.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) table: Table,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) s3: aws_sdk_s3::Client,
    /// The bucket of results.
    pub(crate) results_bucket: String,
}
