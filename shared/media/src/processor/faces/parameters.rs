//! The parameters of a detection.

use domain::bucket::ProcessorSettings;

use crate::error::MediaError;
use crate::processor::detector::Detector;

/// Detections with a lower score are mostly no faces: false ones were seen up to 1.2, true ones from 4.0 on (section 6.2).
const SCORE_THRESHOLD: f64 = 2.0;
/// The smallest face in a still, in pixels.
const MIN_FACE_STILL_PX: u32 = 20;
/// The smallest face in a frame of a video, in pixels.
const MIN_FACE_FRAME_PX: u32 = 40;

#[derive(Debug, Clone, Copy)]
pub(super) struct DetectionParameters {
    /// The side of the smallest face, in pixels.
    min_face: u32,
    pub(super) threshold: f64,
}

impl DetectionParameters {
    /// For stills, with the defaults.
    pub(super) const STILL: Self = Self { min_face: MIN_FACE_STILL_PX, threshold: SCORE_THRESHOLD };

    /// For stills, with the bucket's settings.
    pub(super) fn for_still(settings: &ProcessorSettings) -> Self {
        Self::new(settings, MIN_FACE_STILL_PX)
    }

    /// For the frames of a video, with the bucket's settings.
    pub(super) fn for_frames(settings: &ProcessorSettings) -> Self {
        Self::new(settings, MIN_FACE_FRAME_PX)
    }

    fn new(settings: &ProcessorSettings, min_face: u32) -> Self {
        Self {
            min_face: settings.min_face_px.unwrap_or(min_face).clamp(20, 1_000),
            threshold: settings.score_threshold.unwrap_or(SCORE_THRESHOLD),
        }
    }

    /// A detector with these parameters.
    pub(super) fn detector(self) -> Result<Detector, MediaError> {
        Detector::new(self.min_face, self.threshold)
    }
}
