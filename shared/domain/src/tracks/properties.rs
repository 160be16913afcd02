//! Property tests of the tracker.

use proptest::prelude::*;

use super::*;
use crate::result::{Sample, TimeRange};

/// For each frame, the track number of each detection.
type Numbers = Vec<Vec<Option<usize>>>;

/// Boxes in and around the picture, with gaps from none to seconds.
fn frames() -> impl Strategy<Value = Vec<(u64, Vec<Detection>)>> {
    let detection = (-0.5..1.5_f64, -0.5..1.5_f64, 0.0..1.0_f64, 0.0..30.0_f64)
        .prop_map(|(x, y, w, score)| Detection { bounding_box: BoundingBox { x, y, w, h: w }, score });
    let gap_ms = prop_oneof![Just(500_u64), 0..100_u64, 0..5_000_u64];
    proptest::collection::vec((gap_ms, proptest::collection::vec(detection, 0..5)), 0..30).prop_map(|frames| {
        let timed = frames.into_iter().scan(0, |t_ms, (gap_ms, detections)| {
            *t_ms += gap_ms;
            Some((*t_ms, detections))
        });
        timed.collect()
    })
}

fn follow(frames: &[(u64, Vec<Detection>)], end_ms: Option<u64>) -> (Numbers, Vec<(usize, Track)>) {
    let mut tracker = Tracker::new(TrackerSettings { interval_ms: 500, threshold: 2.0 });
    let numbers = frames.iter().map(|(t_ms, detections)| tracker.push(*t_ms, detections)).collect();
    (numbers, tracker.finish(end_ms))
}

/// A face that walks in its own lane.
#[derive(Debug, Clone, Copy)]
struct Walker {
    from_ms: u64,
    to_ms: u64,
    x: f64,
    /// In picture widths per second: up to two widths of the face.
    speed: f64,
    score: f64,
}

fn walkers() -> impl Strategy<Value = Vec<Walker>> {
    let walker = (0..4_000_u64, 1_000..6_000_u64, 0.3..0.6_f64, -0.3..0.3_f64, 4.0..30.0_f64);
    let walker = walker.prop_map(|(from_ms, for_ms, x, speed, score)| {
        let seconds = for_ms as f64 / 1_000.0;
        Walker { from_ms, to_ms: from_ms + for_ms, x, speed: speed.clamp(-0.3 / seconds, 0.3 / seconds), score }
    });
    proptest::collection::vec(walker, 0..4)
}

fn scene(walkers: &[Walker], interval_ms: usize) -> Vec<(u64, Vec<Detection>)> {
    let at = |walker: &Walker, lane: usize, t_ms: u64| {
        let x = walker.x + walker.speed * (t_ms - walker.from_ms) as f64 / 1_000.0;
        Detection {
            bounding_box: BoundingBox { x, y: 0.05 + 0.35 * lane as f64, w: 0.15, h: 0.15 },
            score: walker.score,
        }
    };
    let frame = |t_ms: u64| {
        let lanes = walkers.iter().enumerate();
        let there = lanes.filter(|(_, walker)| (walker.from_ms..walker.to_ms).contains(&t_ms));
        (t_ms, there.map(|(lane, walker)| at(walker, lane, t_ms)).collect())
    };
    (0..12_000).step_by(interval_ms).map(frame).collect()
}

proptest! {
    #[test]
    fn a_detection_is_in_one_track_at_most_and_stands_as_it_was(frames in frames()) {
        let (numbers, faces) = follow(&frames, None);
        for ((_, detections), numbers) in frames.iter().zip(&numbers) {
            prop_assert_eq!(detections.len(), numbers.len());
            for (detection, number) in detections.iter().zip(numbers) {
                prop_assert_eq!(detection.sample(0).is_some(), number.is_some(), "what is in the picture has a track");
            }
            let mut given: Vec<usize> = numbers.iter().flatten().copied().collect();
            given.sort_unstable();
            given.dedup();
            prop_assert_eq!(given.len(), numbers.iter().flatten().count(), "two detections of a frame in one track");
        }
        for (number, track) in &faces {
            let given = frames.iter().zip(&numbers).flat_map(|((t_ms, detections), numbers)| {
                let here = detections.iter().zip(numbers).filter(|(_, given)| **given == Some(*number));
                here.filter_map(|(detection, _)| detection.sample(*t_ms)).collect::<Vec<_>>()
            });
            prop_assert_eq!(&given.collect::<Vec<_>>(), &track.samples);
        }
    }

    #[test]
    fn samples_are_in_order_and_ranges_cover_them(frames in frames(), end_ms in proptest::option::of(0..60_000_u64)) {
        let (_, faces) = follow(&frames, end_ms);
        let last_ms = frames.last().map_or(0, |frame| frame.0);
        for (place, (_, track)) in faces.iter().enumerate() {
            prop_assert_eq!(&track.id, &format!("t{}", place + 1));
            prop_assert!(track.samples.is_sorted_by_key(|sample| sample.t_ms));
            prop_assert!(track.ranges.windows(2).all(|pair| pair[0].end_ms < pair[1].start_ms), "{:?}", track.ranges);
            for range in &track.ranges {
                let covered = |sample: &&Sample| (range.start_ms..=range.end_ms).contains(&sample.t_ms);
                let best = track.samples.iter().filter(covered).map(|sample| sample.confidence).max_by(f64::total_cmp);
                prop_assert_eq!(best, Some(range.confidence));
                prop_assert!(end_ms.is_none_or(|end_ms| range.end_ms <= end_ms.max(last_ms + 1)));
            }
            for sample in &track.samples {
                let BoundingBox { x, y, w, h } = sample.bounding_box;
                prop_assert!(x >= 0.0 && y >= 0.0 && w > 0.0 && h > 0.0 && x + w <= 1.0 + 1e-9 && y + h <= 1.0 + 1e-9);
                let covering = track.ranges.iter().filter(|it| (it.start_ms..=it.end_ms).contains(&sample.t_ms));
                prop_assert_eq!(covering.count(), 1);
            }
        }
        let starts: Vec<u64> = faces.iter().map(|(_, track)| track.ranges[0].start_ms).collect();
        prop_assert!(starts.is_sorted(), "in the order of appearance: {starts:?}");
    }

    #[test]
    fn the_order_in_a_frame_changes_nothing(frames in frames(), turn in 0..5_usize) {
        let mut other = frames.clone();
        for (_, detections) in &mut other {
            let by = turn.min(detections.len());
            detections.rotate_left(by);
            detections.reverse();
        }
        prop_assert_eq!(follow(&frames, None).1, follow(&other, None).1);
    }

    #[test]
    fn numbers_that_are_none_harm_nothing(frames in frames(), bad in prop_oneof![
        Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY)], field in 0..5_usize) {
        let mut other = frames.clone();
        for (_, detections) in &mut other {
            let mut broken = Detection { bounding_box: BoundingBox { x: 0.1, y: 0.1, w: 0.5, h: 0.5 }, score: 9.0 };
            let Detection { bounding_box, score } = &mut broken;
            *[&mut bounding_box.x, &mut bounding_box.y, &mut bounding_box.w, &mut bounding_box.h, score][field] = bad;
            detections.push(broken);
        }
        prop_assert_eq!(follow(&frames, None).1, follow(&other, None).1);
    }

    #[test]
    fn the_same_faces_are_there_at_each_rate(walkers in walkers()) {
        for interval_ms in [500, 250, 125, 40] {
            let (_, faces) = follow(&scene(&walkers, interval_ms), Some(12_000));
            prop_assert_eq!(faces.len(), walkers.len(), "one look in {} ms", interval_ms);
            for (_, track) in &faces {
                let (area, range) = (track.samples[0].bounding_box, track.ranges[0].clone());
                let walker = walkers[((area.y - 0.05) / 0.35).round() as usize];
                prop_assert_eq!(track.ranges.len(), 1);
                prop_assert!((walker.from_ms..walker.from_ms + interval_ms as u64).contains(&range.start_ms));
                prop_assert!((walker.to_ms..walker.to_ms + interval_ms as u64).contains(&range.end_ms));
            }
        }
    }
}

#[test]
fn the_greatest_document_is_below_64_mib() {
    let long = 0.123_456_789_012_345_67_f64;
    let sample = Sample {
        t_ms: 360_000_000,
        bounding_box: BoundingBox { x: long, y: long, w: long, h: long },
        confidence: long,
    };
    let range = TimeRange { start_ms: 360_000_000, end_ms: 360_000_000, confidence: long, ..TimeRange::default() };
    let bytes = |value: serde_json::Result<String>| value.unwrap().len();
    let empty = track(99_999, Vec::new(), Vec::new());
    let (max_samples, max_tracks) = (super::tracker::MAX_SAMPLES, super::tracker::MAX_TRACKS);
    assert!(max_samples >= 3 * max_tracks, "thinning leaves three of each track");
    let (sample, range) = (bytes(serde_json::to_string(&sample)), bytes(serde_json::to_string(&range)));
    let whole = (sample + range) * max_samples + bytes(serde_json::to_string(&empty)) * max_tracks;
    assert!(whole < 63 * 1_024 * 1_024, "each range keeps a sample: {whole} bytes");
}
