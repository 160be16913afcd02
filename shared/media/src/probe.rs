//! What a file says of itself: `ffprobe -of json` where that program is there, else the lines that `ffmpeg -i` writes.

mod banner;
pub(crate) mod container;
mod ffprobe;

pub(crate) use container::Container;

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use domain::item::Problem;
use domain::result::MediaInfo;
use domain::timecode::Timecode;
use tokio::process::ChildStdout;

use crate::ffmpeg::log::FfmpegLog;
use crate::ffmpeg::{Ffmpeg, Tool, input_arguments, read_capped};
use crate::processor::{MediaError, unreadable};

/// How long a file may be looked at for what it says.
const PROBE_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of ffprobe's answer; a file may have a hundred streams with tags.
const MAX_OUTPUT_BYTES: u64 = 4 << 20;

/// A file with pictures.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Probe {
    pub(crate) container: String,
    /// When the container starts on its own clock, in microseconds: what a player shows as 0.
    pub(crate) start_us: i64,
    /// The longest stream, in microseconds, as far as the file says it.
    pub(crate) duration_us: Option<i64>,
    /// What the header says, where the streams say otherwise.
    pub(crate) implausible_duration_us: Option<i64>,
    pub(crate) video: Stream,
    pub(crate) timecode: Option<Timecode>,
    /// One picture, not a video.
    pub(crate) is_still: bool,
    /// Bits of the file for each pixel that is shown.
    pub(crate) bits_per_pixel: Option<f64>,
}

/// The kinds of streams that matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamKind {
    Video,
    Audio,
    Other,
}

/// A stream.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stream {
    pub(crate) index: u32,
    pub(crate) kind: StreamKind,
    /// ffmpeg's name of the codec; `None` where it knows none for it.
    pub(crate) codec: Option<String>,
    /// The container's name of the codec (FourCC).
    pub(crate) tag: Option<String>,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) start_us: Option<i64>,
    pub(crate) duration_us: Option<i64>,
    /// When it ends on the container's clock, where its tags say that and no header does.
    pub(crate) tag_end_us: Option<i64>,
    pub(crate) frames: Option<u64>,
    /// Frames per second.
    pub(crate) frame_rate: Option<f64>,
    /// A cover or a thumbnail, not a video.
    pub(crate) is_attached_picture: bool,
    pub(crate) is_default: bool,
    pub(crate) timecode: Option<String>,
    /// Degrees clockwise.
    pub(crate) rotation: u32,
    pub(crate) pixel_aspect: Option<String>,
    pub(crate) field_order: Option<String>,
    pub(crate) bit_depth: Option<u32>,
    pub(crate) color_transfer: Option<String>,
}

impl Probe {
    /// Asks the program what the file is.
    ///
    /// Skips with `unsupported_media` what it does not take for media, or has sound and no pictures, or has no decoder
    /// for; fails with `media_unreadable` and the reason where it knows the format and cannot read the file.
    pub(crate) async fn run(program: &Ffmpeg, file: &Path) -> Result<Self, MediaError> {
        let (container, messages) =
            if program.has_ffprobe() { run_ffprobe(program, file).await? } else { run_ffmpeg(program, file).await? };
        let Some(mut container) = container else {
            return Err(if messages.format_recognised() {
                unreadable(messages.reason())
            } else {
                container::unknown_format()
            });
        };
        container.bytes = std::fs::metadata(file).map_err(unreadable)?.len();
        let probe = container.into_probe(&messages)?;
        let codec = probe.video.codec.as_deref().unwrap_or_default();
        if !program.decoders().await?.has(codec) {
            let why = format!("the ffmpeg that is there has no decoder for {codec}");
            return Err(MediaError::Skipped(Problem::new("unsupported_media", why)));
        }
        Ok(probe)
    }

    /// The file's media, without what depends on how it is looked at.
    pub(crate) fn media(&self) -> MediaInfo {
        let video = &self.video;
        let swaps_sides = video.rotation == 90 || video.rotation == 270;
        let (width, height) = if swaps_sides { (video.height, video.width) } else { (video.width, video.height) };
        MediaInfo {
            duration_ms: self.duration_ms().filter(|_| !self.is_still),
            width: Some(width).filter(|pixels| *pixels > 0),
            height: Some(height).filter(|pixels| *pixels > 0),
            fps: video.frame_rate.filter(|_| !self.is_still).map(|rate| (rate * 1_000.0).round() / 1_000.0),
            codec: video.codec.clone(),
            container: Some(self.container.clone()),
            timecode: self.timecode.map(|it| it.start()),
            pixel_aspect: video
                .pixel_aspect
                .as_deref()
                .map(|aspect| if swaps_sides { inverted_aspect(aspect) } else { aspect.to_owned() }),
            rotation: Some(video.rotation).filter(|degrees| *degrees > 0),
            field_order: video.field_order.clone(),
            bit_depth: video.bit_depth,
            transfer: video.color_transfer.clone(),
            ..MediaInfo::default()
        }
    }

    pub(crate) fn duration_ms(&self) -> Option<u64> {
        self.duration_us.and_then(|us| u64::try_from(us / 1_000).ok())
    }

    /// How long a frame is shown, in microseconds, by the file's rate.
    pub(crate) fn frame_us(&self) -> Option<f64> {
        self.video.frame_rate.map(|rate| 1e6 / rate)
    }

    /// Whether the frames hold two fields of different moments.
    pub(crate) fn is_interlaced(&self) -> bool {
        self.video.field_order.as_deref().is_some_and(|order| order != "progressive")
    }
}

impl Stream {
    fn end_us(&self) -> Option<i64> {
        Some(self.start_us.unwrap_or(0) + self.duration_us?)
    }

    /// When it ends, from the container's start at `start_us`, if it says so itself.
    pub(crate) fn declared_end_us(&self, start_us: i64) -> Option<i64> {
        self.end_us().or(self.tag_end_us).map(|end| end - start_us)
    }
}

/// `16:11` of a picture that is turned by a quarter.
fn inverted_aspect(aspect: &str) -> String {
    aspect.split_once(':').map_or_else(|| aspect.to_owned(), |(across, down)| format!("{down}:{across}"))
}

async fn run_ffprobe(program: &Ffmpeg, file: &Path) -> Result<(Option<Container>, FfmpegLog), MediaError> {
    let mut arguments: Vec<OsString> = ["-v", "repeat+level+warning"].map(OsString::from).into();
    arguments.extend(program.input_options(Tool::Ffprobe));
    arguments.extend(["-of", "json", "-show_format", "-show_streams"].map(OsString::from));
    arguments.extend(input_arguments(file)?);
    let read = async |stdout: &mut ChildStdout| read_capped(stdout, MAX_OUTPUT_BYTES).await;
    let ended = program.run(Tool::Ffprobe, &arguments, PROBE_TIMEOUT, read, |_| false).await?;
    Ok((ffprobe::parse(&ended.output), ended.log))
}

/// Without an output the exit status is 1, and the banner tells what we ask for.
async fn run_ffmpeg(program: &Ffmpeg, file: &Path) -> Result<(Option<Container>, FfmpegLog), MediaError> {
    let mut arguments: Vec<OsString> = ["-v", "repeat+level+info"].map(OsString::from).into();
    arguments.extend(program.input_options(Tool::Ffmpeg));
    arguments.extend(input_arguments(file)?);
    let (send, mut lines) = tokio::sync::mpsc::unbounded_channel();
    let observe = move |line: &crate::ffmpeg::log::LogLine<'_>| {
        line.level == "info" && line.context.is_empty() && send.send(line.text.to_owned()).is_ok()
    };
    let read = async |stdout: &mut ChildStdout| read_capped(stdout, 0).await;
    let ended = program.run(Tool::Ffmpeg, &arguments, PROBE_TIMEOUT, read, observe).await?;
    let mut banner = banner::Banner::default();
    while let Some(line) = lines.recv().await {
        banner.read_line(&line);
    }
    Ok((banner.finish(), ended.log))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A program without ffprobe beside it that knows VP9 alone, and shows a file of this codec.
    fn fake_ffmpeg(folder: &Path, codec: &str) -> Ffmpeg {
        let lines = ["Input #0, mov, from 'x':", "  Duration: 00:00:06.00, start: 0.000000, bitrate: 9 kb/s"];
        let stream = format!("  Stream #0:0: Video: {codec} (High), yuv420p, 960x540, 25 fps, 25 tbr, 90k tbn");
        let shown: Vec<String> = lines.iter().map(|it| (*it).to_owned()).chain([stream]).collect();
        let shown: String = shown.iter().map(|line| format!("echo \"[info] {line}\" >&2\n")).collect();
        let script = format!(
            "#!/bin/sh\ncase \"$*\" in *-decoders*) echo ' V....D vp9    Google VP9'; exit 0;; esac\n{shown}exit 1\n"
        );
        let program = folder.join("ffmpeg");
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        Ffmpeg::new(program.to_string_lossy().into_owned(), String::new(), 1_000)
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_decoder_that_is_missing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("media");
        std::fs::write(&file, vec![0; 100_000]).unwrap();
        let known = Probe::run(&fake_ffmpeg(folder.path(), "vp9"), &file).await.unwrap();
        assert_eq!((known.video.codec.as_deref(), known.duration_us), (Some("vp9"), Some(6_000_000)));
        let unknown = Probe::run(&fake_ffmpeg(folder.path(), "prores"), &file).await;
        let Err(MediaError::Skipped(problem)) = unknown else { panic!("{unknown:?}") };
        assert_eq!(problem.code, "unsupported_media");
        assert_eq!(problem.message, "the ffmpeg that is there has no decoder for prores");
    }
}
