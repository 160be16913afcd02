//! A track that may go on, and whether it is a face.

use super::Detection;
use super::history::History;
use super::motion::{GATE, HORIZON, Motion};
use super::tracker::Settings;
use crate::result::{Box, Sample};

/// A face that overlaps its last box as much as this is the same, wherever it was expected: it may have stopped or
/// turned (processors, section 6.5).
const SAME: f64 = 0.3;
/// A face is at most so many times as wide, or as narrow, as it was last.
const GROWN: f64 = 2.0;
/// Seconds that one sample counts for at most: what a frame shows at a low rate is no better known for that.
const COUNTED: f64 = 0.5;
/// Weight times seconds that make a face of a track without a clear sample: 1.2 s at the threshold, 0.8 s at twice it.
const PROVEN: f64 = 0.4;
/// What a second in which it was not found takes away: as much as one at the threshold gives, so that a hit that
/// flickers proves nothing.
const MISSED: f64 = 1.0 / 3.0;

/// A track that may go on.
#[derive(Debug)]
pub(super) struct OpenTrack {
    /// The order of appearance among all tracks, faces or not.
    pub(super) number: usize,
    /// The time of the last sample.
    pub(super) seen_ms: u64,
    pub(super) history: History,
    pub(super) face: bool,
    motion: Motion,
    area: Box,
    /// Of the last sample, 0 to 1.
    weight: f64,
    evidence: f64,
}

impl OpenTrack {
    pub(super) fn new(number: usize, detection: &Detection, sample: Sample, settings: &Settings) -> Self {
        let mut track = Self {
            number,
            seen_ms: sample.t_ms,
            history: History::default(),
            face: false,
            motion: Motion::new(sample.t_ms, &detection.area),
            area: detection.area,
            weight: 0.0,
            evidence: 0.0,
        };
        track.take(detection, sample, settings);
        track
    }

    /// How far a detection is from what is expected of this track, 0 to `GATE`; `None` if it is another face.
    pub(super) fn cost(&self, t_ms: u64, detection: &Detection) -> Option<f64> {
        let area = &detection.area;
        let grown = (area.w * area.h / (self.area.w * self.area.h)).sqrt();
        if !(1.0 / GROWN..=GROWN).contains(&grown) {
            return None;
        }
        let predictable = (t_ms - self.seen_ms) as f64 / 1_000.0 <= HORIZON;
        let distance = Some(self.motion.distance(t_ms, area)).filter(|distance| predictable && *distance <= GATE);
        distance.or_else(|| (self.area.overlap(area) >= SAME).then_some(GATE))
    }

    /// Goes on with a detection.
    pub(super) fn add(&mut self, detection: &Detection, sample: Sample, settings: &Settings) {
        let missed_ms = sample.t_ms.saturating_sub(self.history.end_ms());
        self.evidence = (self.evidence - MISSED * missed_ms as f64 / 1_000.0).max(0.0);
        self.motion = self.motion.seen(sample.t_ms, &detection.area);
        self.take(detection, sample, settings);
    }

    fn take(&mut self, detection: &Detection, sample: Sample, settings: &Settings) {
        self.history.add(sample, settings.merged_ms());
        (self.seen_ms, self.area) = (sample.t_ms, detection.area);
        self.weight = settings.weight(detection.score);
        self.face |= detection.score >= settings.clear_score();
    }

    /// The last sample stood until the next looked-at frame or the media's end, but for no longer than an interval.
    pub(super) fn stood_until(&mut self, t_ms: u64, settings: &Settings) {
        let own_ms = t_ms.saturating_sub(self.seen_ms).min(settings.interval_ms);
        self.history.end(self.seen_ms + own_ms);
        self.evidence += self.weight * (own_ms as f64 / 1_000.0).min(COUNTED);
        self.face |= self.evidence >= PROVEN;
    }
}
