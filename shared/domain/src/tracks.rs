//! Face tracking: from detections in single frames to tracks over time (processors, sections 3.3 and 6.5).

mod assignment;
mod detection;
mod history;
mod motion;
mod open;
#[cfg(test)]
mod properties;
mod settings;
#[cfg(test)]
mod tests;
mod tracker;

use crate::result::{BoundingBox, Track};
use detection::track;

pub use detection::{Detection, confidence};
pub use settings::TrackerSettings;
pub use tracker::Tracker;

/// Boxes with a lower intersection over union in consecutive analysed frames have moved, by about a third of their
/// width.
const AT_REST_IOU: f64 = 0.5;

/// The faces of a still: each detection is a track of one sample without a range.
pub fn still_tracks(detections: &[Detection]) -> Vec<Track> {
    let samples = detections.iter().filter_map(|detection| detection.sample(0));
    samples.enumerate().map(|(index, sample)| track(index, vec![sample], Vec::new())).collect()
}

/// Whether a face moved, appeared or disappeared between two analysed frames, so that the frames in between are worth
/// analysing.
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
