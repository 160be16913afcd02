//! Processors: they analyse media. The embedded backend runs here, on a file that was fetched before.

mod analysis;
pub(crate) mod blocking;
mod declared_size;
mod detector;
mod draw;
mod encryption;
pub(crate) mod faces;
mod frame;
pub(crate) mod media_file;
pub(crate) mod still;
mod timing;
pub(crate) mod video;

use std::path::Path;

use domain::bucket::ProcessorSettings;

pub use self::analysis::Analysis;
use crate::error::MediaError;
use crate::ffmpeg::Ffmpeg;

/// Finds the faces in a file, with the embedded backend. ffmpeg decodes videos; pictures are decoded here, within the memory
/// that ffmpeg would have.
///
/// # Errors
/// The file is not analysed: [`MediaError`] says whether to skip, fail or retry the job, and why.
pub async fn detect_faces(settings: &ProcessorSettings, file: &Path, ffmpeg: &Ffmpeg) -> Result<Analysis, MediaError> {
    faces::run(settings, file, ffmpeg).await
}
