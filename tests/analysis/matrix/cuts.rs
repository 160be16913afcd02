//! Files that end early: never a panic, and never a result without a word where pictures are missing.
//!
//! What is missing is counted: frames that ffprobe decodes of the cut file, against those of the whole. Some formats say
//! nowhere how long they are (`promises = false` in the table): where such a file ends between two frames it is whole
//! for all that anybody can know, so of these only the first half of the rule is asked.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::{LazyLock, Mutex};

use domain::bucket::ProcessorSettings;
use media::ffmpeg::Ffmpeg;
use media::processor;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use super::cells::{Cell, Matrix, matrix};
use super::made;

/// Frames that may be missing without a word: the last ones, which a decoder keeps back or a container half has.
const FEW: u64 = 2;
/// Where ffmpeg is looked for, and the memory of a function in MiB.
const SEARCH_PATH: &str = "/usr/local/bin:/usr/bin:/bin";
const MEMORY_MB: u32 = 1_769;
/// What has failed once is tried first, ever after.
const SEEDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/analysis/matrix/cuts.txt");
/// A file is cut after so many thousandths of it.
const WHOLE: u64 = 1_000;

static MATRIX: LazyLock<Matrix> = LazyLock::new(matrix);
/// Frames of the whole files.
static FRAMES: LazyLock<Mutex<BTreeMap<String, u64>>> = LazyLock::new(Mutex::default);

/// The frames of a file that can be decoded: of several video streams, the most that one has. Covers do not count.
fn frames(file: &Path) -> u64 {
    let counted = Command::new("ffprobe")
        .args(["-v", "quiet", "-count_frames", "-select_streams", "V", "-show_entries", "stream=nb_read_frames"])
        .args(["-of", "csv=p=0"])
        .arg(file)
        .output()
        .expect("ffprobe runs");
    let text = String::from_utf8_lossy(&counted.stdout).into_owned();
    text.lines().filter_map(|it| it.trim_matches(',').parse().ok()).max().unwrap_or_default()
}

fn frames_of_whole(cell: &Cell) -> u64 {
    let mut known = FRAMES.lock().unwrap();
    *known.entry(cell.file.clone()).or_insert_with(|| frames(&made::all()[&cell.file]))
}

/// The codes of what a result warns of; or why there is none, as the error shows itself.
fn analysed(file: &Path) -> Result<Vec<String>, String> {
    let program = Ffmpeg::new("ffmpeg".to_owned(), SEARCH_PATH.to_owned(), MEMORY_MB);
    let settings = ProcessorSettings::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let run = processor::detect_faces(&settings, file, &program);
    match runtime.block_on(run) {
        Ok(analysis) => Ok(analysis.warnings.into_iter().map(|it| it.code).collect()),
        Err(error) => Err(format!("{error:?}")),
    }
}

/// A cell that is no refusal, by chance.
fn any_cell() -> impl Strategy<Value = &'static Cell> {
    let cells: Vec<&'static Cell> = MATRIX.cells.iter().filter(|it| it.refused.is_none()).collect();
    proptest::sample::select(cells)
}

impl std::fmt::Debug for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.file)
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        // by chance, and others in each run
        cases: 24,
        // each step runs a decoder
        max_shrink_iters: 12,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(SEEDS))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_file_that_ends_early_is_said_to(cell in any_cell(), kept in 1..WHOLE) {
        let bytes = std::fs::read(&made::all()[&cell.file]).unwrap();
        let length = usize::try_from(bytes.len() as u64 * kept / WHOLE).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("media");
        std::fs::write(&file, &bytes[..length]).unwrap();
        let (whole, left) = (frames_of_whole(cell), frames(&file));
        match analysed(&file) {
            Ok(warnings) => {
                let missing = whole.saturating_sub(left);
                let silent = cell.promises && missing > FEW && warnings.is_empty();
                prop_assert!(!silent, "{} cut at {length} bytes: {missing} of {whole} frames missing, and no word", cell.file);
            }
            // a panic of the analysis shows as this
            Err(why) => prop_assert!(!why.contains("internal"), "{} cut at {length} bytes: {why}", cell.file),
        }
    }
}
