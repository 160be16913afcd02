//! Videos: decoded by the `ffmpeg` program, which gets a local file and nothing else (processors, section 4).

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use image::DynamicImage;
use tokio::io::BufReader;
use tokio::process::ChildStdout;
use tokio::sync::mpsc;

use super::frame::{Frame, Matrix};
use super::timing::{DECODED, SELECTED, ShowinfoReader, Timing};
use super::{MediaError, declared_size, encryption, unreadable};
use crate::ffmpeg::log::FfmpegLog;
use crate::ffmpeg::{Ffmpeg, Tool, input_arguments, read_capped};
use crate::probe::Probe;

/// How long the frames of a video may take, and how long one of them.
const DECODE_TIMEOUT: Duration = Duration::from_secs(840);
const PICTURE_TIMEOUT: Duration = Duration::from_secs(60);
/// A frame is scaled to fit this square, unless its short side would be less than this; then it may be as long as this.
pub(crate) const SIDE: u32 = 640;
const SHORT_SIDE: u32 = 160;
const LONG_SIDE: u32 = 2_560;
/// A frame that a rendition is made of.
pub(crate) const RENDITION_SIDE: u32 = 2_560;
/// Bytes of a PPM file before its pixels, at most: `P6`, two sizes, the greatest value.
const MAX_HEADER_BYTES: u64 = 64;
/// From so many bits for a pixel on, what the loop filter smooths is hardly seen: 1080p at 2.6 Mbit/s and 25 frames.
const SHARP_BITS_PER_PIXEL: f64 = 0.05;
/// How far before a frame its decoding begins, in milliseconds.
const LEAD_MS: u64 = 5_000;
/// The exit status of a run with many errors (`-max_error_rate`): what was decoded before counts.
const EXIT_ERROR_RATE: i32 = 69;

/// A video file.
pub(crate) struct Video<'a> {
    program: &'a Ffmpeg,
    file: PathBuf,
    pub(crate) probe: Probe,
}

/// Which frames are wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Selection {
    /// The first frame of each interval of 1/`fps` seconds.
    pub(super) fps: f64,
    pub(super) max_frames: u64,
    /// Frames that no other frame refers to need not be decoded, nor edges be smoothed where blocks are hardly seen.
    pub(super) skip_non_reference: bool,
}

/// How a run over the frames ended.
#[derive(Debug)]
pub(super) struct DecodeSummary {
    pub(super) timing: Timing,
    pub(super) log: FfmpegLog,
    pub(super) exit_code: i32,
}

impl<'a> Video<'a> {
    pub(crate) fn new(program: &'a Ffmpeg, file: &Path, probe: Probe) -> Self {
        Self { program, file: file.to_owned(), probe }
    }

    /// Decodes the video once and sends the wanted frames as they come; a receiver that is gone ends it.
    ///
    /// Fails with `media_unreadable` and the decoder's reason if there is no frame at all.
    pub(super) async fn decode_frames(
        &self,
        selection: Selection,
        to: mpsc::Sender<Frame>,
    ) -> Result<DecodeSummary, MediaError> {
        let arguments = self.sampling_arguments(selection)?;
        let (times, mut at) = mpsc::unbounded_channel();
        let frame_us = self.probe.frame_us().unwrap_or(40_000.0) as i64;
        let (mut reader, timing) = ShowinfoReader::new(self.probe.start_us, frame_us, times);
        let read = async |stdout: &mut ChildStdout| {
            let mut stdout = BufReader::new(stdout);
            while let Some(mut frame) = Frame::read(&mut stdout, LONG_SIDE).await? {
                let at_us: i64 = at.recv().await.ok_or_else(|| unreadable("a frame has no time"))?;
                frame.t_ms = u64::try_from((at_us + 500) / 1_000).unwrap_or(0);
                if to.send(frame).await.is_err() {
                    break;
                }
            }
            Ok(())
        };
        let ended = self
            .program
            .run(Tool::Ffmpeg, &arguments, DECODE_TIMEOUT, read, move |line| reader.read_line(line))
            .await?;
        let timing = *timing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if timing.selected == 0 || !matches!(ended.exit_code, 0 | 1 | EXIT_ERROR_RATE) {
            return Err(self.decode_error(&ended.log));
        }
        Ok(DecodeSummary { timing, log: ended.log, exit_code: ended.exit_code })
    }

    /// The frame that is shown at a time, in colour, within a square of this side; the first one if there is none.
    pub(crate) async fn decode_picture(&self, at_ms: u64, side: u32) -> Result<DynamicImage, MediaError> {
        let mut messages = FfmpegLog::default();
        // a seek may find nothing, as in a transport stream of one group of pictures: then from the beginning
        for (seek, from) in [(at_ms > LEAD_MS, at_ms), (false, at_ms), (false, 0)] {
            let most = u64::from(side) * u64::from(side) * 3 + MAX_HEADER_BYTES;
            let arguments = self.picture_arguments(seek, from, side)?;
            let read = async |stdout: &mut ChildStdout| read_capped(stdout, most).await;
            let still = self.program.run(Tool::Ffmpeg, &arguments, PICTURE_TIMEOUT, read, |_| false).await?;
            if let Ok(picture) = image::load_from_memory_with_format(&still.output, image::ImageFormat::Pnm) {
                return Ok(picture);
            }
            messages = still.log;
        }
        Err(self.decode_error(&messages))
    }

    /// Bytes that the file should have, and bytes that it has, if they are fewer.
    pub(super) fn missing_bytes(&self) -> Option<(u64, u64)> {
        let has = std::fs::metadata(&self.file).ok()?.len();
        Some((declared_size::declared_size(&self.file)?, has))
    }

    fn decode_error(&self, messages: &FfmpegLog) -> MediaError {
        match encryption::scheme(&self.file) {
            Some(scheme) => unreadable(format!("the file is encrypted (Common Encryption, {scheme})")),
            None => unreadable(messages.reason()),
        }
    }

    /// Each frame's own time on the container's clock: `-copyts`, since ffmpeg would count from the first of the
    /// streams that are used. No frame is made up or left out behind the choice: `-fps_mode passthrough`, and `setpts`,
    /// since a clock that goes back would be a fault of the output.
    fn sampling_arguments(&self, selection: Selection) -> Result<Vec<OsString>, MediaError> {
        let Selection { fps, max_frames: most, skip_non_reference: light } = selection;
        let first: &[&str] = match light {
            true if self.probe.bits_per_pixel.is_some_and(|bits| bits > SHARP_BITS_PER_PIXEL) => {
                &["-skip_frame", "noref", "-skip_loop_filter", "nokey"]
            }
            true => &["-skip_frame", "noref"],
            false => &[],
        };
        let (start, every) =
            (self.start_seconds(), (self.probe.video.frame_rate.unwrap_or(25.0) / fps).max(1.0).round());
        let interval = |time: &str| format!("floor(({time}-({start}))*{fps})");
        let (this, before) = (interval("t"), interval("prev_selected_t"));
        let select = format!("if(isnan(t),not(mod(n,{every})),isnan(prev_selected_t)+not(eq({this},{before})))");
        // the picture as it is shown: square pixels, and large enough where it is very wide
        let times = |time: &str| format!("min({time}/max(iw*sar,ih),10)");
        let scale =
            format!("max({},min({SHORT_SIDE}/min(iw*sar,ih),{LONG_SIDE}/max(iw*sar,ih)))", times(&SIDE.to_string()));
        let filter = format!(
            "sidedata=delete,settb=AVTB,{DECODED}=checksum=0,select='{select}',{SELECTED}=checksum=0,\
             setpts=N*1000000000,{}:flags=fast_bilinear:out_range=full,\
             format=yuv420p",
            self.shape_filter(&scale, 2)
        );
        let (most, stream) = (most.to_string(), self.stream_specifier());
        let output = ["-map", &stream, "-vf", &filter, "-fps_mode", "passthrough", "-frames:v", &most];
        let written = ["-c:v", "pgmyuv", "-f", "image2pipe", "-"];
        self.arguments("info", first, &[&output[..], &written].concat())
    }

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

    /// The weights of the frames' colours: as players do where a file does not say it.
    pub(super) fn matrix(&self) -> Matrix {
        if self.probe.video.height > 576 || self.probe.video.width > 1_024 { Matrix::Bt709 } else { Matrix::Bt601 }
    }

    /// The filters that bring a frame into the shape in which a player shows it, times `scale`, its sides multiples of
    /// `unit`. Of two fields of different moments one is taken.
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

    /// The arguments of every run: what is particular to it stands before and behind what is the same for all.
    fn arguments(&self, level: &str, first: &[&str], output: &[&str]) -> Result<Vec<OsString>, MediaError> {
        let mut all: Vec<OsString> = ["-v".into(), format!("repeat+level+{level}").into()].into();
        all.extend(self.program.input_options(Tool::Ffmpeg));
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

    #[test]
    fn every_run_has_the_same_input_options() {
        let program = Ffmpeg::new("ffmpeg".to_owned(), String::new(), 1_769);
        let video = Video::new(&program, Path::new("/tmp/a:b/media"), crate::probe::container::tests::probe());
        let selection = Selection { fps: 2.0, max_frames: 9, skip_non_reference: true };
        let runs = [
            video.sampling_arguments(selection),
            video.picture_arguments(true, 6_500, SIDE),
            video.picture_arguments(false, 0, SIDE),
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
