//! What a file contains: by `ffprobe -of json` where it is installed, else by the banner of `ffmpeg -i`.

mod banner;
pub(crate) mod container;
mod ffprobe;
pub(crate) mod stream;
mod values;

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use tokio::process::ChildStdout;

use self::container::{Container, Probe, unknown_format};
use crate::error::MediaError;
use crate::ffmpeg::log::{FfmpegLog, LogLine};
use crate::ffmpeg::{Ffmpeg, Tool, input_arguments, read_capped};

const PROBE_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of ffprobe's output, at most. A file may have a hundred streams with tags.
const MAX_OUTPUT_BYTES: u64 = 4 << 20;

/// Probes a file.
///
/// # Errors
/// `Skipped` with `unsupported_media` if ffmpeg does not recognise the file, or it has no pictures, or there is no decoder
/// for them. `Failed` with `media_unreadable` and ffmpeg's reason if it recognises the format and cannot read the file.
pub(crate) async fn probe(ffmpeg: &Ffmpeg, file: &Path) -> Result<Probe, MediaError> {
    let (container, log) =
        if ffmpeg.has_ffprobe() { run_ffprobe(ffmpeg, file).await? } else { run_ffmpeg(ffmpeg, file).await? };
    let Some(mut container) = container else {
        return Err(if log.format_recognised() { MediaError::unreadable(log.reason()) } else { unknown_format() });
    };
    container.bytes = std::fs::metadata(file).map_err(MediaError::unreadable)?.len();
    let probe = container.into_probe(&log)?;
    let codec = probe.video.codec.as_deref().unwrap_or_default();
    if !ffmpeg.decoders().await?.has(codec) {
        return Err(MediaError::unsupported(format!("the ffmpeg that is there has no decoder for {codec}")));
    }
    Ok(probe)
}

async fn run_ffprobe(ffmpeg: &Ffmpeg, file: &Path) -> Result<(Option<Container>, FfmpegLog), MediaError> {
    let mut arguments: Vec<OsString> = ["-v", "repeat+level+warning"].map(OsString::from).into();
    arguments.extend(ffmpeg.input_options(Tool::Ffprobe));
    arguments.extend(["-of", "json", "-show_format", "-show_streams"].map(OsString::from));
    arguments.extend(input_arguments(file)?);
    let read = async |stdout: &mut ChildStdout| read_capped(stdout, MAX_OUTPUT_BYTES).await;
    let run = ffmpeg.run(Tool::Ffprobe, &arguments, PROBE_TIMEOUT, read, |_| false).await?;
    Ok((ffprobe::parse(&run.output), run.log))
}

/// Without an output file ffmpeg writes its banner and exits with status 1.
async fn run_ffmpeg(ffmpeg: &Ffmpeg, file: &Path) -> Result<(Option<Container>, FfmpegLog), MediaError> {
    let mut arguments: Vec<OsString> = ["-v", "repeat+level+info"].map(OsString::from).into();
    arguments.extend(ffmpeg.input_options(Tool::Ffmpeg));
    arguments.extend(input_arguments(file)?);
    let (send, mut lines) = tokio::sync::mpsc::unbounded_channel();
    let observe = move |line: &LogLine<'_>| {
        line.level == "info" && line.context.is_empty() && send.send(line.text.to_owned()).is_ok()
    };
    let read = async |stdout: &mut ChildStdout| read_capped(stdout, 0).await;
    let run = ffmpeg.run(Tool::Ffmpeg, &arguments, PROBE_TIMEOUT, read, observe).await?;
    let mut banner = banner::Banner::default();
    while let Some(line) = lines.recv().await {
        banner.read_line(&line);
    }
    Ok((banner.finish(), run.log))
}

#[cfg(test)]
mod tests {
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
        let known = probe(&fake_ffmpeg(folder.path(), "vp9"), &file).await.unwrap();
        assert_eq!((known.video.codec.as_deref(), known.duration_us), (Some("vp9"), Some(6_000_000)));
        let unknown = probe(&fake_ffmpeg(folder.path(), "prores"), &file).await;
        let Err(MediaError::Skipped(problem)) = unknown else { panic!("{unknown:?}") };
        assert_eq!(problem.code, "unsupported_media");
        assert_eq!(problem.message, "the ffmpeg that is there has no decoder for prores");
    }
}
