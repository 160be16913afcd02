//! Errors of the sweep.

use entry::queue::QueueError;
use table::TableError;

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SweepError {
    #[error("the table failed")]
    Table(#[from] TableError),
    #[error("a queue failed")]
    Queue(#[from] QueueError),
}
