//! A detection in one frame, and how detections are written to a result.

use crate::result::{BoundingBox, Sample, TimeRange, Track};

/// A detection in one frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    pub bounding_box: BoundingBox,
    /// The detector's own score, not a probability.
    pub score: f64,
}

impl Detection {
    /// The detection as a sample of a result; `None` if it is outside the picture or one of its numbers is not finite.
    pub(super) fn sample(&self, t_ms: u64) -> Option<Sample> {
        let BoundingBox { x, y, w, h } = self.bounding_box;
        let finite = [x, y, w, h, self.score].iter().all(|number| number.is_finite());
        let bounding_box = self.bounding_box.clamped().filter(|_| finite)?;
        Some(Sample { t_ms, bounding_box, confidence: confidence(self.score) })
    }
}

/// Maps a score to a confidence, 0 to 1. It orders detections and is not a probability (processors, section 6.2).
pub fn confidence(score: f64) -> f64 {
    let score = score.max(0.0);
    score / (score + 4.0)
}

/// A track of a result, the `index`-th in order of appearance (from 0).
pub(super) fn track(index: usize, samples: Vec<Sample>, ranges: Vec<TimeRange>) -> Track {
    Track { id: format!("t{}", index + 1), kind: "face".into(), label: "face".into(), person: None, ranges, samples }
}
