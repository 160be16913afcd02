//! Processors: what looks at media. The embedded backend runs here, on a file that was fetched before.

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

use domain::bucket::{Backend, ProcessorKind, ProcessorSettings};
use domain::item::Problem;
use domain::result::{MediaInfo, Model, Track, Warning};

use crate::ffmpeg::Ffmpeg;

/// What a processor found.
#[derive(Debug)]
pub struct Analysis {
    pub media: MediaInfo,
    pub tracks: Vec<Track>,
    pub warnings: Vec<Warning>,
    pub backend: &'static str,
    pub models: Vec<Model>,
    /// How far the result can be trusted.
    pub quality: &'static str,
    /// The picture, or a frame per track, with its boxes drawn; JPEG.
    pub preview: Vec<u8>,
}

/// Why there is no result (processors, section 2.5).
#[derive(Debug)]
pub enum MediaError {
    /// Nothing to do here: the item is Skipped.
    Skipped(Problem),
    /// Will never work: the item is Failed.
    Failed(Problem),
    /// May work next time.
    RetryLater(Problem),
}

impl std::fmt::Display for MediaError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Skipped(it) | Self::Failed(it) | Self::RetryLater(it)) = self;
        f.write_str(&it.message)
    }
}

/// Analyses a file with the processor and the backend that the settings choose. Videos are decoded by the program; a
/// picture is decoded here, within the memory that the program would have.
pub async fn run(
    kind: ProcessorKind,
    settings: &ProcessorSettings,
    file: &Path,
    program: &Ffmpeg,
) -> Result<Analysis, MediaError> {
    match (kind, settings.backend) {
        (ProcessorKind::FacialRecognition, Backend::Embedded) => faces::run(settings, file, program).await,
    }
}

pub(crate) fn unreadable(why: impl std::fmt::Display) -> MediaError {
    MediaError::Failed(Problem::new("media_unreadable", why.to_string()))
}
