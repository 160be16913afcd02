//! Why a rendition was not made.

use entry::Chain;
use media::MediaError;

/// Why a rendition was not made.
pub(crate) enum RenderTaskError {
    /// A later try may succeed.
    Transient(String),
    /// No later try can succeed.
    Permanent(String),
}

/// A transient error of our own infrastructure or of a source, with all its causes.
pub(crate) fn transient<E: std::error::Error + 'static>(error: E) -> RenderTaskError {
    RenderTaskError::Transient(Chain(&error).to_string())
}

impl From<MediaError> for RenderTaskError {
    fn from(error: MediaError) -> Self {
        match error {
            MediaError::RetryLater(problem) => Self::Transient(problem.message),
            MediaError::Skipped(problem) | MediaError::Failed(problem) => Self::Permanent(problem.message),
        }
    }
}
