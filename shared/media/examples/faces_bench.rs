//! Measures what the analysis of a minute of video costs: `cargo run --release --example faces_bench [-- [--beside opencv] [FILE…]]`.
//!
//! For each file it prints the CPU-seconds (user and system) for a minute of video, of ffmpeg and of this process, the peak
//! memory of both, and the faces. Without a file it makes a minute of 1080p in `target/bench` (H.264 with B-frames,
//! 6 Mbit/s: a camera that stands and pans over photographs with film grain), and ten of that minute in a row, which must
//! not need more memory. `--beside opencv` runs OpenCV's detector, in Python, on the same frames. Linux only (`/proc`).
//!
//! For the figures of another commit, copy this file into a worktree of it, and use the same input. Commit 9b4ef63 has no
//! `media::ffmpeg`: there, `program()` returns `"ffmpeg"`, and `run` takes it by value.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use domain::bucket::ProcessorSettings;
use media::ffmpeg::Ffmpeg;
use media::processor::{Analysis, detect_faces};
use serde_json::Value;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The kernel counts CPU time in these for `/proc`, on all of Linux.
const TICKS_PER_SECOND: f64 = 100.0;
const OPENCV: &str = "opencv-python-headless<5";

/// The memory that the processing function has by default, in MiB.
const MEMORY_MB: u32 = 1_769;

fn program() -> Ffmpeg {
    Ffmpeg::new("ffmpeg".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned(), MEMORY_MB)
}

fn main() -> Outcome<()> {
    let (options, files): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|argument| {
        let opencv = argument == "opencv" && !Path::new(argument).exists();
        argument.starts_with("--") || opencv
    });
    let beside = options.iter().map(String::as_str).collect::<Vec<_>>() == ["--beside", "opencv"];
    if !options.is_empty() && !beside {
        return Err("usage: faces_bench [--beside opencv] [FILE…]".into());
    }
    let files = if files.is_empty() { made()? } else { files.into_iter().map(PathBuf::from).collect() };
    println!(
        "| file | minutes | ffmpeg, CPU-s a minute | detector and rest | together | memory: ffmpeg, MB | ours, MB |"
    );
    println!("|---|---|---|---|---|---|---|");
    let mut found = Vec::new();
    for file in &files {
        found.push(measured(file)?);
    }
    for (file, analysis) in files.iter().zip(&found) {
        println!("\n{}: {} faces", file.display(), analysis.tracks.len());
        for track in &analysis.tracks {
            let ranges = track.ranges.iter().map(|it| format!("{}-{} ms", it.start_ms, it.end_ms));
            println!("  {}: {} samples, {}", track.id, track.samples.len(), ranges.collect::<Vec<_>>().join(", "));
        }
        for warning in &analysis.warnings {
            println!("  {}: {}", warning.code, warning.message);
        }
        if beside {
            println!("  OpenCV: {}", opencv(file)?);
        }
    }
    Ok(())
}

/// Analyses a file as the function does, and prints a line of the table.
fn measured(file: &Path) -> Outcome<Analysis> {
    let watch = Watch::start();
    let (before, began) = (cpu()?, Instant::now());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let settings = ProcessorSettings::default();
    let analysis = runtime.block_on(detect_faces(&settings, file, &program()));
    let analysis = analysis.map_err(|it| format!("{}: {it}", file.display()))?;
    let (after, took) = (cpu()?, began.elapsed());
    let theirs_mb = watch.stop();
    let minutes = analysis.media.duration_ms.ok_or("the video has no duration")? as f64 / 60_000.0;
    let (ours, theirs) = ((after.0 - before.0) / minutes, (after.1 - before.1) / minutes);
    println!(
        "| {} ({:.1} s) | {minutes:.1} | {theirs:.2} | {ours:.2} | {:.2} | {theirs_mb} | {} |",
        file.file_name().unwrap_or_default().to_string_lossy(),
        took.as_secs_f64(),
        ours + theirs,
        most_memory(Path::new("/proc/self/status")).unwrap_or_default(),
    );
    Ok(analysis)
}

/// CPU-seconds, user and system, of this process and of those of its children that have ended (proc(5), `stat`).
fn cpu() -> Outcome<(f64, f64)> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: Vec<f64> = fields.skip(11).take(4).map(str::parse).collect::<Result<_, _>>()?;
    let [user, system, children_user, children_system] = ticks[..] else { return Err("a strange /proc".into()) };
    Ok(((user + system) / TICKS_PER_SECOND, (children_user + children_system) / TICKS_PER_SECOND))
}

/// The peak memory of a process, in MB.
fn most_memory(status: &Path) -> Option<u64> {
    let status = std::fs::read_to_string(status).ok()?;
    let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? / 1_000)
}

/// Samples the memory of child processes.
struct Watch {
    stop: Sender<()>,
    thread: JoinHandle<u64>,
}

impl Watch {
    fn start() -> Self {
        let (stop, stopped) = channel();
        let thread = std::thread::spawn(move || {
            let mut most = 0;
            while stopped.recv_timeout(Duration::from_millis(20)) == Err(RecvTimeoutError::Timeout) {
                most = most.max(children_memory());
            }
            most
        });
        Self { stop, thread }
    }

    fn stop(self) -> u64 {
        drop(self.stop);
        self.thread.join().unwrap_or_default()
    }
}

fn children_memory() -> u64 {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let children = threads.filter_map(|it| std::fs::read_to_string(it.path().join("children")).ok());
    let children: Vec<String> = children.flat_map(|it| it.split(' ').map(str::to_owned).collect::<Vec<_>>()).collect();
    let memory = children.iter().filter(|it| !it.is_empty());
    memory.filter_map(|it| most_memory(&Path::new("/proc").join(it).join("status"))).max().unwrap_or_default()
}

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A minute and ten minutes of video, created if they do not exist.
fn made() -> Outcome<Vec<PathBuf>> {
    let folder = project().join("target/bench");
    std::fs::create_dir_all(&folder)?;
    let (minute, ten) = (folder.join("minute.mp4"), folder.join("ten_minutes.mp4"));
    if !minute.exists() {
        eprintln!("making {}", minute.display());
        let mut make = Command::new("ffmpeg");
        make.args(["-v", "error", "-y"]);
        for picture in ["astronaut.jpg", "coffee.jpg", "chelsea.jpg"] {
            make.args(["-loop", "1", "-framerate", "25", "-i"]).arg(project().join("tests/media").join(picture));
        }
        // a picture of 4800 x 1200, and a camera that goes over it and back in 20 s; it rests for 5 s at each end
        let place = "2880*(clip((mod(t,20)-5)/5,0,1)-clip((mod(t,20)-15)/5,0,1))";
        let filter = format!(
            "[0]scale=1200:1200,setsar=1[a];[1]scale=1800:1200,setsar=1[b];[2]scale=1800:1200,setsar=1[c];\
             [a][b][c]hstack=3,crop=1920:1080:x='{place}':y=60,noise=alls=6:allf=t,format=yuv420p"
        );
        make.args(["-filter_complex", &filter, "-t", "60", "-c:v", "libx264", "-preset", "faster", "-bf", "3"]);
        let part = folder.join("part.mp4");
        finished(make.args(["-b:v", "6M", "-maxrate", "8M", "-bufsize", "8M"]).arg(&part))?;
        std::fs::rename(part, &minute)?;
    }
    if !ten.exists() {
        let mut repeat = Command::new("ffmpeg");
        repeat.args(["-v", "error", "-y", "-stream_loop", "9", "-i"]).arg(&minute);
        finished(repeat.args(["-c", "copy"]).arg(&ten))?;
    }
    Ok(vec![minute, ten])
}

fn finished(command: &mut Command) -> Outcome<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.status().map_err(|it| format!("{name} does not start: {it}"))?;
    if status.success() { Ok(()) } else { Err(format!("{name} failed: {status}").into()) }
}

/// The faces that OpenCV finds in two frames a second, and its CPU-seconds for a minute.
fn opencv(file: &Path) -> Outcome<String> {
    let folder = project().join("target/test-tools/opencv");
    let python = folder.join("bin/python");
    if !folder.join("installed").exists() {
        finished(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        finished(Command::new(&python).args(["-m", "pip", "install", "--quiet", OPENCV]))?;
        std::fs::write(folder.join("installed"), OPENCV)?;
    }
    let mut decode = Command::new("ffmpeg");
    decode.args(["-nostdin", "-v", "error", "-i"]).arg(file);
    decode.args(["-vf", "fps=2,scale=640:640:force_original_aspect_ratio=decrease", "-pix_fmt", "gray"]);
    let mut frames = decode.args(["-c:v", "pgm", "-f", "image2pipe", "-"]).stdout(Stdio::piped()).spawn()?;
    let frames_out = frames.stdout.take().ok_or("ffmpeg has no output")?;
    let script = project().join("tests/clients/opencv_faces.py");
    let output = Command::new(&python).arg(script).stdin(frames_out).stderr(Stdio::inherit()).output()?;
    frames.wait()?;
    let result: Value = serde_json::from_slice(&output.stdout)?;
    let number = |name: &str| result[name].as_f64().unwrap_or_default();
    let minutes = number("pictures") / 120.0;
    Ok(format!(
        "faces in {} of {} frames, {} in all; {:.2} CPU-seconds a minute",
        number("with_face"),
        number("pictures"),
        number("faces"),
        number("cpu_seconds") / minutes.max(0.001),
    ))
}
