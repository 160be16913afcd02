//! Follows faces from one looked-at frame to the next, each at its own time.

use std::collections::BTreeMap;

use super::assignment::assign;
use super::history::History;
use super::motion::GATING_THRESHOLD;
use super::open::OpenTrack;
use super::{Detection, track};
use crate::result::{Sample, Track};

/// A score from which one sample is a face: none was seen below, and false hits up to 1.2 (processors, section 6.2).
const CLEAR_SCORE: f64 = 4.0;
/// A track goes on over so many milliseconds, or intervals if they are longer, in which it was not found.
const BRIDGED_MS: u64 = 1_500;
const BRIDGED_INTERVALS: u64 = 3;
/// A range goes on over a gap of so many milliseconds, or intervals (processors, section 3.3).
const MERGED_MS: u64 = 1_000;
const MERGED_INTERVALS: u64 = 2;
/// What a track or a detection costs that goes without the other: a little more than the worst pair.
const UNPAIRED: f64 = GATING_THRESHOLD + 1.0;
/// Samples and tracks of one video at most, so that a document stays below 64 MiB (processors, section 3.4). Thinning
/// leaves three samples of each track.
pub(super) const MAX_SAMPLES: usize = 200_000;
pub(super) const MAX_TRACKS: usize = 50_000;
/// The first distance that samples are thinned to when there are too many; then twice it, and so on.
const FIRST_SPACING_MS: u64 = 100;

/// What tracks depend on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrackerSettings {
    /// The wanted distance of looked-at frames. They may be closer, where more of them are looked at, and further apart,
    /// where there are none.
    pub interval_ms: u64,
    /// The detector's threshold: no detection has a lower score.
    pub threshold: f64,
}

impl TrackerSettings {
    /// From which score one sample is a face: well above the threshold, and not above what faces have.
    pub(super) fn clear_score(&self) -> f64 {
        (2.0 * self.threshold).min(CLEAR_SCORE).max(self.threshold)
    }

    /// What a second of this score counts for: a third at the threshold, half at twice it. At the threshold of 2.0 it
    /// is the confidence.
    pub(super) fn weight(&self, score: f64) -> f64 {
        let score = score.max(0.0);
        score / (score + 2.0 * self.threshold.max(0.01))
    }

    /// The tenth of an interval is for frames that lie beside the grid.
    fn bridged_ms(&self) -> u64 {
        BRIDGED_MS.max(BRIDGED_INTERVALS * self.interval_ms) + self.interval_ms / 10
    }

    pub(super) fn merged_ms(&self) -> u64 {
        MERGED_MS.max(MERGED_INTERVALS * self.interval_ms) + self.interval_ms / 10
    }
}

/// Follows the faces of one video. A track is one face for as long as it is in sight: who comes back later is another.
///
/// Whether a track is a face is a matter of score and time, and so the same at every rate: one clear sample, or a weaker
/// score for about a second.
#[derive(Debug)]
pub struct Tracker {
    settings: TrackerSettings,
    max_samples: usize,
    max_tracks: usize,
    /// The time of the last frame.
    now_ms: u64,
    next_number: usize,
    open: Vec<OpenTrack>,
    faces: BTreeMap<usize, History>,
    samples: usize,
    /// How far apart samples are left when there are too many; 0 as long as there are not.
    spacing_ms: u64,
    left_out: u64,
}

impl Tracker {
    pub fn new(settings: TrackerSettings) -> Self {
        Self::with_limits(settings, MAX_SAMPLES, MAX_TRACKS)
    }

    pub(super) fn with_limits(settings: TrackerSettings, max_samples: usize, max_tracks: usize) -> Self {
        Self {
            settings: TrackerSettings { interval_ms: settings.interval_ms.max(1), ..settings },
            max_samples,
            max_tracks,
            now_ms: 0,
            next_number: 0,
            open: Vec::new(),
            faces: BTreeMap::new(),
            samples: 0,
            spacing_ms: 0,
            left_out: 0,
        }
    }

    /// Takes what was found in the next looked-at frame, which is shown at `t_ms` (from the media's start, never less
    /// than before). Answers for each detection the number of its track, so that the caller can keep a picture of each
    /// track's best sample; `None` for one outside the picture, or one too many.
    pub fn push(&mut self, t_ms: u64, detections: &[Detection]) -> Vec<Option<usize>> {
        let t_ms = t_ms.max(self.now_ms);
        self.advance(t_ms);
        let found = visible(t_ms, detections);
        let costs: Vec<Vec<Option<f64>>> = self
            .open
            .iter()
            .map(|open| found.iter().map(|(index, _)| open.cost(t_ms, &detections[*index])).collect())
            .collect();
        let mut track_of = vec![None; found.len()];
        for (track, column) in assign(&costs, found.len(), UNPAIRED) {
            track_of[column] = Some(track);
        }
        let mut numbers = vec![None; detections.len()];
        for ((index, sample), track) in found.into_iter().zip(track_of) {
            numbers[index] = self.take(&detections[index], sample, track);
        }
        self.thin();
        numbers
    }

    /// Whether a track is a face or may become one: false once it has ended as none, so that its picture can go.
    pub fn is_tracked(&self, number: usize) -> bool {
        self.faces.contains_key(&number) || self.open.iter().any(|open| open.number == number)
    }

    /// Detections that were left out because there were too many tracks.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The tracks that are faces, in the order of appearance, each with the number that `push` answered. No range ends
    /// behind the media's end, where that is known; a frame behind it shows that it is later.
    pub fn finish(mut self, end_ms: Option<u64>) -> Vec<(usize, Track)> {
        let end_ms = end_ms.map_or(u64::MAX, |end_ms| end_ms.max(self.now_ms.saturating_add(1)));
        for mut open in std::mem::take(&mut self.open) {
            if open.seen_ms == self.now_ms {
                open.extend_until(end_ms, &self.settings);
            }
            self.close(open);
        }
        self.faces.values_mut().for_each(|history| history.thin(self.spacing_ms));
        let faces = self.faces.into_iter().enumerate();
        faces.map(|(index, (number, history))| (number, track(index, history.samples, history.ranges))).collect()
    }

    /// Until `t_ms` the last frame stood; tracks that were not found for too long end.
    fn advance(&mut self, t_ms: u64) {
        let (settings, last_ms) = (self.settings, self.now_ms);
        for open in self.open.iter_mut().filter(|open| open.seen_ms == last_ms) {
            open.extend_until(t_ms, &settings);
        }
        let (open, ended): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.open).into_iter().partition(|open| t_ms - open.seen_ms <= settings.bridged_ms());
        self.open = open;
        ended.into_iter().for_each(|open| self.close(open));
        self.now_ms = t_ms;
    }

    fn take(&mut self, detection: &Detection, sample: Sample, track: Option<usize>) -> Option<usize> {
        let number = match track {
            Some(track) => {
                self.open[track].add(detection, sample, &self.settings);
                self.open[track].number
            }
            None if self.faces.len() + self.open.len() >= self.max_tracks => {
                self.left_out += 1;
                return None;
            }
            None => {
                let number = self.next_number;
                self.next_number += 1;
                self.open.push(OpenTrack::new(number, detection, sample, &self.settings));
                number
            }
        };
        self.samples += 1;
        Some(number)
    }

    fn close(&mut self, open: OpenTrack) {
        if open.is_face {
            self.faces.insert(open.number, open.history);
        } else {
            self.samples -= open.history.samples.len();
        }
    }

    /// Keeps the samples within the limit: those that are too close go, and if that does not help, the distance doubles.
    fn thin(&mut self) {
        if self.samples <= self.max_samples {
            return;
        }
        self.spacing_ms = self.spacing_ms.max(FIRST_SPACING_MS);
        loop {
            let spacing_ms = self.spacing_ms;
            let open = self.open.iter_mut().map(|open| &mut open.history);
            let histories = self.faces.values_mut().chain(open).map(|history| {
                history.thin(spacing_ms);
                history.samples.len()
            });
            self.samples = histories.sum();
            if self.samples <= self.max_samples / 4 * 3 || spacing_ms > self.now_ms {
                return; // no more of them can go once the distance is the whole length
            }
            self.spacing_ms *= 2;
        }
    }
}

/// The detections of which something is in the picture, by their index, from left to right: in which order the detector
/// has found them changes nothing.
fn visible(t_ms: u64, detections: &[Detection]) -> Vec<(usize, Sample)> {
    let key = |detection: &Detection| {
        [
            detection.bounding_box.x,
            detection.bounding_box.y,
            detection.bounding_box.w,
            detection.bounding_box.h,
            detection.score,
        ]
    };
    let samples = detections.iter().enumerate();
    let mut found: Vec<_> = samples.filter_map(|(index, detection)| Some((index, detection.sample(t_ms)?))).collect();
    found.sort_by(|(a, _), (b, _)| {
        let pairs = key(&detections[*a]).into_iter().zip(key(&detections[*b]));
        pairs.map(|(a, b)| a.total_cmp(&b)).find(|order| order.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
    });
    found
}
