//! From detections in single pictures to tracks over time (processors, sections 3.3 and 6.5).

mod assignment;
mod history;
mod motion;
mod open;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
mod tracker;

use crate::result::{BoundingBox, Sample, TimeRange, Track};

pub use tracker::{Tracker, TrackerSettings};

/// Boxes that overlap less than this from one looked-at frame to the next have moved: by a third of their width.
const AT_REST_IOU: f64 = 0.5;

/// One detection in one picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    pub bounding_box: BoundingBox,
    /// The detector's own score, not a probability.
    pub score: f64,
}

impl Detection {
    /// As it stands in a document; `None` if nothing of it is in the picture or one of its numbers is none.
    fn sample(&self, t_ms: u64) -> Option<Sample> {
        let BoundingBox { x, y, w, h } = self.bounding_box;
        let finite = [x, y, w, h, self.score].iter().all(|number| number.is_finite());
        let area = self.bounding_box.clamped().filter(|_| finite)?;
        Some(Sample { t_ms, bounding_box: area, confidence: confidence(self.score) })
    }
}

/// Orders detections; it is no probability (processors, section 6.2).
pub fn confidence(score: f64) -> f64 {
    let score = score.max(0.0);
    score / (score + 4.0)
}

/// The faces of a still: each detection is a track of one sample, without a range.
pub fn still_tracks(detections: &[Detection]) -> Vec<Track> {
    let samples = detections.iter().filter_map(|detection| detection.sample(0));
    samples.enumerate().map(|(index, sample)| track(index, vec![sample], Vec::new())).collect()
}

/// Whether a face moved, came or went from one looked-at frame to a later one, so that the frames in between are worth
/// a look: each of them shows where it was, and when it came or went.
pub fn has_motion(before: &[Detection], after: &[Detection]) -> bool {
    let boxes = |frame: &[Detection]| -> Vec<BoundingBox> {
        frame.iter().filter(|detection| detection.sample(0).is_some()).map(|detection| detection.bounding_box).collect()
    };
    let (before, after) = (boxes(before), boxes(after));
    let all_at_rest = |these: &[BoundingBox], those: &[BoundingBox]| {
        these.iter().all(|this| those.iter().any(|that| this.iou(that) >= AT_REST_IOU))
    };
    before.len() != after.len() || !all_at_rest(&before, &after) || !all_at_rest(&after, &before)
}

fn track(index: usize, samples: Vec<Sample>, ranges: Vec<TimeRange>) -> Track {
    Track { id: format!("t{}", index + 1), kind: "face".into(), label: "face".into(), person: None, ranges, samples }
}
