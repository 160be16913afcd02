//! Videos: decoded by the `ffmpeg` program, which gets a local file and nothing else (processors, section 4).

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use domain::item::Problem;
use domain::tracks::Detection;
use image::{DynamicImage, GrayImage};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

use super::faces::blocking;
use super::{Trouble, unreadable};

/// How long one run of the program may take.
const DEADLINE: Duration = Duration::from_secs(840);
/// A frame is scaled to fit this square.
pub(crate) const SIDE: u32 = 640;
/// A frame that a rendition is made of.
pub(crate) const FULL_SIDE: u32 = 2_560;

/// A video file.
pub(crate) struct Video<'a> {
    ffmpeg: &'a str,
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
    pub(crate) async fn open(ffmpeg: &'a str, file: &Path) -> Result<Self, Trouble> {
        let mut video = Self { ffmpeg, file: file.to_owned(), duration_ms: None };
        // without an output the exit status is 1, and the banner tells what we ask for
        let mut command = Command::new(ffmpeg);
        command.args(["-hide_banner", "-nostdin", "-protocol_whitelist", "file", "-i"]).arg(file);
        let banner = video.finished(command.stderr(Stdio::piped()).stdout(Stdio::null())).await?;
        let text = String::from_utf8_lossy(&banner.stderr).into_owned();
        if !text.contains("Video:") {
            return Err(if text.contains("Audio:") {
                Trouble::Skip(Problem::new("unsupported_media", "the file has sound and no pictures"))
            } else {
                unreadable(last_line(&text))
            });
        }
        video.duration_ms = text.split("Duration: ").nth(1).and_then(|it| duration(it.split(',').next()?));
        Ok(video)
    }

    /// Looks at frames, `fps` a second, as many at a time as there are processors.
    pub(super) async fn frames(
        &self,
        fps: f32,
        look: impl Fn(GrayImage) -> Result<Vec<Detection>, Trouble> + Send + Sync + 'static,
    ) -> Result<Frames, Trouble> {
        let filter = format!("fps={fps},scale={SIDE}:{SIDE}:force_original_aspect_ratio=decrease");
        let mut command = self.command(None);
        command.args(["-an", "-vf", &filter, "-pix_fmt", "gray", "-c:v", "pgm", "-f", "image2pipe", "-"]);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(|it| self.missing(&it))?;
        let outcome = tokio::time::timeout(DEADLINE, look_at(&mut child, Arc::new(look))).await;
        outcome.map_err(|_| Trouble::Fail(Problem::new("too_long", "the video could not be decoded in time")))?
    }

    /// The frame at a time, in colour, within a square of this side.
    pub(crate) async fn picture(&self, at_ms: u64, side: u32) -> Result<DynamicImage, Trouble> {
        let mut command = self.command(Some(at_ms));
        let scale = format!("scale='min({side},iw)':'min({side},ih)':force_original_aspect_ratio=decrease");
        command.args([
            "-an",
            "-frames:v",
            "1",
            "-vf",
            &scale,
            "-pix_fmt",
            "rgb24",
            "-c:v",
            "ppm",
            "-f",
            "image2pipe",
            "-",
        ]);
        let output = self.finished(command.stdout(Stdio::piped()).stderr(Stdio::piped())).await?;
        let picture = image::load_from_memory_with_format(&output.stdout, image::ImageFormat::Pnm);
        picture.map_err(|_| unreadable(last_line(&String::from_utf8_lossy(&output.stderr))))
    }

    fn command(&self, at_ms: Option<u64>) -> Command {
        let mut command = Command::new(self.ffmpeg);
        command.args(["-nostdin", "-v", "error", "-protocol_whitelist", "file"]);
        if let Some(at) = at_ms {
            command.args(["-ss", &format!("{}.{:03}", at / 1_000, at % 1_000)]);
        }
        command.arg("-i").arg(&self.file).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    async fn finished(&self, command: &mut Command) -> Result<Output, Trouble> {
        let child = command.stdin(Stdio::null()).kill_on_drop(true).spawn().map_err(|it| self.missing(&it))?;
        match tokio::time::timeout(Duration::from_secs(60), child.wait_with_output()).await {
            Ok(output) => output.map_err(unreadable),
            Err(_) => Err(unreadable("the program that decodes videos did not end")),
        }
    }

    fn missing(&self, error: &std::io::Error) -> Trouble {
        let mut problem =
            Problem::new("backend_unavailable", format!("the program `{}` does not start: {error}", self.ffmpeg));
        problem.hint =
            Some("apt-get install ffmpeg, or point the setting FFMPEG at it; pictures work without".to_owned());
        Trouble::Fail(problem)
    }
}

async fn look_at(
    child: &mut Child,
    look: Arc<impl Fn(GrayImage) -> Result<Vec<Detection>, Trouble> + Send + Sync + 'static>,
) -> Result<Frames, Trouble> {
    let stderr = child.stderr.take();
    let complaints = async {
        let mut text = Vec::new();
        if let Some(it) = stderr {
            drop(it.take(64 << 10).read_to_end(&mut text).await); // what can be read of it is enough
        }
        String::from_utf8_lossy(&text).into_owned()
    };
    let stdout = child.stdout.take().ok_or_else(|| unreadable("the program has no output"))?;
    let look = async {
        let at_once = std::thread::available_parallelism().map_or(1, usize::from);
        let (mut reader, mut running, mut frames) = (
            BufReader::new(stdout),
            std::collections::VecDeque::new(),
            Frames { detections: Vec::new(), width: 0, height: 0 },
        );
        while let Some(grey) = next_frame(&mut reader).await? {
            (frames.width, frames.height) = grey.dimensions();
            let look = look.clone();
            running.push_back(tokio::spawn(blocking(move || look(grey))));
            if running.len() >= at_once
                && let Some(it) = running.pop_front()
            {
                frames.detections.push(joined(it.await)?);
            }
        }
        for it in running {
            frames.detections.push(joined(it.await)?);
        }
        Ok(frames)
    };
    let (complaints, frames) = tokio::join!(complaints, look);
    let frames: Frames = frames?;
    if frames.detections.is_empty() { Err(unreadable(last_line(&complaints))) } else { Ok(frames) }
}

type Looked = Result<Result<Vec<Detection>, Trouble>, Trouble>;

fn joined(it: Result<Looked, tokio::task::JoinError>) -> Result<Vec<Detection>, Trouble> {
    it.map_err(|_| Trouble::Again(Problem::new("internal", "the analysis stopped without a result")))??
}

/// The next picture of a stream of PGM files; each brings its own size. `None` at the end of the stream.
async fn next_frame(reader: &mut (impl AsyncRead + AsyncBufReadExt + Unpin)) -> Result<Option<GrayImage>, Trouble> {
    let mut header = Vec::new();
    while header.iter().filter(|it| **it == b'\n').count() < 3 {
        let read = reader.read_until(b'\n', &mut header).await.map_err(unreadable)?;
        if read == 0 {
            return Ok(None);
        }
        if header.len() > 64 {
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

fn last_line(text: &str) -> String {
    let line = text.lines().rev().find(|it| !it.trim().is_empty()).unwrap_or("the program says nothing");
    // a path in our temporary folder is nobody's business
    line.rsplit("/tmp/").next().unwrap_or(line).chars().take(400).collect()
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
