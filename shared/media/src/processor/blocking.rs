//! CPU-bound work on a thread of its own.

use crate::error::MediaError;

/// Runs CPU-bound work beside the event loop, which keeps extending the item's lease.
///
/// # Errors
/// `RetryLater` with `internal` if the work panics.
pub(crate) async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, MediaError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| MediaError::internal("the analysis stopped without a result"))
}
