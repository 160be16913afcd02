//! A track that may continue, and whether it is a face.

use super::detection::Detection;
use super::history::History;
use super::motion::{GATING_THRESHOLD, Motion, VELOCITY_HORIZON};
use super::settings::TrackerSettings;
use crate::result::{BoundingBox, Sample};

/// A detection with at least this intersection over union with the last box is the same face, wherever it was
/// predicted: it may have stopped or turned (processors, section 6.5).
const SAME_FACE_IOU: f64 = 0.3;
/// Maximum ratio of the size of a detection to the last size, and its inverse.
const MAX_SIZE_RATIO: f64 = 2.0;
/// Maximum seconds for which one sample counts as evidence, at low frame rates.
const MAX_SAMPLE_SECONDS: f64 = 0.5;
/// Evidence (weight times seconds) that makes a track without a clear sample a face: 1.2 s at the threshold, 0.8 s at
/// twice the threshold.
const FACE_EVIDENCE: f64 = 0.4;
/// Evidence lost per second without a detection: as much as a second at the threshold adds, so that a flickering false
/// detection never becomes a face.
const MISS_PENALTY: f64 = 1.0 / 3.0;

/// A track that may continue.
#[derive(Debug)]
pub(super) struct OpenTrack {
    /// Number in order of appearance among all tracks, faces or not.
    pub(super) number: usize,
    /// Time of the last sample.
    pub(super) seen_ms: u64,
    pub(super) history: History,
    pub(super) is_face: bool,
    motion: Motion,
    bounding_box: BoundingBox,
    /// Weight of the last sample, 0 to 1.
    weight: f64,
    evidence: f64,
}

impl OpenTrack {
    pub(super) fn new(number: usize, detection: &Detection, sample: Sample, settings: &TrackerSettings) -> Self {
        let mut track = Self {
            number,
            seen_ms: sample.t_ms,
            history: History::default(),
            is_face: false,
            motion: Motion::new(sample.t_ms, &detection.bounding_box),
            bounding_box: detection.bounding_box,
            weight: 0.0,
            evidence: 0.0,
        };
        track.record(detection, sample, settings);
        track
    }

    /// The distance of a detection from the prediction, 0 to [`GATING_THRESHOLD`]; `None` if it is another face.
    pub(super) fn cost(&self, t_ms: u64, detection: &Detection) -> Option<f64> {
        let area = &detection.bounding_box;
        let size_ratio = (area.w * area.h / (self.bounding_box.w * self.bounding_box.h)).sqrt();
        if !(1.0 / MAX_SIZE_RATIO..=MAX_SIZE_RATIO).contains(&size_ratio) {
            return None;
        }
        let predictable = (t_ms - self.seen_ms) as f64 / 1_000.0 <= VELOCITY_HORIZON;
        let distance =
            Some(self.motion.distance(t_ms, area)).filter(|distance| predictable && *distance <= GATING_THRESHOLD);
        distance.or_else(|| (self.bounding_box.iou(area) >= SAME_FACE_IOU).then_some(GATING_THRESHOLD))
    }

    /// Continues the track with a detection.
    pub(super) fn add(&mut self, detection: &Detection, sample: Sample, settings: &TrackerSettings) {
        let missed_ms = sample.t_ms.saturating_sub(self.history.end_ms());
        self.evidence = (self.evidence - MISS_PENALTY * missed_ms as f64 / 1_000.0).max(0.0);
        self.motion = self.motion.update(sample.t_ms, &detection.bounding_box);
        self.record(detection, sample, settings);
    }

    fn record(&mut self, detection: &Detection, sample: Sample, settings: &TrackerSettings) {
        self.history.add(sample, settings.merged_ms());
        (self.seen_ms, self.bounding_box) = (sample.t_ms, detection.bounding_box);
        self.weight = settings.weight(detection.score);
        self.is_face |= detection.score >= settings.clear_score();
    }

    /// Extends the last sample until the next analysed frame or the end of the media, by one interval at most.
    pub(super) fn extend_until(&mut self, t_ms: u64, settings: &TrackerSettings) {
        let shown_ms = t_ms.saturating_sub(self.seen_ms).min(settings.interval_ms);
        self.history.end(self.seen_ms + shown_ms);
        self.evidence += self.weight * (shown_ms as f64 / 1_000.0).min(MAX_SAMPLE_SECONDS);
        self.is_face |= self.evidence >= FACE_EVIDENCE;
    }
}
