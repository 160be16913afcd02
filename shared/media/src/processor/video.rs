//! Decodes videos with the `ffmpeg` program, which gets a local file and nothing else (processors, section 4).

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use image::DynamicImage;
use tokio::io::BufReader;
use tokio::process::ChildStdout;
use tokio::sync::mpsc;

use super::frame::{Frame, Matrix};
use super::timing::{DECODED, SELECTED, ShowinfoReader, Timing};
use super::{declared_size, encryption};
use crate::error::MediaError;
use crate::ffmpeg::log::FfmpegLog;
use crate::ffmpeg::{Ffmpeg, Tool, input_arguments, read_capped};
use crate::probe::container::Probe;

/// How long the decoding of a video may take: less than the 900 s of a Lambda function.
const DECODE_TIMEOUT: Duration = Duration::from_secs(840);
/// How long the decoding of one frame may take.
const PICTURE_TIMEOUT: Duration = Duration::from_secs(60);
/// A frame for analysis is scaled to fit a square of this side, in pixels.
const ANALYSIS_SIDE: u32 = 640;
/// The short side of a frame for analysis, at least, in pixels: a very wide or tall frame does not fit [`ANALYSIS_SIDE`].
const SHORT_SIDE: u32 = 160;
/// The long side of a frame for analysis, at most, in pixels.
const LONG_SIDE: u32 = 2_560;
/// The long side of a frame for a rendition, at most, in pixels.
pub(crate) const RENDITION_SIDE: u32 = 2_560;
/// Bytes of a PPM header, at most: `P6`, width, height, the greatest value.
const MAX_HEADER_BYTES: u64 = 64;
/// From so many bits per pixel on (1080p with 25 fps at 2.6 Mbit/s), block edges are hardly visible: the loop filter, which
/// smooths them, is skipped.
const SHARP_BITS_PER_PIXEL: f64 = 0.05;
/// A seek goes this far before the wanted frame, in milliseconds.
const LEAD_MS: u64 = 5_000;
/// The exit status of a run with many errors (`-max_error_rate`). The frames before them count.
const EXIT_ERROR_RATE: i32 = 69;

/// A probed video file.
pub(crate) struct Video<'a> {
    ffmpeg: &'a Ffmpeg,
    file: PathBuf,
    pub(crate) probe: Probe,
}

/// Which frames to decode.
#[derive(Debug, Clone, Copy)]
pub(super) struct Selection {
    /// The first frame of each interval of 1/`fps` seconds.
    pub(super) fps: f64,
    pub(super) max_frames: u64,
    /// Skip non-reference frames, and the loop filter where [`SHARP_BITS_PER_PIXEL`] allows it.
    pub(super) skip_non_reference: bool,
}

/// What was decoded.
#[derive(Debug)]
pub(super) struct DecodeSummary {
    pub(super) timing: Timing,
    pub(super) log: FfmpegLog,
    pub(super) exit_code: i32,
}

impl<'a> Video<'a> {
    pub(crate) fn new(ffmpeg: &'a Ffmpeg, file: &Path, probe: Probe) -> Self {
        Self { ffmpeg, file: file.to_owned(), probe }
    }

    /// Decodes the video once, and sends the selected frames. Ends early if the receiver is dropped.
    ///
    /// # Errors
    /// `Failed` with `media_unreadable` and the decoder's reason if there is no frame at all. Those of [`Ffmpeg::run`].
    pub(super) async fn decode_frames(
        &self,
        selection: Selection,
        to: mpsc::Sender<Frame>,
    ) -> Result<DecodeSummary, MediaError> {
        let arguments = self.sampling_arguments(selection)?;
        let (send_times, mut times) = mpsc::unbounded_channel();
        let frame_us = self.probe.frame_us().unwrap_or(40_000.0) as i64;
        let (mut reader, timing) = ShowinfoReader::new(self.probe.start_us, frame_us, send_times);
        let read = async |stdout: &mut ChildStdout| {
            let mut stdout = BufReader::new(stdout);
            while let Some(mut frame) = Frame::read(&mut stdout, LONG_SIDE).await? {
                let at_us: i64 = times.recv().await.ok_or_else(|| MediaError::unreadable("a frame has no time"))?;
                frame.t_ms = u64::try_from((at_us + 500) / 1_000).unwrap_or(0);
                if to.send(frame).await.is_err() {
                    break;
                }
            }
            Ok(())
        };
        let run =
            self.ffmpeg.run(Tool::Ffmpeg, &arguments, DECODE_TIMEOUT, read, move |line| reader.read_line(line)).await?;
        let timing = *timing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if timing.selected == 0 || !matches!(run.exit_code, 0 | 1 | EXIT_ERROR_RATE) {
            return Err(self.decode_error(&run.log));
        }
        Ok(DecodeSummary { timing, log: run.log, exit_code: run.exit_code })
    }

    /// The frame that is shown at `at_ms`, in colour, at most `side` pixels long; the first one if there is none then.
    ///
    /// # Errors
    /// As [`Video::decode_frames`].
    pub(crate) async fn decode_picture(&self, at_ms: u64, side: u32) -> Result<DynamicImage, MediaError> {
        let mut log = FfmpegLog::default();
        // a seek may find no frame, as in a transport stream of one group of pictures: then decode from the beginning
        for (seek, from) in [(at_ms > LEAD_MS, at_ms), (false, at_ms), (false, 0)] {
            let max_bytes = u64::from(side) * u64::from(side) * 3 + MAX_HEADER_BYTES;
            let arguments = self.picture_arguments(seek, from, side)?;
            let read = async |stdout: &mut ChildStdout| read_capped(stdout, max_bytes).await;
            let run = self.ffmpeg.run(Tool::Ffmpeg, &arguments, PICTURE_TIMEOUT, read, |_| false).await?;
            if let Ok(picture) = image::load_from_memory_with_format(&run.output, image::ImageFormat::Pnm) {
                return Ok(picture);
            }
            log = run.log;
        }
        Err(self.decode_error(&log))
    }

    /// The declared size of the file and its real one, in bytes, if that is smaller.
    pub(super) fn missing_bytes(&self) -> Option<(u64, u64)> {
        let size = std::fs::metadata(&self.file).ok()?.len();
        Some((declared_size::declared_size(&self.file)?, size))
    }

    fn decode_error(&self, log: &FfmpegLog) -> MediaError {
        match encryption::scheme(&self.file) {
            Some(scheme) => MediaError::unreadable(format!("the file is encrypted (Common Encryption, {scheme})")),
            None => MediaError::unreadable(log.reason()),
        }
    }

    /// The arguments that sample a video.
    ///
    /// `-copyts` keeps each frame's time on the container's clock: ffmpeg would otherwise count from the first selected
    /// stream. `-fps_mode passthrough` neither repeats nor drops selected frames. `setpts` makes new times for the output,
    /// where a clock that goes back would be an error.
    fn sampling_arguments(&self, selection: Selection) -> Result<Vec<OsString>, MediaError> {
        let Selection { fps, max_frames, skip_non_reference } = selection;
        let first: &[&str] = match skip_non_reference {
            true if self.probe.bits_per_pixel.is_some_and(|bits| bits > SHARP_BITS_PER_PIXEL) => {
                &["-skip_frame", "noref", "-skip_loop_filter", "nokey"]
            }
            true => &["-skip_frame", "noref"],
            false => &[],
        };
        let (start, every) =
            (self.start_seconds(), (self.probe.video.frame_rate.unwrap_or(25.0) / fps).max(1.0).round());
        let interval = |time: &str| format!("floor(({time}-({start}))*{fps})");
        let (current, previous) = (interval("t"), interval("prev_selected_t"));
        let select = format!("if(isnan(t),not(mod(n,{every})),isnan(prev_selected_t)+not(eq({current},{previous})))");
        // in square pixels
        let to_side = |side: &str| format!("min({side}/max(iw*sar,ih),10)");
        let scale = format!(
            "max({},min({SHORT_SIDE}/min(iw*sar,ih),{LONG_SIDE}/max(iw*sar,ih)))",
            to_side(&ANALYSIS_SIDE.to_string())
        );
        let filter = format!(
            "sidedata=delete,settb=AVTB,{DECODED}=checksum=0,select='{select}',{SELECTED}=checksum=0,\
             setpts=N*1000000000,{}:flags=fast_bilinear:out_range=full,\
             format=yuv420p",
            self.shape_filter(&scale, 2)
        );
        let (max_frames, stream) = (max_frames.to_string(), self.stream_specifier());
        let output = ["-map", &stream, "-vf", &filter, "-fps_mode", "passthrough", "-frames:v", &max_frames];
        let written = ["-c:v", "pgmyuv", "-f", "image2pipe", "-"];
        self.arguments("info", first, &[&output[..], &written].concat())
    }

    /// The arguments that decode one frame.
    fn picture_arguments(&self, seek: bool, at_ms: u64, side: u32) -> Result<Vec<OsString>, MediaError> {
        let lead = at_ms.saturating_sub(LEAD_MS);
        let lead = format!("{}.{:03}", lead / 1_000, lead % 1_000);
        let first: &[&str] = if seek { &["-ss", &lead] } else { &[] };
        let select = match at_ms {
            0 => String::new(),
            // times in results are whole milliseconds
            _ => format!("select='gte(t-({}),{})',", self.start_seconds(), at_ms as f64 / 1_000.0 - 0.000_6),
        };
        let scale = format!("min(1,{side}/max(iw*sar,ih))");
        let (filter, stream) = (format!("{select}{}", self.shape_filter(&scale, 1)), self.stream_specifier());
        let output = ["-map", &stream, "-frames:v", "1", "-vf", &filter, "-fps_mode", "passthrough"];
        let written = ["-pix_fmt", "rgb24", "-c:v", "ppm", "-f", "image2pipe", "-"];
        self.arguments("warning", first, &[&output[..], &written].concat())
    }

    /// The colour matrix of the frames, by their size, as players choose it for a file without one.
    pub(super) fn matrix(&self) -> Matrix {
        if self.probe.video.height > 576 || self.probe.video.width > 1_024 { Matrix::Bt709 } else { Matrix::Bt601 }
    }

    /// The filters that scale a frame to square pixels, times `scale`, with sides that are multiples of `unit`. Of an
    /// interlaced frame one field is taken.
    fn shape_filter(&self, scale: &str, unit: u32) -> String {
        let (field, lines) = if self.probe.is_interlaced() { ("field=top,", "2*ih") } else { ("", "ih") };
        let scale = scale.replace("ih", lines);
        let side = |length: &str| format!("'{unit}*max(1,round({length}*{scale}/{unit}))'");
        let size = format!("w={}:h={}", side("iw*sar"), side(lines));
        format!("{field}scale={size}")
    }

    fn start_seconds(&self) -> f64 {
        self.probe.start_us as f64 / 1e6
    }

    fn stream_specifier(&self) -> String {
        format!("0:{}", self.probe.video.index)
    }

    /// The arguments of every run: `first` before the input, `output` after it.
    fn arguments(&self, level: &str, first: &[&str], output: &[&str]) -> Result<Vec<OsString>, MediaError> {
        let mut all: Vec<OsString> = ["-v".into(), format!("repeat+level+{level}").into()].into();
        all.extend(self.ffmpeg.input_options(Tool::Ffmpeg));
        all.push("-copyts".into());
        all.extend(first.iter().map(OsString::from));
        all.extend(input_arguments(&self.file)?);
        all.extend(output.iter().map(OsString::from));
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::container::Container;
    use crate::probe::stream::{Stream, StreamKind};

    #[test]
    fn every_run_has_the_same_input_options() {
        let program = Ffmpeg::new("ffmpeg".to_owned(), String::new(), 1_769);
        let container = Container::example(vec![Stream::example(0, StreamKind::Video)]);
        let probe = container.into_probe(&FfmpegLog::default()).unwrap();
        let video = Video::new(&program, Path::new("/tmp/a:b/media"), probe);
        let selection = Selection { fps: 2.0, max_frames: 9, skip_non_reference: true };
        let runs = [
            video.sampling_arguments(selection),
            video.picture_arguments(true, 6_500, ANALYSIS_SIDE),
            video.picture_arguments(false, 0, ANALYSIS_SIDE),
        ];
        for (run, own) in runs.map(Result::unwrap).iter().zip([&["-skip_frame", "noref"][..], &["-ss", "1.500"], &[]]) {
            let same = program.input_options(Tool::Ffmpeg);
            assert!(run[2..].starts_with(&same), "{run:?}");
            let rest = &run[2 + same.len()..];
            assert_eq!(rest[0], "-copyts", "{run:?}");
            assert_eq!(rest[1..=own.len()], *own, "{run:?}");
            assert_eq!(rest[1 + own.len()..][..2], ["-i", "file:/tmp/a:b/media"], "{run:?}");
            assert_eq!(run.iter().filter(|it| *it == "-i").count(), 1, "{run:?}");
        }
        let options: Vec<String> =
            program.input_options(Tool::Ffmpeg).into_iter().map(|it| it.to_string_lossy().into_owned()).collect();
        let value = |name: &str| options.windows(2).find(|it| it[0] == name).unwrap()[1].as_str();
        assert_eq!((options[0].as_str(), value("-protocol_whitelist")), ("-nostdin", "file"));
        assert!(value("-format_whitelist").split(',').any(|it| it == "matroska"));
        assert!((1..=4).contains(&value("-threads").parse::<u32>().unwrap()), "60 % of 1,769 MB are for four threads");
        assert_eq!(value("-filter_threads"), value("-threads"));
    }
}
