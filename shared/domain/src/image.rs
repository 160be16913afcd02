//! Image tasks: a process is asked for, and has one task per rendition.

use crate::AppId;

/// Where a finished picture lies among our results.
pub fn key(app: AppId, process: &str, task: &str) -> String {
    format!("images/{app}/{process}/{task}")
}
