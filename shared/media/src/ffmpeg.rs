//! Runs of `ffmpeg` and `ffprobe` on untrusted files.
//!
//! A decoder of a hundred formats is a likely target of an attack. So a run gets no environment, no input but its file,
//! an empty working directory of its own, and limits: formats, memory, time, output. Limits of memory and of written
//! files exist on Linux only; the deadline and the limit of the output hold everywhere.

pub(crate) mod decoders;
mod limits;
pub(crate) mod log;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use domain::item::Problem;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::{Notify, OnceCell};
use tokio::task::JoinHandle;

use self::decoders::Decoders;
use self::limits::set_limits;
use self::log::{FfmpegLog, LogLine};
use crate::error::MediaError;
use crate::workspace::FOLDER_PREFIX;

/// Bytes of memory for each decoding thread, which has frames and a stack of its own. Measured for H.264 of 7680 x 4320:
/// four threads of ffmpeg 9.0 need 600 to 800 MiB, sixteen of ffmpeg 5.1 need 1,300 to 2,000 MiB.
const MEMORY_PER_THREAD: u64 = 256 << 20;
/// How long a program whose output is useless may take to exit by itself, so that its own error is logged.
const EXIT_GRACE: Duration = Duration::from_secs(1);
/// Bytes of the list of decoders, at most (ffmpeg 5.1: 40 KB).
const MAX_DECODER_LIST_BYTES: u64 = 1 << 20;
const DECODER_LIST_TIMEOUT: Duration = Duration::from_secs(60);
const DEMUXERS: &str = include_str!("demuxers.txt");

/// The installed `ffmpeg` and `ffprobe`, and the memory of the function that runs them.
#[derive(Debug, Clone)]
pub struct Ffmpeg {
    name: String,
    search_path: String,
    memory_mb: u32,
    decoders: Arc<OnceCell<Decoders>>,
}

/// The output of a run that exited by itself.
#[derive(Debug)]
pub(crate) struct RunOutput<T> {
    pub(crate) output: T,
    /// The exit status; it need not be 0.
    pub(crate) exit_code: i32,
    pub(crate) log: FfmpegLog,
}

/// The two programs of the package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    Ffmpeg,
    /// Not in every package: [`Ffmpeg::has_ffprobe`].
    Ffprobe,
}

impl Ffmpeg {
    /// `name` is a path, or a name that is searched in the folders of `search_path` (as in `PATH`). `memory_mb` is the
    /// memory of the whole function, in MiB.
    pub fn new(name: String, search_path: String, memory_mb: u32) -> Self {
        Self { name, search_path, memory_mb, decoders: Arc::default() }
    }

    /// Bytes of memory for one run, or for one picture that is decoded in the function itself; never both at once. It is
    /// 60 % of the function's memory. The rest is for the function, the detector and queued frames.
    pub(crate) fn memory_limit(&self) -> u64 {
        u64::from(self.memory_mb) * (1 << 20) / 10 * 6
    }

    /// The options before each input.
    ///
    /// Without `-format_whitelist` ffmpeg guesses the format from the bytes, and some formats contain names of other files
    /// instead of media: playlists, scripts, image sequences, manifests. It would open those files with our rights, and
    /// show their pictures in a result. `-protocol_whitelist` alone still allows every local file. A check of our own
    /// (crate `infer`) is no protection, since two parsers of one file may disagree. ffmpeg refuses a format that is not
    /// on the list as soon as it has guessed it, before it reads further.
    pub(crate) fn input_options(&self, tool: Tool) -> Vec<OsString> {
        let (threads, demuxers) = (self.thread_count().to_string(), demuxer_whitelist());
        let options = [["-protocol_whitelist", "file"], ["-format_whitelist", &demuxers], ["-threads", &threads]];
        let own: &[&str] = match tool {
            Tool::Ffmpeg => &["-nostdin", "-nostats", "-filter_threads", &threads],
            Tool::Ffprobe => &[],
        };
        let all = own.iter().copied().chain(options.into_iter().flatten());
        all.chain(["-hide_banner"]).map(OsString::from).collect()
    }

    /// Logs how many codecs this ffmpeg decodes, and which expected ones it does not.
    pub async fn log_decoders(&self) {
        match self.decoders().await {
            Ok(decoders) => {
                let missing = decoders.missing();
                tracing::info!(ffmpeg = %self.name, decoders = decoders.count(), "ffmpeg has no decoder for {missing:?}");
            }
            Err(error) => tracing::warn!(ffmpeg = %self.name, "there is no ffmpeg for videos: {error}"),
        }
    }

    /// The codecs that this ffmpeg decodes. Listed once, then cached.
    pub(crate) async fn decoders(&self) -> Result<&Decoders, MediaError> {
        let list = async || {
            let arguments = ["-hide_banner", "-decoders"].map(OsString::from);
            let read = async |stdout: &mut ChildStdout| read_capped(stdout, MAX_DECODER_LIST_BYTES).await;
            let run = self.run(Tool::Ffmpeg, &arguments, DECODER_LIST_TIMEOUT, read, |_| false).await?;
            Ok(Decoders::parse(&String::from_utf8_lossy(&run.output)))
        };
        self.decoders.get_or_try_init(list).await
    }

    /// Whether `ffprobe` is in the folder of ffmpeg.
    pub(crate) fn has_ffprobe(&self) -> bool {
        self.path(Tool::Ffprobe).is_file()
    }

    /// Runs a program. `read` reads its standard output to the end. `observe` gets each line of its log, and returns
    /// whether it has consumed the line.
    ///
    /// `GCONV_PATH` names an empty folder, so that a static build does not load the machine's iconv modules, which belong
    /// to another build.
    ///
    /// # Errors
    /// `Failed` with `too_long` if the program does not exit before the deadline; with `media_unreadable` if a signal ends
    /// it (a limit, or a crash) or it runs out of memory; with `backend_unavailable` if it does not start or cannot be
    /// limited. `Skipped` with `unsupported_media` if the file's format is not on the list. `RetryLater` with `internal` if
    /// there is no temporary folder. An exit status other than 0 alone is no error.
    pub(crate) async fn run<T>(
        &self,
        tool: Tool,
        arguments: &[OsString],
        deadline: Duration,
        read: impl AsyncFnOnce(&mut ChildStdout) -> Result<T, MediaError>,
        observe: impl FnMut(&LogLine<'_>) -> bool + Send + 'static,
    ) -> Result<RunOutput<T>, MediaError> {
        let folder = tempfile::Builder::new().prefix(FOLDER_PREFIX).tempdir();
        let folder = folder.map_err(|error| MediaError::internal(format!("no temporary folder: {error}")))?;
        let mut command = Command::new(self.path(tool));
        command
            .args(arguments)
            .env_clear()
            .envs(self.library_path())
            .env("GCONV_PATH", folder.path())
            .current_dir(folder.path())
            .kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|it| self.spawn_error(&it))?;
        set_limits(&child, self.memory_limit(), deadline)?;
        let input = arguments.iter().find_map(|it| it.to_str().filter(|it| it.starts_with("file:")));
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(MediaError::unreadable("the program has no output"));
        };
        let out_of_memory = Arc::new(Notify::new());
        let input = input.unwrap_or_default().to_owned();
        let log = tokio::spawn(self::log::read_log(stderr, input, out_of_memory.clone(), observe));
        let pending = self.wait(&mut child, stdout, log, &out_of_memory, deadline, read);
        tokio::time::timeout(deadline, pending).await.map_err(|_| timeout_error(deadline))?
    }

    /// Reads the output, waits for the exit, and judges both by the log.
    async fn wait<T>(
        &self,
        child: &mut Child,
        mut stdout: ChildStdout,
        log: JoinHandle<FfmpegLog>,
        out_of_memory: &Notify,
        deadline: Duration,
        read: impl AsyncFnOnce(&mut ChildStdout) -> Result<T, MediaError>,
    ) -> Result<RunOutput<T>, MediaError> {
        // ffmpeg 9.0 may hang when it gets no memory, so its message is enough
        let output = tokio::select! {
            output = read(&mut stdout) => output,
            () = out_of_memory.notified() => Err(self.out_of_memory()),
        };
        // its output stays open until then: closing it would end the program, and hide that a limit ended it
        let timeout = if output.is_ok() { deadline } else { EXIT_GRACE };
        let Ok(status) = tokio::time::timeout(timeout, child.wait()).await else {
            return Err(output.err().unwrap_or_else(|| timeout_error(deadline)));
        };
        let status = status.map_err(MediaError::unreadable)?;
        let log = log.await.unwrap_or_default();
        match status.code() {
            _ if log.not_on_whitelist => Err(MediaError::unsupported(
                "the file is a list, a script or of an unusual format, not media that is read here",
            )),
            _ if log.out_of_memory => Err(self.out_of_memory()),
            None => Err(MediaError::unreadable(format!(
                "the program that decodes the file was ended ({status}); it may use {} MB of memory",
                self.memory_limit() >> 20
            ))),
            Some(code) => Ok(RunOutput { output: output?, exit_code: code, log }),
        }
    }

    fn out_of_memory(&self) -> MediaError {
        MediaError::unreadable(format!(
            "decoding the file needs more memory than the {} MB that are there",
            self.memory_limit() >> 20
        ))
    }

    fn thread_count(&self) -> u64 {
        let cores = available_parallelism().map_or(1, usize::from) as u64;
        cores.min(self.memory_limit() / MEMORY_PER_THREAD).max(1)
    }

    /// The absolute path of a program, since it runs in another folder and without a search path. A name that is not found
    /// stays as it is.
    fn path(&self, tool: Tool) -> PathBuf {
        let ffmpeg = self.ffmpeg_path();
        match tool {
            Tool::Ffmpeg => ffmpeg,
            Tool::Ffprobe => ffmpeg.with_file_name("ffprobe"),
        }
    }

    fn ffmpeg_path(&self) -> PathBuf {
        let name = PathBuf::from(&self.name);
        let found = if self.name.contains('/') {
            Some(name.clone())
        } else {
            let folders = std::env::split_paths(&self.search_path).filter(|it| it.is_absolute());
            folders.map(|it| it.join(&name)).find(|it| it.is_file())
        };
        found.and_then(|it| std::path::absolute(it).ok()).unwrap_or(name)
    }

    /// The folder of the libraries of a Lambda layer: `/opt/bin/ffmpeg` may need those in `/opt/lib`.
    fn library_path(&self) -> Option<(&'static str, PathBuf)> {
        let folder = Path::new(&self.name).parent()?.parent()?;
        folder.is_absolute().then(|| ("LD_LIBRARY_PATH", folder.join("lib")))
    }

    fn spawn_error(&self, error: &std::io::Error) -> MediaError {
        let mut problem =
            Problem::new("backend_unavailable", format!("the program `{}` does not start: {error}", self.name));
        problem.hint =
            Some("apt-get install ffmpeg, or point the setting FFMPEG at it; pictures work without".to_owned());
        MediaError::Failed(problem)
    }
}

/// The arguments of an input file: by its protocol and its absolute path, so that no part of its name can be taken for a
/// protocol.
pub(crate) fn input_arguments(file: &Path) -> Result<[OsString; 2], MediaError> {
    let mut name = OsString::from("file:");
    name.push(std::path::absolute(file).map_err(MediaError::unreadable)?);
    Ok(["-i".into(), name])
}

/// Reads to the end. More than `max_bytes` are `media_unreadable`: an endless output does not fill the memory.
pub(crate) async fn read_capped(from: &mut (impl AsyncRead + Unpin), max_bytes: u64) -> Result<Vec<u8>, MediaError> {
    let mut bytes = Vec::new();
    from.take(max_bytes + 1).read_to_end(&mut bytes).await.map_err(MediaError::unreadable)?;
    if bytes.len() as u64 > max_bytes {
        return Err(MediaError::unreadable(format!(
            "the program that decodes the file wrote more than {max_bytes} bytes"
        )));
    }
    Ok(bytes)
}

/// The value of `-format_whitelist`.
fn demuxer_whitelist() -> String {
    let lines = DEMUXERS.lines().filter(|it| !it.starts_with('#'));
    lines.flat_map(str::split_whitespace).collect::<Vec<_>>().join(",")
}

fn timeout_error(deadline: Duration) -> MediaError {
    let message = format!("the file could not be decoded within {} s", deadline.as_secs());
    MediaError::Failed(Problem::new("too_long", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEST_TIMEOUT: Duration = Duration::from_secs(20);

    /// A run of the shell in the program's place.
    async fn shell(script: &str, deadline: Duration, most: u64) -> Result<RunOutput<Vec<u8>>, MediaError> {
        let arguments = ["-c", script].map(OsString::from);
        let program = Ffmpeg::new("sh".to_owned(), "/nowhere:/usr/bin:/bin".to_owned(), 1_000);
        program
            .run(
                Tool::Ffmpeg,
                &arguments,
                deadline,
                async |stdout: &mut ChildStdout| read_capped(stdout, most).await,
                |_| false,
            )
            .await
    }

    async fn check(script: &str, most: u64, code: &str, message: &str) {
        let (found, skips) = match shell(script, TEST_TIMEOUT, most).await {
            Err(MediaError::Skipped(it)) => (it, true),
            Err(MediaError::Failed(it)) => (it, false),
            other => panic!("{script}: {other:?}"),
        };
        assert_eq!((found.code.as_str(), skips), (code, code == "unsupported_media"), "{script}: {found:?}");
        assert!(found.message.contains(message), "{script}: {found:?}");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_run_has_no_environment_no_input_and_an_empty_folder() {
        let ended = shell("pwd; ls -A | wc -l; cat; export -p; exit 3", TEST_TIMEOUT, 10_000).await.unwrap();
        let text = String::from_utf8(ended.output).unwrap();
        let mut lines = text.lines();
        let folder = PathBuf::from(lines.next().unwrap());
        assert!(folder.file_name().unwrap().to_string_lossy().starts_with(FOLDER_PREFIX), "{text}");
        assert!(!folder.exists(), "it is removed");
        assert_eq!((lines.next().unwrap().trim(), ended.exit_code), ("0", 3), "{text}");
        // a shell sets the first three itself
        let other = |it: &&str| !["PWD", "OLDPWD", "SHLVL", "GCONV_PATH"].iter().any(|own| it.contains(own));
        assert_eq!(lines.find(other), None);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_stops_a_run_is_its_reason() {
        let refused = "echo \"[hls @ 0x1] [error] Format not on whitelist 'mov'\" >&2; exit 1";
        check(refused, 10, "unsupported_media", "is a list, a script").await;
        check("kill -9 $$", 10, "media_unreadable", "SIGKILL").await;
        check("printf abc; kill -9 $$", 10, "media_unreadable", "SIGKILL").await;
        check(
            "echo '[error] x: Cannot allocate memory' >&2; exit 0",
            10,
            "media_unreadable",
            "more memory than the 600 MB",
        )
        .await;
        // it stands still after the message, as some do
        check("echo '[error] x: Cannot allocate memory' >&2; exec sleep 60", 10, "media_unreadable", "more memory")
            .await;
        check("while :; do echo abc; done", 1_000, "media_unreadable", "more than 1000 bytes").await;
        let quoted = shell("echo '[info]     title : Cannot allocate memory' >&2", TEST_TIMEOUT, 10).await.unwrap();
        assert_eq!(quoted.log.errors, 0);
        let late = shell("exec sleep 60", Duration::from_millis(200), 10).await;
        assert!(matches!(&late, Err(MediaError::Failed(it)) if it.code == "too_long"), "{late:?}");
        let none = Ffmpeg::new("no-such-program".to_owned(), String::new(), 1_000);
        let none = none
            .run(
                Tool::Ffmpeg,
                &[],
                TEST_TIMEOUT,
                async |stdout: &mut ChildStdout| read_capped(stdout, 10).await,
                |_| false,
            )
            .await;
        assert!(matches!(&none, Err(MediaError::Failed(it)) if it.code == "backend_unavailable"), "{none:?}");
    }

    #[cfg(target_os = "linux")]
    #[tokio::test(flavor = "current_thread")]
    async fn a_run_is_limited() {
        // the limit of files is the last to be set
        let script =
            "until grep -q '^Max file size  *0  *0 ' /proc/self/limits; do :; done; cat /proc/self/limits; echo > x";
        let ended = shell(script, TEST_TIMEOUT, 10_000).await;
        assert!(ended.is_err() || ended.is_ok_and(|it| it.exit_code != 0), "no file can be written");
        let ended = shell(&script.replace("; echo > x", ""), TEST_TIMEOUT, 10_000).await.unwrap();
        let text = String::from_utf8(ended.output).unwrap();
        let number = |name: &str| -> u64 {
            let line = text.lines().find_map(|it| it.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().parse().unwrap()
        };
        assert_eq!((number("Max core file size"), number("Max data size")), (0, 600 << 20), "{text}");
        assert!(number("Max cpu time") >= TEST_TIMEOUT.as_secs(), "{text}");
    }

    #[test]
    fn no_format_on_the_list_names_other_files() {
        let list = demuxer_whitelist();
        let names: Vec<&str> = list.split(',').collect();
        assert!(names.contains(&"mov") && names.contains(&"matroska") && names.len() > 50, "{list}");
        let lists =
            "hls applehttp dash webm_dash_manifest concat concatf imf image2 image2pipe sdp rtsp rtp vobsub bluray";
        let others = "lavfi avisynth vapoursynth v4l2 tty ffmetadata srt ass webvtt mpsub svg_pipe data rawvideo";
        for name in lists.split(' ').chain(others.split(' ')) {
            assert!(!names.contains(&name), "{name}");
        }
    }
}
