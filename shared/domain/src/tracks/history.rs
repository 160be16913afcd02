//! The samples and ranges of a track.

use crate::result::{Sample, TimeRange};

/// Samples and ranges in order of time.
#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) samples: Vec<Sample>,
    pub(super) ranges: Vec<TimeRange>,
}

impl History {
    /// Adds a sample. It extends the last range if the gap is at most `bridged_ms`, or begins a new range.
    pub(super) fn add(&mut self, sample: Sample, bridged_ms: u64) {
        let Sample { t_ms, confidence, .. } = sample;
        match self.ranges.last_mut() {
            Some(last) if t_ms.saturating_sub(last.end_ms) <= bridged_ms => {
                last.end_ms = last.end_ms.max(t_ms);
                last.confidence = last.confidence.max(confidence);
            }
            _ => self.ranges.push(TimeRange { start_ms: t_ms, end_ms: t_ms, confidence, ..TimeRange::default() }),
        }
        self.samples.push(sample);
    }

    /// Ends the last range.
    pub(super) fn end(&mut self, end_ms: u64) {
        if let Some(last) = self.ranges.last_mut() {
            last.end_ms = last.end_ms.max(end_ms);
        }
    }

    pub(super) fn end_ms(&self) -> u64 {
        self.ranges.last().map_or(0, |last| last.end_ms)
    }

    /// Keeps samples that are at least `spacing_ms` apart, and in any case the first, the last and the best. Ranges
    /// that are closer are merged, so that each keeps a sample.
    pub(super) fn thin(&mut self, spacing_ms: u64) {
        let confidence = |index: usize| self.samples[index].confidence;
        let best = (0..self.samples.len())
            .reduce(|best, index| if confidence(index) > confidence(best) { index } else { best });
        let last = self.samples.len().saturating_sub(1);
        let (mut index, mut kept_ms) = (0, None);
        self.samples.retain(|sample| {
            let far_enough = kept_ms.is_none_or(|left_ms| sample.t_ms - left_ms >= spacing_ms);
            let keep = far_enough || index == last || Some(index) == best;
            if keep {
                kept_ms = Some(sample.t_ms);
            }
            index += 1;
            keep
        });
        self.ranges.dedup_by(|range, last| {
            let is_close = range.start_ms - last.end_ms < spacing_ms;
            if is_close {
                let confidence = last.confidence.max(range.confidence);
                *last = TimeRange { start_ms: last.start_ms, end_ms: range.end_ms, confidence, ..TimeRange::default() };
            }
            is_close
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::BoundingBox;

    #[test]
    fn the_first_the_last_and_the_best_stay() {
        let area = BoundingBox { x: 0.0, y: 0.0, w: 0.1, h: 0.1 };
        let mut history = History::default();
        for t_ms in (0..1_000).step_by(100) {
            history.add(Sample { t_ms, bounding_box: area, confidence: if t_ms == 500 { 0.9 } else { 0.5 } }, 1_000);
        }
        history.thin(400);
        assert_eq!(history.samples.iter().map(|sample| sample.t_ms).collect::<Vec<_>>(), [0, 400, 500, 900]);
        history.thin(10_000);
        assert_eq!(history.samples.iter().map(|sample| sample.t_ms).collect::<Vec<_>>(), [0, 500, 900]);
        assert_eq!(history.ranges, [TimeRange { start_ms: 0, end_ms: 900, confidence: 0.9, ..TimeRange::default() }]);
    }

    #[test]
    fn ranges_that_are_closer_than_samples_are_one() {
        let area = BoundingBox { x: 0.0, y: 0.0, w: 0.1, h: 0.1 };
        let mut history = History::default();
        for t_ms in (0..20_000).step_by(100).filter(|t_ms| t_ms % 2_000 < 800 || *t_ms > 15_000) {
            history.add(Sample { t_ms, bounding_box: area, confidence: t_ms as f64 / 20_000.0 }, 1_000);
        }
        assert_eq!(history.ranges.len(), 8);
        for (spacing_ms, ranges) in [(0, 8), (1_000, 8), (1_300, 8), (1_400, 1)] {
            history.thin(spacing_ms);
            assert_eq!(history.ranges.len(), ranges, "{spacing_ms} ms");
            for range in &history.ranges {
                assert!(history.samples.iter().any(|sample| sample.t_ms == range.start_ms), "{range:?}");
            }
        }
        assert_eq!(
            history.ranges,
            [TimeRange { start_ms: 0, end_ms: 19_900, confidence: 0.995, ..TimeRange::default() }]
        );
    }
}
