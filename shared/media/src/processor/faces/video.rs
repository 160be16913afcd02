//! The faces of a video: one pass of the decoder, and each frame looked at as it comes.

use domain::bucket::ProcessorSettings;
use domain::result::{MediaInfo, Track, Warning};
use domain::tracks::{Detection, Tracker, TrackerSettings, has_motion};
use tokio::sync::mpsc;

use super::preview::PreviewFrames;
use super::{DetectionParameters, build_analysis, run_blocking};
use crate::processor::detector::Detector;
use crate::processor::frame::Frame;
use crate::processor::video::{DecodeSummary, Selection, Video};
use crate::processor::{Analysis, MediaError, unreadable};

/// Frames per second that are looked at, and how many at most: 4,000 are about 400 CPU-seconds.
const DEFAULT_SAMPLE_FPS: f32 = 2.0;
const MAX_SAMPLES: u64 = 4_000;
/// Frames that are decoded for one that is looked at: those in between are looked at where something moves.
const FRAMES_PER_SAMPLE: u64 = 3;
/// Frames that wait for the detector.
const FRAME_QUEUE_LENGTH: usize = 4;
/// The end of the pictures may be so many frames before the promised one. Frames that no other refers to are not decoded,
/// and up to seven of them follow each other (a pyramid of eight).
const END_TOLERANCE_FRAMES: f64 = 2.5;
const NON_REFERENCE_FRAMES: f64 = 7.0;
/// In a clip of so many seconds each frame counts.
const SHORT_CLIP_SECONDS: f64 = 2.0;
/// Where only the whole container's end is known, its sound may be longer than its pictures.
const AUDIO_OVERHANG_US: i64 = 1_000_000;

/// What was seen of a video.
struct AnalysedFrames {
    tracker: Tracker,
    kept: PreviewFrames,
}

pub(super) async fn run(
    video: &Video<'_>,
    settings: &ProcessorSettings,
    asked: DetectionParameters,
) -> Result<Analysis, MediaError> {
    let wanted = settings.sample_fps.unwrap_or(DEFAULT_SAMPLE_FPS).clamp(0.1, 10.0);
    let seconds = video.probe.duration_us.map_or(0.0, |us| us as f64 / 1e6);
    let fps =
        if seconds * f64::from(wanted) > MAX_SAMPLES as f64 { (MAX_SAMPLES as f64 / seconds) as f32 } else { wanted };
    let mut warnings = Vec::new();
    if fps < wanted {
        let message = format!("the video is long: {fps:.2} frames per second were looked at, not {wanted}");
        warnings.push(Warning::new("sampled_sparsely", message));
    }
    let (mut seen, mut decoded) = decode_and_detect(video, asked, fps, seconds > SHORT_CLIP_SECONDS).await?;
    if reference_frames_are_rare(video, &decoded, fps) {
        (seen, decoded) = decode_and_detect(video, asked, fps, false).await?;
    }
    let mut media = video.probe.media();
    warn_of_differences(video, &decoded, &mut media, &mut warnings);
    (media.analysis_width, media.analysis_height) = (Some(seen.kept.size().0), Some(seen.kept.size().1));
    media.sample_fps = Some(fps);
    let AnalysedFrames { tracker, kept } = seen;
    let left_out = tracker.left_out();
    if left_out > 0 {
        warnings.push(Warning::new("too_many_faces", format!("{left_out} more faces were seen than are listed")));
    }
    let mut tracks = tracker.finish(u64::try_from(end_us(video, &decoded) / 1_000).ok());
    add_timecodes(video, &decoded, &mut tracks);
    let matrix = video.matrix();
    let (tracks, preview) = run_blocking(move || {
        let preview = kept.encode(&tracks, matrix);
        (tracks.into_iter().map(|(_, track)| track).collect(), preview)
    })
    .await?;
    Ok(build_analysis(media, tracks, warnings, preview.map_err(unreadable)?))
}

/// Decodes the video once, and looks at its frames beside that.
async fn decode_and_detect(
    video: &Video<'_>,
    asked: DetectionParameters,
    fps: f32,
    light: bool,
) -> Result<(AnalysedFrames, DecodeSummary), MediaError> {
    let (send, receive) = mpsc::channel(FRAME_QUEUE_LENGTH);
    let interval_ms = (1_000.0 / f64::from(fps)).round() as u64;
    // a frame stands for as long as the file's rate says, as in a show of slides
    let frame_ms = (frame_us(video) / 1_000.0).round() as u64;
    let duration_ms = video.probe.duration_ms();
    let detector = asked.detector()?;
    let tracker = Tracker::new(TrackerSettings { interval_ms: interval_ms.max(frame_ms), threshold: asked.threshold });
    let analysing = run_blocking(move || {
        let mut looker = FrameAnalyser {
            detector,
            tracker,
            kept: PreviewFrames::new(duration_ms),
            last: Vec::new(),
            intermediate: Vec::new(),
        };
        looker.run(receive, interval_ms);
        AnalysedFrames { tracker: looker.tracker, kept: looker.kept }
    });
    let selection = Selection {
        fps: f64::from(fps) * FRAMES_PER_SAMPLE as f64,
        max_frames: MAX_SAMPLES * FRAMES_PER_SAMPLE,
        skip_non_reference: light,
    };
    let (decoded, seen) = tokio::join!(video.decode_frames(selection, send), analysing);
    Ok((seen?, decoded?))
}

/// Looks at frames in order of time.
struct FrameAnalyser {
    detector: Detector,
    tracker: Tracker,
    kept: PreviewFrames,
    last: Vec<Detection>,
    /// Frames since the last one that was looked at.
    intermediate: Vec<Frame>,
}

impl FrameAnalyser {
    fn run(&mut self, mut frames: mpsc::Receiver<Frame>, interval_ms: u64) {
        let mut interval = None;
        while let Some(frame) = frames.blocking_recv() {
            let this = frame.t_ms / interval_ms;
            if interval == Some(this) && self.intermediate.len() < FRAMES_PER_SAMPLE as usize {
                self.intermediate.push(frame);
                continue;
            }
            interval = Some(this);
            let found = self.detector.detect(&frame.luma);
            if has_motion(&self.last, &found) {
                self.detect_in_intermediate(&found);
            }
            self.intermediate.clear();
            self.add(frame, found);
        }
        // what came or went behind the last one
        for frame in std::mem::take(&mut self.intermediate) {
            let found = self.detector.detect(&frame.luma);
            self.add(frame, found);
        }
    }

    /// Looks for the faces of the frames on both sides.
    fn detect_in_intermediate(&mut self, next: &[Detection]) {
        let near = [&self.last[..], next].concat();
        for frame in std::mem::take(&mut self.intermediate) {
            let found = self.detector.detect_near(&frame.luma, &near);
            self.add(frame, found);
        }
    }

    fn add(&mut self, frame: Frame, found: Vec<Detection>) {
        let numbers = self.tracker.push(frame.t_ms, &found);
        self.kept.offer(frame, &found, &numbers, &self.tracker);
        self.last = found;
    }
}

/// Whether so few frames are referred to that the wanted ones are not among them.
fn reference_frames_are_rare(video: &Video<'_>, decoded: &DecodeSummary, fps: f32) -> bool {
    let wanted_us = 1e6 / f64::from(fps);
    decoded.timing.longest_us as f64 > 1.5 * wanted_us.max(frame_us(video))
}

/// What the file promised and what was decoded: each difference is a warning.
fn warn_of_differences(video: &Video<'_>, decoded: &DecodeSummary, media: &mut MediaInfo, warnings: &mut Vec<Warning>) {
    let (probe, timing) = (&video.probe, &decoded.timing);
    let (frame_us, end_us) = (frame_us(video), end_us(video, decoded));
    if decoded.log.errors > 0 || decoded.exit_code != 0 {
        let (errors, reason) = (decoded.log.errors, decoded.log.reason());
        warnings
            .push(Warning::new("decode_errors", format!("the decoder reported {errors} errors, the first: {reason}")));
    }
    let declared = probe.video.declared_end_us(probe.start_us);
    let slack = ((END_TOLERANCE_FRAMES + NON_REFERENCE_FRAMES) * frame_us) as i64;
    let (promised, slack) = match declared {
        Some(end_us) => (Some(end_us), slack),
        None => (probe.duration_us, slack + AUDIO_OVERHANG_US),
    };
    if timing.selected >= MAX_SAMPLES * FRAMES_PER_SAMPLE {
        let message = format!("the video is long: only its first {} were looked at", format_seconds(end_us));
        warnings.push(Warning::new("truncated", message));
    } else if let Some(promised) = promised.filter(|promised| end_us + slack < *promised) {
        let message =
            format!("the pictures end at {}; the file promises {}", format_seconds(end_us), format_seconds(promised));
        warnings.push(Warning::new("truncated", message));
    } else if let Some((promised, has)) = video.missing_bytes() {
        let end = format_seconds(end_us);
        let message = format!("the file is cut off: it has {has} of {promised} bytes; the pictures end at {end}");
        warnings.push(Warning::new("truncated", message));
    }
    if timing.restarts > 0 {
        let message = format!("the file's clock went back {} times; times go on from there", timing.restarts);
        warnings.push(Warning::new("timestamps", message));
    }
    let longer = probe.duration_us.is_some_and(|us| us + AUDIO_OVERHANG_US < end_us);
    match (probe.implausible_duration_us.or(probe.duration_us.filter(|_| longer)), media.duration_ms) {
        (Some(wrong), _) => {
            let message = format!("the header says {}; {} were decoded", format_seconds(wrong), format_seconds(end_us));
            warnings.push(Warning::new("duration", message));
        }
        (None, None) => {
            let message = format!("the file does not say how long it is; {} were decoded", format_seconds(end_us));
            warnings.push(Warning::new("duration", message));
        }
        (None, Some(_)) => {}
    }
    if media.duration_ms.is_none() || longer {
        media.duration_ms = u64::try_from(end_us / 1_000).ok();
    }
}

/// When the last picture ends, from the container's start, in microseconds.
fn end_us(video: &Video<'_>, decoded: &DecodeSummary) -> i64 {
    decoded.timing.last_us + frame_us(video) as i64
}

fn frame_us(video: &Video<'_>) -> f64 {
    video.probe.frame_us().unwrap_or(0.0)
}

/// Ranges in the file's own timecode, which counts from its first picture.
fn add_timecodes(video: &Video<'_>, decoded: &DecodeSummary, tracks: &mut [(usize, Track)]) {
    let Some(timecode) = video.probe.timecode else { return };
    let first_ms = decoded.timing.first_us.and_then(|us| u64::try_from(us / 1_000).ok()).unwrap_or(0);
    for range in tracks.iter_mut().flat_map(|(_, track)| &mut track.ranges) {
        range.start_timecode = Some(timecode.at(range.start_ms.saturating_sub(first_ms)));
        range.end_timecode = Some(timecode.at(range.end_ms.saturating_sub(first_ms)));
    }
}

/// `2.560 s`.
fn format_seconds(us: i64) -> String {
    format!("{:.3} s", us as f64 / 1e6)
}
