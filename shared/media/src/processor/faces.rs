//! FacialRecognition, embedded: finds faces, where and when, and identifies nobody (processors, section 6).

mod parameters;
mod preview;
mod video;

use std::path::Path;

use domain::bucket::ProcessorSettings;
use domain::result::{BoundingBox, MediaInfo};
use domain::tracks::still_tracks;
use image::DynamicImage;

use self::parameters::DetectionParameters;
pub(crate) use self::preview::POSTER_FRAME_DIVISOR;
use super::analysis::Analysis;
use super::blocking::run_blocking;
use super::media_file::{MediaFile, StillImage, open};
use super::video::RENDITION_SIDE;
use super::{draw, still};
use crate::error::MediaError;
use crate::ffmpeg::Ffmpeg;

/// Finds the faces in a file.
pub(super) async fn run(settings: &ProcessorSettings, file: &Path, ffmpeg: &Ffmpeg) -> Result<Analysis, MediaError> {
    match open(file, ffmpeg, RENDITION_SIDE).await? {
        MediaFile::Still(still) => {
            let parameters = DetectionParameters::for_still(settings);
            run_blocking(move || analyse_still(*still, parameters)).await?
        }
        MediaFile::Video(video) => self::video::run(&video, settings, DetectionParameters::for_frames(settings)).await,
    }
}

fn analyse_still(still: StillImage, parameters: DetectionParameters) -> Result<Analysis, MediaError> {
    let grey = still::scaled_for_detection(&still.picture).to_luma8();
    let tracks = still_tracks(&parameters.detector()?.detect(&grey));
    let preview = draw::annotated_picture(&still.picture, &tracks).map_err(MediaError::unreadable)?;
    let media = MediaInfo { analysis_width: Some(grey.width()), analysis_height: Some(grey.height()), ..still.media };
    Ok(Analysis::of_faces(media, tracks, still.warnings, preview))
}

/// The faces in a picture, as fractions of it.
pub(crate) fn find_faces(picture: &DynamicImage) -> Result<Vec<BoundingBox>, MediaError> {
    let grey = still::scaled_for_detection(picture).to_luma8();
    let mut detector = DetectionParameters::STILL.detector()?;
    Ok(detector.detect(&grey).iter().map(|detection| detection.bounding_box).collect())
}
