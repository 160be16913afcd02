//! The tracker: follows faces from one analysed frame to the next.

use std::collections::BTreeMap;

use super::assignment::assign;
use super::detection::{Detection, track};
use super::history::History;
use super::motion::GATING_THRESHOLD;
use super::open::OpenTrack;
use super::settings::TrackerSettings;
use crate::result::{Sample, Track};

/// The cost of a track or detection without a partner: a little more than the worst pair.
const UNPAIRED: f64 = GATING_THRESHOLD + 1.0;
/// Maximum number of samples and tracks of one video, so that a result document stays below 64 MiB (processors, section
/// 3.4). Thinning keeps three samples of each track.
pub(super) const MAX_SAMPLES: usize = 200_000;
pub(super) const MAX_TRACKS: usize = 50_000;
/// The initial spacing when samples have to be thinned; it doubles as needed.
const FIRST_SPACING_MS: u64 = 100;

/// Tracks the faces of one video. A track is one face for as long as it is in sight; a person who comes back later is
/// another track.
///
/// Whether a track is a face depends on score and time, and so is the same at every frame rate: one clear sample, or a
/// lower score for about a second.
#[derive(Debug)]
pub struct Tracker {
    settings: TrackerSettings,
    max_samples: usize,
    max_tracks: usize,
    /// Time of the last frame.
    now_ms: u64,
    next_number: usize,
    open: Vec<OpenTrack>,
    faces: BTreeMap<usize, History>,
    samples: usize,
    /// Current spacing of samples when there are too many; 0 before thinning.
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

    /// Adds the detections of the next analysed frame, which is shown at `t_ms` (from the start of the media, never
    /// decreasing). Returns the track number of each detection, so that the caller can keep an image of each track's
    /// best sample; `None` for a detection outside the picture or beyond the limit of tracks.
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

    /// Whether a track is a face or may become one. False once it has ended without being one, so that its image can be
    /// dropped.
    pub fn is_tracked(&self, number: usize) -> bool {
        self.faces.contains_key(&number) || self.open.iter().any(|open| open.number == number)
    }

    /// Detections left out because of the limit of tracks.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Returns the tracks that are faces, in order of appearance, each with its number from [`Self::push`]. Ranges end
    /// at the end of the media at the latest, if it is known; a later frame shows that the end is later.
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

    /// Extends the last frame until `t_ms`, and closes tracks whose gap is too long.
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

    /// Keeps the samples within the limit, by thinning with increasing spacing.
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
                return; // no more samples can be removed once the spacing is the whole length
            }
            self.spacing_ms *= 2;
        }
    }
}

/// The detections that are partly inside the picture, with their indexes, from left to right, so that the order of the
/// detections does not matter.
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
