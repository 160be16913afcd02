//! `notify bench functions`: measures each function as a program of its own, as on Lambda.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use local::{Programs, Stack};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};

use super::setup::{stack_options, temporary_folder};
use crate::error::CliError;
use crate::print::{self, outln};
use crate::project::{current_program, project_folder};

fn median(mut all: Vec<Duration>) -> f64 {
    all.sort();
    all.get(all.len() / 2).map_or(0.0, |it| it.as_secs_f64() * 1_000.0)
}

/// Starts each function for its init time, and invokes it with an empty event for its warm time. A process that does
/// nothing is the baseline.
pub(super) async fn run(starts: usize, json: bool) -> Result<(), CliError> {
    let data = temporary_folder()?;
    let binaries = binaries()?;
    build(&project_folder()?, &binaries).await?;
    let stack = Stack::start(stack_options(Programs::OnePerFunction(binaries.clone()), data.path())?).await?;
    let mut baseline = Vec::new();
    for _ in 0..starts {
        let started_at = Instant::now();
        drop(tokio::process::Command::new("true").status().await);
        baseline.push(started_at.elapsed());
    }
    let baseline = median(baseline);
    let mut rows = Vec::new();
    let mut measured: Vec<&str> = Vec::new();
    for function in &stack.model.functions {
        if measured.contains(&function.binary.as_str()) {
            continue; // the slow lane of webhooks is the same program
        }
        measured.push(&function.binary);
        let (mut init, mut warm) = (Vec::new(), Vec::new());
        for _ in 0..starts {
            init.push(stack.measure_init(&function.binary).await?);
        }
        for _ in 0..starts {
            if let Some(took) = stack.measure_warm_invocation(&function.binary).await {
                warm.push(took);
            }
        }
        let (size, zip) = sizes(&binaries.join(&function.binary))?;
        rows.push(json!({
            "function": function.binary, "init_ms": median(init),
            "warm_ms": (!warm.is_empty()).then(|| median(warm)), "binary_mb": size, "zip_mb": zip,
        }));
    }
    if json {
        outln!("{}", json!({ "process_that_does_nothing_ms": baseline, "functions": rows }));
        return Ok(());
    }
    outln!("a process that does nothing: {baseline:.1} ms");
    outln!("");
    outln!("| function | init, ms | × nothing | warm, ms | binary, MB | zip, MB |");
    outln!("|---|---|---|---|---|---|");
    for row in rows {
        let number = |name: &str| row[name].as_f64().unwrap_or(0.0);
        let ratio = number("init_ms") / baseline.max(0.001);
        outln!(
            "| `{}` | {:.1} | {ratio:.1} | {} | {:.1} | {:.2} |",
            row["function"].as_str().unwrap_or_default(),
            number("init_ms"),
            row["warm_ms"].as_f64().map_or("–".to_owned(), |it| format!("{it:.2}")),
            number("binary_mb"),
            number("zip_mb"),
        );
    }
    Ok(())
}

/// The size of a binary in megabytes: as it is, and deflated as in a zip file.
fn sizes(binary: &Path) -> Result<(f64, f64), CliError> {
    let failed = |it: std::io::Error| CliError::Other(format!("{}: {it}", binary.display()));
    let bytes = std::fs::read(binary).map_err(failed)?;
    let mut zip = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut zip, &bytes).map_err(failed)?;
    let packed = zip.finish().map_err(failed)?;
    Ok((bytes.len() as f64 / 1e6, packed.len() as f64 / 1e6))
}

/// The folder of the functions' programs: cargo puts them beside this one.
fn binaries() -> Result<PathBuf, CliError> {
    let program = current_program()?;
    let beside = program.parent().ok_or_else(|| CliError::Other("this program is in no folder".to_owned()))?;
    Ok(beside.to_owned())
}

fn profile() -> &'static str {
    if cfg!(debug_assertions) { "debug" } else { "release" }
}

#[expect(clippy::disallowed_methods, reason = "to take from a child what cargo gave this program")]
fn environment() -> std::env::Vars {
    std::env::vars()
}

/// Builds a program for each function, in this program's profile.
async fn build(project: &Path, binaries: &Path) -> Result<(), CliError> {
    let mut command = tokio::process::Command::new("cargo");
    // the whole workspace: another choice of packages would have other features, and build their dependencies twice
    command.args(["build", "--workspace", "--bins", "--color", "never"]);
    if profile() == "release" {
        command.arg("--release");
    }
    // under `cargo run` these name this package, and build scripts that watch them (ring's) would run again, with
    // everything that is built on them
    let is_cargo_variable = |name: &str| {
        name == "CARGO" || ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"].iter().any(|own| name.starts_with(own))
    };
    for (name, _) in environment().filter(|it| is_cargo_variable(&it.0)) {
        command.env_remove(name);
    }
    if let Some(target) = binaries.parent() {
        command.env("CARGO_TARGET_DIR", target);
    }
    let mut child = command
        .current_dir(project)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(CliError::CargoUnavailable)?;
    let bar = ProgressBar::new_spinner().with_style(
        ProgressStyle::default_spinner()
            .template("{spinner} building the functions, {pos} crates, {elapsed}: {wide_msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    bar.enable_steady_tick(Duration::from_millis(120));
    let mut output_lines = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        let mut lines = BufReader::new(stderr).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if let Some(name) = line.trim().strip_prefix("Compiling ") {
                bar.inc(1);
                bar.set_message(name.split(" (").next().unwrap_or(name).to_owned());
            }
            output_lines.push(line);
        }
    }
    let status = child.wait().await.map_err(CliError::CargoUnavailable)?;
    bar.finish_and_clear();
    if status.success() {
        return Ok(());
    }
    output_lines.iter().for_each(|it| print::note(it));
    Err(CliError::BuildFailed)
}
