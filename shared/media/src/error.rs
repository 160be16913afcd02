//! Why a file has no result.

use std::fmt::{self, Display};

use domain::item::Problem;

/// Why a file has no result (processors, section 2.5).
#[derive(Debug)]
pub enum MediaError {
    /// There is nothing to do for this file.
    Skipped(Problem),
    /// No further attempt can succeed.
    Failed(Problem),
    /// A later attempt may succeed.
    RetryLater(Problem),
}

impl MediaError {
    /// `Failed` with `media_unreadable`: the file is damaged, truncated, or cannot be decoded within its limits.
    pub(crate) fn unreadable(reason: impl Display) -> Self {
        Self::Failed(Problem::new("media_unreadable", reason.to_string()))
    }

    /// `Skipped` with `unsupported_media`: no decoder here takes this format.
    pub(crate) fn unsupported(reason: impl Into<String>) -> Self {
        Self::Skipped(Problem::new("unsupported_media", reason))
    }

    /// `RetryLater` with `internal`: the fault is ours.
    pub(crate) fn internal(reason: impl Into<String>) -> Self {
        Self::RetryLater(Problem::new("internal", reason))
    }

    /// Whether it is `Skipped` with `unsupported_media`.
    pub(crate) fn is_unsupported(&self) -> bool {
        matches!(self, Self::Skipped(problem) if problem.code == "unsupported_media")
    }
}

impl Display for MediaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Skipped(problem) | Self::Failed(problem) | Self::RetryLater(problem)) = self;
        f.write_str(&problem.message)
    }
}
