//! How the execution of a command ends.

use entry::MessageError;
use entry::queue::QueueError;
use entry::secrets::SecretError;
use iconik::IconikError;
use table::TableError;

/// What became of a command.
pub(crate) enum IngestOutcome {
    Done,
    /// The media is not there yet: the command comes again.
    RetryLater,
}

/// Why a command was not carried out.
pub(crate) enum IngestError {
    /// Iconik refused or failed.
    Iconik(IconikError),
    /// Our own side failed.
    Internal(MessageError),
}

impl From<IconikError> for IngestError {
    fn from(error: IconikError) -> Self {
        Self::Iconik(error)
    }
}

impl From<TableError> for IngestError {
    fn from(error: TableError) -> Self {
        Self::Internal(error.into())
    }
}

impl From<SecretError> for IngestError {
    fn from(error: SecretError) -> Self {
        Self::Internal(error.into())
    }
}

impl From<QueueError> for IngestError {
    fn from(error: QueueError) -> Self {
        Self::Internal(error.into())
    }
}
