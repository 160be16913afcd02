//! Videos: decoded by the `ffmpeg` program, which gets a local file and nothing else (processors, section 4).

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::item::Problem;
use domain::tracks::Detection;
use image::{DynamicImage, GrayImage};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::ChildStdout;

use super::faces::blocking;
use super::{Trouble, unreadable};
use crate::program::{Program, input, whole};

/// How long the frames of a video may take, and how long all else.
const DEADLINE: Duration = Duration::from_secs(840);
const SHORT: Duration = Duration::from_secs(60);
/// A frame is scaled to fit this square.
pub(crate) const SIDE: u32 = 640;
/// A frame that a rendition is made of.
pub(crate) const FULL_SIDE: u32 = 2_560;
/// Bytes of a PPM file before its pixels, at most: `P6`, two sizes, the greatest value.
const HEADER: u64 = 64;

/// A video file.
pub(crate) struct Video<'a> {
    program: &'a Program,
    file: PathBuf,
    pub(crate) duration_ms: Option<u64>,
}

/// What was found in the frames, in order, and their size.
pub(super) struct Frames {
    pub(super) detections: Vec<Vec<Detection>>,
    pub(super) width: u32,
    pub(super) height: u32,
}

impl<'a> Video<'a> {
    /// Asks the program what the file is.
    pub(crate) async fn open(program: &'a Program, file: &Path) -> Result<Self, Trouble> {
        let mut video = Self { program, file: file.to_owned(), duration_ms: None };
        let arguments = video.probe()?;
        let probed = program.run(&arguments, SHORT, async |stdout: &mut ChildStdout| whole(stdout, 0).await);
        let banner = probed.await?.messages;
        if !banner.contains("Video:") {
            return Err(if banner.contains("Audio:") {
                Trouble::Skip(Problem::new("unsupported_media", "the file has sound and no pictures"))
            } else {
                unreadable(video.last_line(&banner))
            });
        }
        video.duration_ms = banner.split("Duration: ").nth(1).and_then(|it| duration(it.split(',').next()?));
        Ok(video)
    }

    /// Looks at frames, `fps` a second, one after the other, while the program decodes the next ones.
    pub(super) async fn frames(
        &self,
        fps: f32,
        look: impl FnMut(GrayImage) -> Vec<Detection> + Send + 'static,
    ) -> Result<Frames, Trouble> {
        let arguments = self.sampling(fps)?;
        let look_at_all = async move |stdout: &mut ChildStdout| look_at(stdout, look).await;
        let sampled = self.program.run(&arguments, DEADLINE, look_at_all).await?;
        // 69: too many errors (`-max_error_rate`); what was decoded before counts, as with any other damage
        if sampled.output.detections.is_empty() || !matches!(sampled.code, 0 | 69) {
            return Err(unreadable(self.last_line(&sampled.messages)));
        }
        Ok(sampled.output)
    }

    /// The frame at a time, in colour, within a square of this side.
    pub(crate) async fn picture(&self, at_ms: u64, side: u32) -> Result<DynamicImage, Trouble> {
        let most = u64::from(side) * u64::from(side) * 3 + HEADER;
        let arguments = self.still(at_ms, side)?;
        let still = self.program.run(&arguments, SHORT, async |stdout: &mut ChildStdout| whole(stdout, most).await);
        let still = still.await?;
        let picture = image::load_from_memory_with_format(&still.output, image::ImageFormat::Pnm);
        picture.map_err(|_| unreadable(self.last_line(&still.messages)))
    }

    /// Without an output the exit status is 1, and the banner tells what we ask for.
    fn probe(&self) -> Result<Vec<OsString>, Trouble> {
        self.arguments(&["-hide_banner"], &[])
    }

    fn sampling(&self, fps: f32) -> Result<Vec<OsString>, Trouble> {
        let filter = format!("fps={fps},scale={SIDE}:{SIDE}:force_original_aspect_ratio=decrease");
        let output = ["-an", "-vf", &filter, "-pix_fmt", "gray", "-c:v", "pgm", "-f", "image2pipe", "-"];
        self.arguments(&["-v", "error"], &output)
    }

    fn still(&self, at_ms: u64, side: u32) -> Result<Vec<OsString>, Trouble> {
        let at = format!("{}.{:03}", at_ms / 1_000, at_ms % 1_000);
        let scale = format!("scale='min({side},iw)':'min({side},ih)':force_original_aspect_ratio=decrease");
        let shape = ["-an", "-frames:v", "1", "-vf", &scale, "-pix_fmt", "rgb24"];
        let output = [&shape[..], &["-c:v", "ppm", "-f", "image2pipe", "-"]].concat();
        self.arguments(&["-v", "error", "-ss", &at], &output)
    }

    /// The arguments of every run: what is particular to it stands before and behind what is the same for all.
    fn arguments(&self, first: &[&str], output: &[&str]) -> Result<Vec<OsString>, Trouble> {
        let mut all: Vec<OsString> = first.iter().map(OsString::from).collect();
        all.extend(self.program.input_options());
        all.extend(input(&self.file)?);
        all.extend(output.iter().map(OsString::from));
        Ok(all)
    }

    /// The last line of what the program said, without our folder's name.
    fn last_line(&self, text: &str) -> String {
        let line = text.lines().rev().find(|it| !it.trim().is_empty()).unwrap_or("the program says nothing");
        let input = input(&self.file).map(|[_, it]| it.to_string_lossy().into_owned()).unwrap_or_default();
        let line = if input.is_empty() { line.to_owned() } else { line.replace(&input, "the file") };
        line.chars().take(400).collect()
    }
}

async fn look_at(
    stdout: &mut ChildStdout,
    mut look: impl FnMut(GrayImage) -> Vec<Detection> + Send + 'static,
) -> Result<Frames, Trouble> {
    let mut reader = BufReader::new(stdout);
    let mut frames = Frames { detections: Vec::new(), width: 0, height: 0 };
    let mut next = next_frame(&mut reader).await?;
    while let Some(grey) = next {
        (frames.width, frames.height) = grey.dimensions();
        let looked = blocking(move || {
            let found = look(grey);
            (look, found)
        });
        let (looked, read) = tokio::join!(looked, next_frame(&mut reader));
        let found;
        (look, found) = looked?;
        frames.detections.push(found);
        next = read?;
    }
    Ok(frames)
}

/// The next picture of a stream of PGM files; each brings its own size. `None` at the end of the stream.
async fn next_frame(reader: &mut (impl AsyncRead + AsyncBufReadExt + Unpin)) -> Result<Option<GrayImage>, Trouble> {
    let mut header = Vec::new();
    while header.iter().filter(|it| **it == b'\n').count() < 3 {
        let read = reader.read_until(b'\n', &mut header).await.map_err(unreadable)?;
        if read == 0 {
            return Ok(None);
        }
        if header.len() as u64 > HEADER {
            return Err(unreadable("a frame has no header"));
        }
    }
    let text = String::from_utf8_lossy(&header).into_owned();
    let numbers: Vec<u32> = text.split_whitespace().skip(1).filter_map(|it| it.parse().ok()).collect();
    let [width, height, 255] = numbers[..] else { return Err(unreadable("a frame has a strange header")) };
    if !text.starts_with("P5") || width > SIDE || height > SIDE {
        return Err(unreadable("a frame has a strange size"));
    }
    let mut pixels = vec![0; width as usize * height as usize];
    reader.read_exact(&mut pixels).await.map_err(unreadable)?;
    Ok(GrayImage::from_raw(width, height, pixels))
}

/// `00:00:14.91` in milliseconds; `N/A` is none.
fn duration(text: &str) -> Option<u64> {
    let seconds =
        text.trim().split(':').try_fold(0.0, |sum, part| part.parse::<f64>().ok().map(|it| sum * 60.0 + it))?;
    Some((seconds * 1_000.0) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        assert_eq!(duration("00:00:14.91"), Some(14_910));
        assert_eq!(duration("01:02:03.5"), Some(3_723_500));
        assert_eq!(duration("N/A"), None);
    }

    #[test]
    fn every_run_has_the_same_input_options() {
        let program = Program::new("ffmpeg".to_owned(), String::new(), 1_769);
        let video = Video { program: &program, file: "/tmp/a:b/media".into(), duration_ms: None };
        let runs = [video.probe(), video.sampling(2.0), video.still(1_500, SIDE)].map(Result::unwrap);
        let begins = [&["-hide_banner"][..], &["-v", "error"], &["-v", "error", "-ss", "1.500"]];
        for (run, begin) in runs.iter().zip(begins) {
            let same = program.input_options();
            let (first, rest) = run.split_at(begin.len());
            assert_eq!(first, begin, "{run:?}");
            assert!(rest.starts_with(&same), "{run:?}");
            assert_eq!(rest[same.len()..][..2], ["-i", "file:/tmp/a:b/media"], "{run:?}");
            assert_eq!(run.iter().filter(|it| *it == "-i").count(), 1, "{run:?}");
        }
        let options: Vec<String> =
            program.input_options().into_iter().map(|it| it.to_string_lossy().into_owned()).collect();
        let value = |name: &str| options.windows(2).find(|it| it[0] == name).unwrap()[1].as_str();
        assert_eq!((options[0].as_str(), value("-protocol_whitelist")), ("-nostdin", "file"));
        assert!(value("-format_whitelist").split(',').any(|it| it == "matroska"));
        assert!((1..=4).contains(&value("-threads").parse::<u32>().unwrap()), "60 % of 1,769 MB are for four threads");
        assert_eq!(value("-filter_threads"), value("-threads"));
    }

    #[test]
    fn our_folder_is_in_no_message() {
        let program = Program::new("ffmpeg".to_owned(), String::new(), 1_769);
        let video = Video { program: &program, file: "/tmp/x/media".into(), duration_ms: None };
        let said = "[mov @ 0x1] moov atom not found\nfile:/tmp/x/media: Invalid data found when processing input\n\n";
        assert_eq!(video.last_line(said), "the file: Invalid data found when processing input");
        let said = "Error opening input file file:/tmp/x/media.";
        assert_eq!(video.last_line(said), "Error opening input file the file.");
        assert_eq!(video.last_line("\n"), "the program says nothing");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn frames_bring_their_own_size() {
        let mut stream = &b"P5\n2 1\n255\nabP5\n1 2\n255\ncd"[..];
        assert_eq!(next_frame(&mut stream).await.unwrap().unwrap().dimensions(), (2, 1));
        assert_eq!(next_frame(&mut stream).await.unwrap().unwrap().into_raw(), b"cd");
        assert!(next_frame(&mut stream).await.unwrap().is_none());
        for bad in [&b"P6\n2 1\n255\nabcdef"[..], b"P5\n2 2\n255\nab", b"P5\n9999 1\n255\n", b"P5 \n \n \n"] {
            assert!(next_frame(&mut &*bad).await.is_err());
        }
    }
}
