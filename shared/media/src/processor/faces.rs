//! FacialRecognition, embedded: finds faces, where and when, and names nobody (processors, section 6).

mod preview;
mod video;

use std::path::Path;

use domain::bucket::ProcessorSettings;
use domain::item::Problem;
use domain::result::{BoundingBox as Area, MediaInfo, Model, Warning};
use domain::tracks::still_tracks;
use image::DynamicImage;

pub(crate) use preview::POSTER_FRAME_DIVISOR;

use super::detector::Detector;
use super::media_file::{MediaFile, StillImage, open};
use super::video::RENDITION_SIDE;
use super::{Analysis, MediaError, draw, still, unreadable};
use crate::ffmpeg::Ffmpeg;

/// Scores below are mostly no faces: false hits were seen up to 1.2, true ones from 4.0 on (section 6.2).
const SCORE_THRESHOLD: f64 = 2.0;
/// The smallest face in a still and in a video's frame, in pixels.
const MIN_FACE_STILL_PX: u32 = 20;
const MIN_FACE_FRAME_PX: u32 = 40;

/// What the detector is asked for.
#[derive(Debug, Clone, Copy)]
struct DetectionParameters {
    min_face: u32,
    threshold: f64,
}

impl DetectionParameters {
    fn of(settings: &ProcessorSettings, min_face: u32) -> Self {
        Self {
            min_face: settings.min_face_px.unwrap_or(min_face).clamp(20, 1_000),
            threshold: settings.score_threshold.unwrap_or(SCORE_THRESHOLD),
        }
    }

    fn detector(self) -> Result<Detector, MediaError> {
        Detector::new(self.min_face, self.threshold)
    }
}

pub(super) async fn run(settings: &ProcessorSettings, file: &Path, program: &Ffmpeg) -> Result<Analysis, MediaError> {
    match open(file, program, RENDITION_SIDE).await? {
        MediaFile::Still(opened) => {
            let asked = DetectionParameters::of(settings, MIN_FACE_STILL_PX);
            run_blocking(move || analyse_still(*opened, asked)).await?
        }
        MediaFile::Video(video) => {
            video::run(&video, settings, DetectionParameters::of(settings, MIN_FACE_FRAME_PX)).await
        }
    }
}

fn analyse_still(opened: StillImage, asked: DetectionParameters) -> Result<Analysis, MediaError> {
    let grey = still::scaled_for_detection(&opened.picture).to_luma8();
    let tracks = still_tracks(&asked.detector()?.detect(&grey));
    let preview = draw::annotated_picture(&opened.picture, &tracks).map_err(unreadable)?;
    let media = MediaInfo { analysis_width: Some(grey.width()), analysis_height: Some(grey.height()), ..opened.media };
    Ok(build_analysis(media, tracks, opened.warnings, preview))
}

/// The faces in a picture, as fractions of it.
pub(crate) fn find_faces(picture: &DynamicImage) -> Result<Vec<Area>, MediaError> {
    let grey = still::scaled_for_detection(picture).to_luma8();
    let mut detector = DetectionParameters { min_face: MIN_FACE_STILL_PX, threshold: SCORE_THRESHOLD }.detector()?;
    Ok(detector.detect(&grey).iter().map(|detection| detection.bounding_box).collect())
}

fn build_analysis(
    media: MediaInfo,
    tracks: Vec<domain::result::Track>,
    warnings: Vec<Warning>,
    preview: Vec<u8>,
) -> Analysis {
    let model = Model { id: "seeta_fd_frontal_v1.0".into(), sha256: Some(include_str!("model.sha256").trim().into()) };
    Analysis { media, tracks, warnings, backend: "embedded", models: vec![model], quality: "demo", preview }
}

/// Runs what needs the processor for long beside the event loop, which goes on extending the lease.
pub(crate) async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, MediaError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| MediaError::RetryLater(Problem::new("internal", "the analysis stopped without a result")))
}
