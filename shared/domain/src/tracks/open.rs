//! A track that may go on, and whether it is a face.

use super::Detection;
use super::history::History;
use super::motion::{GATING_THRESHOLD, Motion, VELOCITY_HORIZON};
use super::tracker::TrackerSettings;
use crate::result::{BoundingBox, Sample};

/// A face that overlaps its last box as much as this is the same, wherever it was expected: it may have stopped or
/// turned (processors, section 6.5).
const SAME_FACE_IOU: f64 = 0.3;
/// A face is at most so many times as wide, or as narrow, as it was last.
const MAX_SIZE_RATIO: f64 = 2.0;
/// Seconds that one sample counts for at most: what a frame shows at a low rate is no better known for that.
const MAX_SAMPLE_SECONDS: f64 = 0.5;
/// Weight times seconds that make a face of a track without a clear sample: 1.2 s at the threshold, 0.8 s at twice it.
const FACE_EVIDENCE: f64 = 0.4;
/// What a second in which it was not found takes away: as much as one at the threshold gives, so that a hit that
/// flickers proves nothing.
const MISS_PENALTY: f64 = 1.0 / 3.0;

/// A track that may go on.
#[derive(Debug)]
pub(super) struct OpenTrack {
    /// The order of appearance among all tracks, faces or not.
    pub(super) number: usize,
    /// The time of the last sample.
    pub(super) seen_ms: u64,
    pub(super) history: History,
    pub(super) is_face: bool,
    motion: Motion,
    bounding_box: BoundingBox,
    /// Of the last sample, 0 to 1.
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

    /// How far a detection is from what is expected of this track, 0 to `GATE`; `None` if it is another face.
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

    /// Goes on with a detection.
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

    /// The last sample stood until the next looked-at frame or the media's end, but for no longer than an interval.
    pub(super) fn extend_until(&mut self, t_ms: u64, settings: &TrackerSettings) {
        let shown_ms = t_ms.saturating_sub(self.seen_ms).min(settings.interval_ms);
        self.history.end(self.seen_ms + shown_ms);
        self.evidence += self.weight * (shown_ms as f64 / 1_000.0).min(MAX_SAMPLE_SECONDS);
        self.is_face |= self.evidence >= FACE_EVIDENCE;
    }
}
