//! The files of the matrix, made with ffmpeg: once, and again when a recipe or ffmpeg itself changes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex};

use ring::digest::{SHA256, digest};
use system_tests::project;

use super::cells::{Cell, Matrix, PORTRAIT, matrix};

/// How the folders are named in which files are made.
const MAKING: &str = "making-";

static MADE: LazyLock<BTreeMap<String, PathBuf>> = LazyLock::new(make_all);

/// Every file of the matrix by its name. The first call makes those that are not there, one on each processor.
pub(super) fn all() -> &'static BTreeMap<String, PathBuf> {
    &MADE
}

/// The runs of ffmpeg that make a file: the arguments of each, without the output of the last.
fn recipe(cell: &Cell, matrix: &Matrix) -> Vec<Vec<String>> {
    let portrait = project().join("tests/media/astronaut.jpg").to_string_lossy().into_owned();
    let words = |text: &str| -> Vec<String> {
        let mut text = text.to_owned();
        for (name, value) in &matrix.words {
            text = text.replace(&format!("{{{name}}}"), value);
        }
        text.split_whitespace().map(|it| it.replace("{portrait}", &portrait)).collect()
    };
    let [width, height] = cell.size;
    let (rate, seconds) = (&cell.rate, cell.seconds);
    let ground = format!("color=c=0x405060:s={width}x{height}:r={rate}:d={seconds},noise=alls=6:allf=t:all_seed=1");
    let tone = format!("sine=frequency=440:sample_rate=48000:duration={seconds}");
    let mut first: Vec<String> =
        ["-f", "lavfi", "-i", &ground, "-i", &portrait, "-f", "lavfi", "-i", &tone].map(str::to_owned).into();
    first.extend(words(&cell.also));
    let make = words(&cell.make);
    let maps = make.iter().any(|it| it == "-map");
    if !maps || make.iter().any(|it| it == "[v]") {
        first.extend(["-filter_complex".to_owned(), scene(cell)]);
    }
    if !maps {
        first.extend(["-map", "[v]"].map(str::to_owned));
        first.extend(cell.sound.then_some(["-map", "2:a"]).into_iter().flatten().map(str::to_owned));
    }
    first.extend(["-threads", "1"].map(str::to_owned));
    first.extend(make);
    let second = cell.then.as_deref().map(words);
    std::iter::once(first).chain(second).collect()
}

/// The portrait upon the ground, from 1 s until before 3 s.
fn scene(cell: &Cell) -> String {
    let ([left, top, over, under], [x, y, width, height]) = (PORTRAIT, cell.portrait());
    let filter = cell.filter.as_ref().map(|it| format!(",{it}")).unwrap_or_default();
    format!(
        "[1:v]crop={over}:{under}:{left}:{top},scale={width}:{height},setsar=1[p];\
         [0:v][p]overlay=x={x}:y={y}:enable='between(t,0.999,2.999)',setsar={}{filter}[v]",
        cell.sar
    )
}

fn make_all() -> BTreeMap<String, PathBuf> {
    let version = Command::new("ffmpeg").arg("-version").output().expect("ffmpeg runs").stdout;
    let version = String::from_utf8_lossy(&version).lines().next().unwrap_or_default().to_owned();
    let folder = project().join("target/media-matrix");
    std::fs::create_dir_all(&folder).unwrap();
    let matrix = matrix();
    let work: Vec<(&Cell, Vec<Vec<String>>, PathBuf)> = matrix
        .cells
        .iter()
        .map(|cell| {
            let recipe = recipe(cell, &matrix);
            let key = digest(&SHA256, format!("{version} {recipe:?}").as_bytes());
            let key: String = key.as_ref()[..6].iter().map(|it| format!("{it:02x}")).collect();
            (cell, recipe, folder.join(key).join(&cell.file))
        })
        .collect();
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let one_after_the_other = || {
        while let Some((cell, recipe, file)) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
            if !file.exists()
                && let Err(why) = make(cell, recipe, file)
            {
                failed.lock().unwrap().push(format!("{}: {why}", cell.file));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(one_after_the_other);
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{version} does not make these:\n{}", failed.join("\n"));
    forget_others(&folder, &work.iter().filter_map(|it| it.2.parent()).collect::<Vec<_>>());
    work.into_iter().map(|(cell, _, file)| (cell.file.clone(), file)).collect()
}

/// Makes a file where it does not disturb anybody, then moves it to its place: a run that is killed leaves none behind.
fn make(cell: &Cell, recipe: &[Vec<String>], file: &Path) -> Result<(), String> {
    let place = file.parent().expect("a folder").parent().expect("the cache");
    let folder = tempfile::Builder::new().prefix(MAKING).tempdir_in(place).map_err(|it| it.to_string())?;
    let mut before: Option<PathBuf> = None;
    for (index, arguments) in recipe.iter().enumerate() {
        let last = index + 1 == recipe.len();
        let name = match (&cell.via, last) {
            (Some(via), false) => format!("first.{via}"),
            (None, false) => format!("first-{}", cell.file),
            (_, true) => cell.file.clone(),
        };
        let mut command = Command::new("ffmpeg");
        command.args(["-nostdin", "-v", "error", "-y"]);
        let mut arguments = arguments.as_slice();
        if let Some(before) = &before {
            // a seek stands before its input
            if let ["-ss", at, ..] = &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                command.args(["-ss", at]);
                arguments = &arguments[2..];
            }
            command.arg("-i").arg(before);
        }
        let output = folder.path().join(name);
        let done = command.args(arguments).arg(&output).output().map_err(|it| it.to_string())?;
        if !done.status.success() {
            return Err(String::from_utf8_lossy(&done.stderr).into_owned());
        }
        before = Some(output);
    }
    let made = before.ok_or("no recipe")?;
    let moved = std::fs::create_dir_all(file.parent().expect("a folder")).and_then(|()| std::fs::rename(made, file));
    moved.map_err(|it| it.to_string())
}

/// Removes what earlier recipes have made.
fn forget_others(folder: &Path, kept: &[&Path]) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        // another run of the tests may be making its own
        let making = entry.file_name().to_string_lossy().starts_with(MAKING);
        if !making && !kept.contains(&entry.path().as_path()) {
            drop(std::fs::remove_dir_all(entry.path())); // or be faster
        }
    }
}
