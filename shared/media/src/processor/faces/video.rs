//! The faces of a video: one pass of the decoder, each frame analysed as it arrives.

use domain::bucket::ProcessorSettings;
use domain::result::{MediaInfo, Track, Warning};
use domain::tracks::{Detection, Tracker, TrackerSettings, has_motion};
use tokio::sync::mpsc;

use super::parameters::DetectionParameters;
use super::preview::PreviewFrames;
use crate::error::MediaError;
use crate::processor::analysis::Analysis;
use crate::processor::blocking::run_blocking;
use crate::processor::detector::Detector;
use crate::processor::frame::Frame;
use crate::processor::video::{DecodeSummary, Selection, Video};

/// Analysed frames per second.
const DEFAULT_SAMPLE_FPS: f32 = 2.0;
/// Analysed frames of a video, at most: 4,000 take about 400 CPU-seconds.
const MAX_SAMPLES: u64 = 4_000;
/// Decoded frames for each analysed one. Those in between are analysed too where a face moves.
const FRAMES_PER_SAMPLE: u64 = 3;
/// Decoded frames that wait for the detector, at most.
const FRAME_QUEUE_LENGTH: usize = 4;
/// By so many frames the video may end before its declared end.
const END_TOLERANCE_FRAMES: f64 = 2.5;
/// Non-reference frames are not decoded. Up to seven of them follow each other (a B-frame pyramid of eight).
const NON_REFERENCE_FRAMES: f64 = 7.0;
/// In a clip of at most so many seconds, non-reference frames are decoded as well.
const SHORT_CLIP_SECONDS: f64 = 2.0;
/// Where only the container's end is known, its audio may be longer than its video by so much.
const AUDIO_OVERHANG_US: i64 = 1_000_000;

/// The state after all frames were analysed.
struct AnalysedFrames {
    tracker: Tracker,
    preview: PreviewFrames,
}

/// Finds the faces of a video.
///
/// # Errors
/// As [`Video::decode_frames`]; `Failed` if the preview cannot be encoded.
pub(super) async fn run(
    video: &Video<'_>,
    settings: &ProcessorSettings,
    parameters: DetectionParameters,
) -> Result<Analysis, MediaError> {
    let sample_fps = settings.sample_fps.unwrap_or(DEFAULT_SAMPLE_FPS).clamp(0.1, 10.0);
    let seconds = video.probe.duration_us.map_or(0.0, |us| us as f64 / 1e6);
    let fps = if seconds * f64::from(sample_fps) > MAX_SAMPLES as f64 {
        (MAX_SAMPLES as f64 / seconds) as f32
    } else {
        sample_fps
    };
    let mut warnings = Vec::new();
    if fps < sample_fps {
        let message = format!("the video is long: {fps:.2} frames per second were looked at, not {sample_fps}");
        warnings.push(Warning::new("sampled_sparsely", message));
    }
    let (mut analysed, mut decoded) = decode_and_detect(video, parameters, fps, seconds > SHORT_CLIP_SECONDS).await?;
    if reference_frames_are_rare(video, &decoded, fps) {
        (analysed, decoded) = decode_and_detect(video, parameters, fps, false).await?;
    }
    let mut media = video.probe.media();
    warn_of_differences(video, &decoded, &mut media, &mut warnings);
    (media.analysis_width, media.analysis_height) = (Some(analysed.preview.size().0), Some(analysed.preview.size().1));
    media.sample_fps = Some(fps);
    let AnalysedFrames { tracker, preview } = analysed;
    let left_out = tracker.left_out();
    if left_out > 0 {
        warnings.push(Warning::new("too_many_faces", format!("{left_out} more faces were seen than are listed")));
    }
    let mut tracks = tracker.finish(u64::try_from(end_us(video, &decoded) / 1_000).ok());
    add_timecodes(video, &decoded, &mut tracks);
    let matrix = video.matrix();
    let (tracks, preview) = run_blocking(move || {
        let jpeg = preview.encode(&tracks, matrix);
        (tracks.into_iter().map(|(_, track)| track).collect(), jpeg)
    })
    .await?;
    Ok(Analysis::of_faces(media, tracks, warnings, preview.map_err(MediaError::unreadable)?))
}

/// Decodes the video once, and analyses its frames at the same time.
async fn decode_and_detect(
    video: &Video<'_>,
    parameters: DetectionParameters,
    fps: f32,
    skip_non_reference: bool,
) -> Result<(AnalysedFrames, DecodeSummary), MediaError> {
    let (send, receive) = mpsc::channel(FRAME_QUEUE_LENGTH);
    let interval_ms = (1_000.0 / f64::from(fps)).round() as u64;
    // at a low frame rate, as of a slide show, a frame lasts longer than the interval
    let frame_ms = (frame_us(video) / 1_000.0).round() as u64;
    let duration_ms = video.probe.duration_ms();
    let detector = parameters.detector()?;
    let tracker =
        Tracker::new(TrackerSettings { interval_ms: interval_ms.max(frame_ms), threshold: parameters.threshold });
    let analysing = run_blocking(move || {
        let mut analyser = FrameAnalyser {
            detector,
            tracker,
            preview: PreviewFrames::new(duration_ms),
            last: Vec::new(),
            intermediate: Vec::new(),
        };
        analyser.run(receive, interval_ms);
        AnalysedFrames { tracker: analyser.tracker, preview: analyser.preview }
    });
    let selection = Selection {
        fps: f64::from(fps) * FRAMES_PER_SAMPLE as f64,
        max_frames: MAX_SAMPLES * FRAMES_PER_SAMPLE,
        skip_non_reference,
    };
    let (decoded, analysed) = tokio::join!(video.decode_frames(selection, send), analysing);
    Ok((analysed?, decoded?))
}

/// Analyses frames in order of time.
struct FrameAnalyser {
    detector: Detector,
    tracker: Tracker,
    preview: PreviewFrames,
    last: Vec<Detection>,
    /// Frames since the last analysed one.
    intermediate: Vec<Frame>,
}

impl FrameAnalyser {
    fn run(&mut self, mut frames: mpsc::Receiver<Frame>, interval_ms: u64) {
        let mut interval = None;
        while let Some(frame) = frames.blocking_recv() {
            let current = frame.t_ms / interval_ms;
            if interval == Some(current) && self.intermediate.len() < FRAMES_PER_SAMPLE as usize {
                self.intermediate.push(frame);
                continue;
            }
            interval = Some(current);
            let found = self.detector.detect(&frame.luma);
            if has_motion(&self.last, &found) {
                self.detect_in_intermediate(&found);
            }
            self.intermediate.clear();
            self.add(frame, found);
        }
        // faces may come or go after the last analysed frame
        for frame in std::mem::take(&mut self.intermediate) {
            let found = self.detector.detect(&frame.luma);
            self.add(frame, found);
        }
    }

    /// Detects faces of the sizes that the frames on both sides have.
    fn detect_in_intermediate(&mut self, next: &[Detection]) {
        let near = [&self.last[..], next].concat();
        for frame in std::mem::take(&mut self.intermediate) {
            let found = self.detector.detect_near(&frame.luma, &near);
            self.add(frame, found);
        }
    }

    fn add(&mut self, frame: Frame, found: Vec<Detection>) {
        let numbers = self.tracker.push(frame.t_ms, &found);
        self.preview.offer(frame, &found, &numbers, &self.tracker);
        self.last = found;
    }
}

/// Whether there are too few reference frames for the wanted rate.
fn reference_frames_are_rare(video: &Video<'_>, decoded: &DecodeSummary, fps: f32) -> bool {
    let interval_us = 1e6 / f64::from(fps);
    decoded.timing.longest_us as f64 > 1.5 * interval_us.max(frame_us(video))
}

/// Compares what the file declares with what was decoded. Each difference becomes a warning. Corrects the duration.
fn warn_of_differences(video: &Video<'_>, decoded: &DecodeSummary, media: &mut MediaInfo, warnings: &mut Vec<Warning>) {
    let (probe, timing) = (&video.probe, &decoded.timing);
    let (frame_us, end_us) = (frame_us(video), end_us(video, decoded));
    if decoded.log.errors > 0 || decoded.exit_code != 0 {
        let (errors, reason) = (decoded.log.errors, decoded.log.reason());
        warnings
            .push(Warning::new("decode_errors", format!("the decoder reported {errors} errors, the first: {reason}")));
    }
    let declared = probe.video.declared_end_us(probe.start_us);
    let tolerance = ((END_TOLERANCE_FRAMES + NON_REFERENCE_FRAMES) * frame_us) as i64;
    let (declared_end, tolerance) = match declared {
        Some(end_us) => (Some(end_us), tolerance),
        None => (probe.duration_us, tolerance + AUDIO_OVERHANG_US),
    };
    if timing.selected >= MAX_SAMPLES * FRAMES_PER_SAMPLE {
        let message = format!("the video is long: only its first {} were looked at", format_seconds(end_us));
        warnings.push(Warning::new("truncated", message));
    } else if let Some(declared) = declared_end.filter(|declared| end_us + tolerance < *declared) {
        let message =
            format!("the pictures end at {}; the file promises {}", format_seconds(end_us), format_seconds(declared));
        warnings.push(Warning::new("truncated", message));
    } else if let Some((declared, has)) = video.missing_bytes() {
        let end = format_seconds(end_us);
        let message = format!("the file is cut off: it has {has} of {declared} bytes; the pictures end at {end}");
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

/// The end of the last frame, from the container's start, in microseconds.
fn end_us(video: &Video<'_>, decoded: &DecodeSummary) -> i64 {
    decoded.timing.last_us + frame_us(video) as i64
}

fn frame_us(video: &Video<'_>) -> f64 {
    video.probe.frame_us().unwrap_or(0.0)
}

/// Adds the file's timecode to the ranges. It counts from the first frame.
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
