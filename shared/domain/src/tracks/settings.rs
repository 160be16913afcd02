//! Parameters of the tracker, and the limits that follow from them.

/// Score from which a single sample proves a face: the faces of the test media scored higher, false detections at most
/// 1.2 (processors, section 6.2).
const CLEAR_SCORE: f64 = 4.0;
/// Maximum gap in a track, in milliseconds, or in intervals if these are longer.
const BRIDGED_MS: u64 = 1_500;
const BRIDGED_INTERVALS: u64 = 3;
/// Maximum gap in a range, in milliseconds, or in intervals (processors, section 3.3).
const MERGED_MS: u64 = 1_000;
const MERGED_INTERVALS: u64 = 2;

/// Parameters of the tracker.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrackerSettings {
    /// The target interval between analysed frames. It may be shorter where additional frames are analysed, and longer
    /// where frames are missing.
    pub interval_ms: u64,
    /// The detector's threshold: no detection has a lower score.
    pub threshold: f64,
}

impl TrackerSettings {
    /// The score from which a single sample proves a face: well above the threshold, and not above the scores of real
    /// faces.
    pub(super) fn clear_score(&self) -> f64 {
        (2.0 * self.threshold).min(CLEAR_SCORE).max(self.threshold)
    }

    /// The evidence per second of this score: a third at the threshold, half at twice the threshold. At the threshold
    /// of 2.0 it equals the confidence.
    pub(super) fn weight(&self, score: f64) -> f64 {
        let score = score.max(0.0);
        score / (score + 2.0 * self.threshold.max(0.01))
    }

    /// Maximum gap in a track. The tenth of an interval allows for frames beside the grid.
    pub(super) fn bridged_ms(&self) -> u64 {
        BRIDGED_MS.max(BRIDGED_INTERVALS * self.interval_ms) + self.interval_ms / 10
    }

    /// Maximum gap in a range.
    pub(super) fn merged_ms(&self) -> u64 {
        MERGED_MS.max(MERGED_INTERVALS * self.interval_ms) + self.interval_ms / 10
    }
}
