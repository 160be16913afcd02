//! Walkers, cuts, gaps and flicker, each at many rates: a face 146 px wide in a picture of 960 x 540.

use super::*;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 540.0;
const SIDE: f64 = 146.0;

/// A face, in pixels.
fn face(x: f64, y: f64, score: f64) -> Detection {
    sized(x, y, SIDE, score)
}

fn sized(x: f64, y: f64, side: f64, score: f64) -> Detection {
    Detection { bounding_box: BoundingBox { x: x / WIDTH, y: y / HEIGHT, w: side / WIDTH, h: side / HEIGHT }, score }
}

fn settings(interval_ms: u64) -> TrackerSettings {
    TrackerSettings { interval_ms, threshold: 2.0 }
}

/// The times of the analysed frames at a rate of `fps`.
fn times(fps: f64, until_ms: u64) -> impl Iterator<Item = u64> {
    (0..).map(move |frame| (f64::from(frame) * 1_000.0 / fps).round() as u64).take_while(move |t_ms| *t_ms < until_ms)
}

/// What a tracker makes of frames at these times, and the number of each detection.
fn follow(
    settings: TrackerSettings,
    times: impl Iterator<Item = u64>,
    end_ms: Option<u64>,
    seen: impl Fn(u64) -> Vec<Detection>,
) -> (Vec<Track>, Vec<Vec<Option<usize>>>) {
    let mut tracker = Tracker::new(settings);
    let numbers = times.map(|t_ms| tracker.push(t_ms, &seen(t_ms))).collect();
    (tracker.finish(end_ms).into_iter().map(|(_, track)| track).collect(), numbers)
}

/// The tracks of a face that is visible at times.
fn shown(fps: f64, until_ms: u64, seen: impl Fn(u64) -> Vec<Detection>) -> Vec<Track> {
    follow(settings((1_000.0 / fps).round() as u64), times(fps, until_ms), Some(until_ms), seen).0
}

fn ranges(tracks: &[Track]) -> Vec<Vec<(u64, u64)>> {
    tracks.iter().map(|track| track.ranges.iter().map(|range| (range.start_ms, range.end_ms)).collect()).collect()
}

/// -3 to 3 pixels, different for each time.
fn jitter(t_ms: u64) -> f64 {
    (t_ms / 10 * 7_919 % 7) as f64 - 3.0
}

#[test]
fn a_walker_is_one_face_whichever_sample_is_missed() {
    for fps in [2.0, 3.0, 5.0, 10.0] {
        for (speed, from_ms, to_ms) in [(160.0, 1_000, 5_000), (300.0, 1_000, 3_000), (-160.0, 1_000, 5_000)] {
            let start = if speed < 0.0 { 780.0 } else { 40.0 };
            let walker = |t_ms: u64| {
                let x = start + speed * (t_ms - from_ms) as f64 / 1_000.0 + jitter(t_ms);
                face(x, 131.0 + jitter(t_ms + 10), 20.0)
            };
            let there = |t_ms: &u64| (from_ms..to_ms).contains(t_ms);
            let seen: Vec<u64> = times(fps, 6_000).filter(there).collect();
            for missed in std::iter::once(None).chain(seen.iter().copied().map(Some)) {
                let visible = |t_ms: u64| there(&t_ms) && Some(t_ms) != missed;
                let tracks = shown(fps, 6_000, |t_ms| visible(t_ms).then(|| walker(t_ms)).into_iter().collect());
                let case = format!("{fps} fps, {speed} px/s, missed {missed:?}");
                assert_eq!(tracks.len(), 1, "{case}: {:?}", ranges(&tracks));
                let range = tracks[0].ranges[0].clone();
                let first = seen.iter().find(|t_ms| Some(**t_ms) != missed).unwrap();
                let last = seen.iter().rfind(|t_ms| Some(**t_ms) != missed).unwrap();
                let after = times(fps, 6_000).find(|t_ms| t_ms > last).unwrap();
                assert_eq!((tracks[0].ranges.len(), range.start_ms), (1, *first), "{case}");
                assert!(range.end_ms.abs_diff(after) <= 1, "{case}: {range:?}, and the next frame is at {after} ms");
                assert_eq!(tracks[0].samples.len(), seen.len() - usize::from(missed.is_some()), "{case}");
            }
        }
    }
}

#[test]
fn two_faces_that_cross_are_not_swapped() {
    for fps in [2.0, 3.0, 5.0, 10.0, 25.0] {
        for (hidden, speed) in [(false, 160.0), (true, 160.0), (false, 250.0), (true, 100.0)] {
            let moved = |t_ms: u64| speed * t_ms as f64 / 1_000.0;
            let apart = |t_ms: u64| 800.0 - 2.0 * moved(t_ms);
            let seen = |t_ms: u64| {
                let mut faces = vec![face(moved(t_ms), 131.0 + jitter(t_ms), 20.0)];
                if !hidden || apart(t_ms).abs() > SIDE / 2.0 {
                    faces.push(face(800.0 - moved(t_ms) + jitter(t_ms), 140.0, 15.0));
                }
                faces
            };
            let until_ms = (700.0 / speed * 1_000.0) as u64;
            let interval = settings((1_000.0 / fps) as u64);
            let (tracks, numbers) = follow(interval, times(fps, until_ms), Some(until_ms), seen);
            let case = format!("{fps} fps, {speed} px/s, hidden {hidden}");
            assert_eq!(tracks.len(), 2, "{case}: {:?}", ranges(&tracks));
            for frame in numbers {
                assert_eq!(frame[0], Some(0), "{case}");
                assert!(frame.get(1).is_none_or(|number| *number == Some(1)), "{case}");
            }
        }
    }
}

#[test]
fn walkers_who_follow_each_other_stay_as_many() {
    for fps in [2.0, 3.0, 5.0] {
        for speed in [160.0, 300.0] {
            // the second is, half a second later, where the first was
            let apart = (speed / 2.0_f64).max(SIDE);
            let seen = |t_ms: u64| {
                let x = speed * t_ms as f64 / 1_000.0;
                vec![face(x, 131.0, 20.0), face(x + apart, 131.0, 20.0), face(x + 2.0 * apart, 131.0, 20.0)]
            };
            let until_ms = ((WIDTH - 3.0 * apart) / speed * 1_000.0) as u64;
            let interval = settings((1_000.0 / fps) as u64);
            let (tracks, numbers) = follow(interval, times(fps, until_ms), None, seen);
            assert_eq!(tracks.len(), 3, "{fps} fps, {speed} px/s");
            assert!(numbers.iter().all(|frame| *frame == [Some(0), Some(1), Some(2)]), "{fps} fps, {speed} px/s");
        }
    }
}

#[test]
fn a_cut_breaks_a_track() {
    let other = [sized(500.0, 131.0, 146.0, 20.0), sized(380.0, 131.0, 146.0, 20.0), sized(200.0, 131.0, 380.0, 20.0)];
    for fps in [2.0, 5.0, 25.0] {
        for after in other {
            let shot = |t_ms: u64| vec![if t_ms < 2_000 { face(200.0, 131.0, 20.0) } else { after }];
            let tracks = shown(fps, 4_000, shot);
            assert_eq!(ranges(&tracks), [[(0, 2_000)], [(2_000, 4_000)]], "{fps} fps, {after:?}");
        }
        // medium close-ups: shot and reverse shot, two seconds each
        let side = |t_ms: u64| if (t_ms / 2_000).is_multiple_of(2) { 150.0 } else { 450.0 };
        assert_eq!(shown(fps, 8_000, |t_ms| vec![sized(side(t_ms), 100.0, 290.0, 25.0)]).len(), 4, "{fps} fps");
    }
}

#[test]
fn score_and_time_decide_at_every_rate() {
    let table = [
        (20.0, 1, true), // one clear sample, however short
        (4.0, 500, true),
        (20.0, 30_000, true),
        (2.1, 1, false), // one weak sample, however long it stood
        (3.9, 1, false),
        (2.1, 40_000, true), // a weak face for long
        (3.0, 40_000, true),
    ];
    for (score, for_ms, is_face) in table {
        let seen = |t_ms: u64| if t_ms < for_ms { vec![face(300.0, 131.0, score)] } else { vec![] };
        for fps in [0.1, 0.5, 1.0, 1.9, 2.0, 5.0, 10.0] {
            let tracks = shown(fps, 60_000, seen);
            assert_eq!(tracks.len(), usize::from(is_face), "score {score} for {for_ms} ms at {fps} fps");
        }
        let uneven = (0..).scan(0, |t_ms, frame| std::mem::replace(t_ms, *t_ms + [40, 900, 300, 80][frame % 4]).into());
        let (tracks, _) = follow(settings(500), uneven.take_while(|t_ms| *t_ms < 60_000), None, seen);
        assert_eq!(tracks.len(), usize::from(is_face), "score {score} for {for_ms} ms at a variable rate");
    }
}

#[test]
fn a_weak_score_needs_about_a_second_at_every_rate() {
    for fps in [2.0, 4.0, 5.0, 10.0] {
        for (score, for_ms, is_face) in
            [(2.1, 1_000, false), (2.1, 1_500, true), (3.0, 500, false), (3.0, 1_000, true), (3.9, 500, false)]
        {
            let seen = |t_ms: u64| if t_ms < for_ms { vec![face(300.0, 131.0, score)] } else { vec![] };
            assert_eq!(shown(fps, 6_000, seen).len(), usize::from(is_face), "score {score}, {for_ms} ms, {fps} fps");
        }
    }
}

#[test]
fn a_weak_hit_that_flickers_is_no_face() {
    for fps in [1.0, 2.0, 5.0, 10.0] {
        for every in [2, 3, 4] {
            let flicker = |t_ms: u64| {
                let frame = (t_ms as f64 * fps / 1_000.0).round() as u64;
                if frame.is_multiple_of(every) { vec![face(300.0, 131.0, 2.1)] } else { vec![] }
            };
            assert_eq!(shown(fps, 30_000, flicker), [], "{fps} fps, every {every}");
        }
    }
}

#[test]
fn the_threshold_says_what_is_clear() {
    for (threshold, score, is_face) in
        [(0.5, 0.6, false), (0.5, 1.1, true), (2.0, 3.0, false), (2.0, 4.0, true), (3.0, 4.0, true), (10.0, 10.1, true)]
    {
        let once = |t_ms: u64| if t_ms == 500 { vec![face(300.0, 131.0, score)] } else { vec![] };
        let (tracks, _) = follow(TrackerSettings { interval_ms: 500, threshold }, times(2.0, 3_000), None, once);
        assert_eq!(tracks.len(), usize::from(is_face), "threshold {threshold}, score {score}");
    }
}

#[test]
fn a_face_of_less_than_a_second_is_kept() {
    for fps in [2.0, 3.0, 5.0, 10.0, 25.0] {
        let seen = |t_ms: u64| if (2_300..3_200).contains(&t_ms) { vec![face(168.0, 131.0, 23.0)] } else { vec![] };
        let tracks = shown(fps, 6_000, seen);
        let (range, half) = (tracks[0].ranges[0].clone(), (500.0 / fps) as u64 + 60);
        assert_eq!((tracks.len(), tracks[0].ranges.len()), (1, 1), "{fps} fps");
        let (start, end) = (range.start_ms.abs_diff(2_300), range.end_ms.abs_diff(3_200));
        assert!(start <= half && end <= 2 * half, "{fps} fps: {range:?}");
    }
}

#[test]
fn gaps_are_closed_by_time() {
    for (fps, gap_ms, want) in [
        (2.0, 1_000, vec![vec![(0, 5_000)]]),
        (2.0, 2_000, vec![vec![(0, 2_000)], vec![(4_000, 5_000)]]),
        (10.0, 1_000, vec![vec![(0, 5_000)]]),
        (10.0, 1_300, vec![vec![(0, 2_000), (3_300, 5_000)]]), // still the same face, but it was away
        (10.0, 2_000, vec![vec![(0, 2_000)], vec![(4_000, 5_000)]]),
        (0.5, 4_000, vec![vec![(0, 2_000)]]), // two samples and two without: all that is in five seconds
    ] {
        let away = |t_ms: u64| (2_000..2_000 + gap_ms).contains(&t_ms);
        let tracks = shown(fps, 5_000, |t_ms| if away(t_ms) { vec![] } else { vec![face(300.0, 131.0, 20.0)] });
        assert_eq!(ranges(&tracks), want, "{fps} fps, {gap_ms} ms");
    }
    let sparse = |t_ms: u64| if t_ms == 20_000 { vec![] } else { vec![face(300.0, 131.0, 20.0)] };
    assert_eq!(ranges(&shown(0.1, 60_000, sparse)), [[(0, 60_000)]], "two missed samples are bridged at any rate");
}

#[test]
fn a_range_ends_where_the_next_frame_does_not_show_it() {
    let (a, none) = (vec![face(300.0, 131.0, 20.0)], Vec::new());
    let run = |frames: &[(u64, &Vec<Detection>)], end_ms| {
        let mut tracker = Tracker::new(settings(500));
        frames.iter().for_each(|(t_ms, frame)| drop(tracker.push(*t_ms, frame)));
        ranges(&tracker.finish(end_ms).into_iter().map(|(_, track)| track).collect::<Vec<_>>())
    };
    assert_eq!(run(&[(0, &a), (500, &a), (600, &a), (700, &none), (1_000, &none)], None), [[(0, 700)]]);
    assert_eq!(run(&[(0, &a), (500, &a), (4_000, &none)], None), [[(0, 1_000)]], "a hole shows nothing");
    assert_eq!(run(&[(0, &a), (500, &a)], Some(600)), [[(0, 600)]]);
    assert_eq!(run(&[(0, &a), (500, &a)], Some(36_000_000)), [[(0, 1_000)]]);
    assert_eq!(run(&[(0, &a), (500, &a)], Some(100)), [[(0, 501)]], "a frame behind the end: the end is wrong");
    assert_eq!(run(&[(0, &a)], Some(40)), [[(0, 40)]], "a video of one frame");
    assert_eq!(run(&[(0, &a)], None), [[(0, 500)]]);
    assert_eq!(run(&[(0, &a), (700, &a), (600, &a)], None), [[(0, 1_200)]], "time does not run backwards");
    assert_eq!(run(&[(0, &none)], Some(40)), Vec::<Vec<_>>::new());
}

#[test]
fn what_moved_came_or_went_is_worth_a_look() {
    let at = |x: f64| face(x, 131.0, 20.0);
    for (before, after, want) in [
        (vec![], vec![], false),
        (vec![at(100.0)], vec![at(103.0)], false),
        (vec![at(100.0)], vec![at(180.0)], true), // 160 px/s, two frames a second
        (vec![at(100.0)], vec![], true),
        (vec![], vec![at(100.0)], true),
        (vec![at(100.0), at(600.0)], vec![at(600.0), at(100.0)], false),
        (vec![at(100.0), at(600.0)], vec![at(103.0)], true),
        (vec![at(100.0)], vec![at(700.0)], true),
        (vec![at(100.0)], vec![sized(60.0, 91.0, 226.0, 20.0)], true), // it came closer
        (vec![], vec![at(-200.0)], false),                             // outside the picture
    ] {
        assert_eq!(has_motion(&before, &after), want, "{before:?} {after:?}");
        assert_eq!(has_motion(&after, &before), want, "{after:?} {before:?}");
    }
}

#[test]
fn a_closer_look_where_something_moved_follows_faster_faces() {
    let there = 1_040..2_640;
    let seen = |t_ms: u64| {
        let x = 30.0 + 480.0 * t_ms.saturating_sub(there.start) as f64 / 1_000.0;
        let passing = there.contains(&t_ms).then(|| sized(x, 131.0, 100.0, 12.0));
        std::iter::once(sized(400.0, 400.0, 100.0, 20.0)).chain(passing).collect::<Vec<_>>()
    };
    assert_eq!(shown(2.0, 5_000, seen).len(), 4, "nearly five widths a second: three of one");
    let mut tracker = Tracker::new(settings(500));
    let mut looks = 1;
    tracker.push(0, &seen(0));
    for t_ms in (500..5_000).step_by(500) {
        let between = if has_motion(&seen(t_ms - 500), &seen(t_ms)) { 100 } else { 500 };
        for t_ms in (t_ms - 500 + between..=t_ms).step_by(between as usize) {
            tracker.push(t_ms, &seen(t_ms));
            looks += 1;
        }
    }
    let tracks: Vec<Track> = tracker.finish(Some(5_000)).into_iter().map(|(_, track)| track).collect();
    assert_eq!(ranges(&tracks), [[(0, 5_000)], [(1_100, 2_700)]]);
    assert_eq!(looks, 10 + 4 * 4, "closer from 1,000 to 3,000 ms only");
}

#[test]
fn samples_and_tracks_are_limited() {
    let mut tracker = Tracker::with_limits(settings(100), 300, 12);
    for frame in 0..2_000_u64 {
        let score = |lane: u64| if frame == 700 + lane { 30.0 } else { 20.0 };
        let lanes = (0..10).map(|lane| sized(90.0 * lane as f64, 100.0, 60.0, score(lane)));
        assert!(tracker.push(frame * 100, &lanes.collect::<Vec<_>>()).iter().all(Option::is_some));
    }
    let many: Vec<Detection> = (0..10).map(|lane| sized(90.0 * f64::from(lane), 400.0, 60.0, 20.0)).collect();
    assert_eq!(tracker.push(200_000, &many).iter().flatten().count(), 2);
    assert_eq!(tracker.left_out(), 8);
    let tracks = tracker.finish(None);
    assert_eq!(tracks.len(), 12);
    let samples: usize = tracks.iter().map(|(_, track)| track.samples.len()).sum();
    assert!((100..=300).contains(&samples), "{samples} samples");
    for (number, track) in &tracks[..10] {
        let best = 70_000 + 100 * *number as u64;
        assert!(track.samples.iter().any(|sample| sample.t_ms == best), "the best one of {number}");
        assert_eq!((track.samples[0].t_ms, track.ranges[0].end_ms), (0, 200_000));
    }
}

#[test]
fn a_track_that_ended_as_none_is_not_held() {
    let mut tracker = Tracker::new(settings(500));
    assert_eq!(tracker.push(0, &[face(300.0, 131.0, 2.1), face(600.0, 131.0, 20.0)]), [Some(0), Some(1)]);
    assert!(tracker.is_tracked(0) && tracker.is_tracked(1), "both may be faces");
    for t_ms in [500, 1_000, 1_500, 2_000] {
        tracker.push(t_ms, &[]);
    }
    assert!(!tracker.is_tracked(0) && tracker.is_tracked(1));
    assert_eq!(tracker.push(2_500, &[face(0.0, 0.0, 20.0), face(-300.0, 0.0, 20.0)]), [Some(2), None]);
    let faces = tracker.finish(None);
    assert_eq!(
        faces.iter().map(|(number, track)| (*number, track.id.as_str())).collect::<Vec<_>>(),
        [(1, "t1"), (2, "t2")]
    );
}
