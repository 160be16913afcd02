//! From detections in single pictures to tracks over time (processors, sections 3.3 and 6.5).

use crate::result::{Box, Range, Sample, Track};

/// Boxes that overlap at least this much from one sample to the next are the same face.
const SAME: f64 = 0.3;
/// A track may miss so many samples and go on.
const MISSES: usize = 2;

/// One detection in one picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    pub area: Box,
    /// The detector's own score, not a probability.
    pub score: f64,
}

/// Orders detections; it is no probability (processors, section 6.2).
pub fn confidence(score: f64) -> f64 {
    (score / (score + 4.0)).clamp(0.0, 1.0)
}

/// The faces of a still: each detection is a track of one sample, without a range.
pub fn of_still(detections: &[Detection]) -> Vec<Track> {
    let samples = detections.iter().filter_map(|it| sample(0, it));
    samples.enumerate().map(|(index, it)| track(index, vec![it], Vec::new())).collect()
}

/// The faces of a video, whose `frames` were taken `fps` times a second. Tracks of a single sample are dropped when
/// `fps` is at least 2: a face that is there for less than half a second is mostly none.
pub fn of_video(frames: &[Vec<Detection>], fps: f32) -> Vec<Track> {
    let mut tracks: Vec<(usize, Vec<Sample>)> = Vec::new(); // the last frame that each was seen in, and where it was
    for (frame, detections) in frames.iter().enumerate() {
        let at = time_of(frame, fps);
        let mut found: Vec<Sample> = detections.iter().filter_map(|it| sample(at, it)).collect();
        let mut pairs: Vec<(f64, usize, usize)> = Vec::new();
        for (track, (seen, samples)) in tracks.iter().enumerate() {
            let open = frame - seen <= MISSES + 1;
            let last = samples.last().filter(|_| open);
            pairs.extend(last.into_iter().flat_map(|last| {
                let overlaps = found.iter().map(|it| last.area.overlap(&it.area)).enumerate();
                overlaps.filter(|(_, it)| *it >= SAME).map(move |(face, overlap)| (overlap, track, face))
            }));
        }
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
        let (mut taken, mut extended) = (vec![false; found.len()], vec![false; tracks.len()]);
        for (_, track, face) in pairs {
            if !taken[face] && !extended[track] {
                (taken[face], extended[track]) = (true, true);
                tracks[track].0 = frame;
                tracks[track].1.push(found[face]);
            }
        }
        let mut taken = taken.into_iter();
        found.retain(|_| !taken.next().unwrap_or(false));
        tracks.extend(found.into_iter().map(|it| (frame, vec![it])));
    }
    let lasting = tracks.into_iter().map(|it| it.1).filter(|it| fps < 2.0 || it.len() > 1);
    lasting
        .enumerate()
        .map(|(index, samples)| {
            let ranges = ranges(&samples, fps);
            track(index, samples, ranges)
        })
        .collect()
}

/// A range ends one sample interval after its last sample; gaps of at most two intervals are closed.
fn ranges(samples: &[Sample], fps: f32) -> Vec<Range> {
    let interval = time_of(1, fps);
    let mut ranges: Vec<Range> = Vec::new();
    for it in samples {
        let end_ms = it.t_ms + interval;
        match ranges.last_mut() {
            Some(last) if it.t_ms <= last.end_ms + 2 * interval + 1 => {
                last.end_ms = end_ms;
                last.confidence = last.confidence.max(it.confidence);
            }
            _ => ranges.push(Range { start_ms: it.t_ms, end_ms, confidence: it.confidence }),
        }
    }
    ranges
}

fn sample(t_ms: u64, it: &Detection) -> Option<Sample> {
    it.area.clamped().map(|area| Sample { t_ms, area, confidence: confidence(it.score) })
}

fn track(index: usize, samples: Vec<Sample>, ranges: Vec<Range>) -> Track {
    Track { id: format!("t{}", index + 1), kind: "face".into(), label: "face".into(), person: None, ranges, samples }
}

fn time_of(frame: usize, fps: f32) -> u64 {
    (frame as f64 * 1_000.0 / f64::from(fps)).round() as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn face(x: f64) -> Detection {
        Detection { area: Box { x, y: 0.1, w: 0.2, h: 0.2 }, score: 20.0 }
    }

    #[test]
    fn a_face_that_moves_is_one_track_and_two_faces_are_two() {
        let frames = vec![vec![], vec![face(0.1), face(0.7)], vec![face(0.12), face(0.7)], vec![face(0.15)], vec![]];
        let tracks = of_video(&frames, 2.0);
        assert_eq!(tracks.len(), 2);
        assert_eq!((tracks[0].ranges[0].start_ms, tracks[0].ranges[0].end_ms), (500, 2_000));
        assert_eq!((tracks[1].ranges[0].start_ms, tracks[1].ranges[0].end_ms), (500, 1_500));
        assert_eq!(tracks[0].samples.len(), 3);
    }

    #[test]
    fn two_missed_samples_are_bridged_and_three_are_not() {
        let seen = || vec![face(0.1)];
        let bridged = [vec![seen(), seen()], vec![vec![]; 2], vec![seen(), seen()]].concat();
        assert_eq!(of_video(&bridged, 2.0).len(), 1);
        assert_eq!(of_video(&bridged, 2.0)[0].ranges.len(), 1);
        let broken = [vec![seen(), seen()], vec![vec![]; 3], vec![seen(), seen()]].concat();
        assert_eq!(of_video(&broken, 2.0).len(), 2);
    }

    #[test]
    fn a_face_of_one_sample_counts_only_at_a_low_rate() {
        let frames = vec![vec![face(0.1)], vec![], vec![]];
        assert_eq!(of_video(&frames, 2.0).len(), 0);
        assert_eq!(of_video(&frames, 1.0).len(), 1);
    }

    #[test]
    fn a_cut_breaks_a_track() {
        let frames = vec![vec![face(0.0)], vec![face(0.0)], vec![face(0.7)], vec![face(0.7)]];
        assert_eq!(of_video(&frames, 2.0).len(), 2);
    }

    proptest! {
        #[test]
        fn boxes_stay_inside_and_no_detection_is_in_two_tracks(frames in proptest::collection::vec(
            proptest::collection::vec((-0.5..1.5_f64, -0.5..1.5_f64, 0.0..1.0_f64), 0..5), 0..20)) {
            let frames: Vec<Vec<Detection>> = frames.into_iter().map(|it| it.into_iter()
                .map(|(x, y, w)| Detection { area: Box { x, y, w, h: w }, score: 3.0 }).collect()).collect();
            let visible = frames.iter().flatten().filter(|it| it.area.clamped().is_some()).count();
            let tracks = of_video(&frames, 1.0);
            prop_assert_eq!(tracks.iter().map(|it| it.samples.len()).sum::<usize>(), visible);
            for sample in tracks.iter().flat_map(|it| &it.samples) {
                let Box { x, y, w, h } = sample.area;
                prop_assert!(x >= 0.0 && y >= 0.0 && w > 0.0 && h > 0.0 && x + w <= 1.0 + 1e-9 && y + h <= 1.0 + 1e-9);
            }
        }
    }
}
