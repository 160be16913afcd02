//! `notify up`: builds the functions, starts the stack, shows what happens.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use clap::Args as ClapArgs;
use indicatif::{ProgressBar, ProgressStyle};
use local::demo::{self, Demo};
use local::{Options, Stack};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::broadcast::error::RecvError;

use crate::error::CliError;
use crate::hint;
use crate::print::{self, say};
use crate::signals::ended;

/// How the stack starts.
#[derive(ClapArgs, Debug, Default, PartialEq, Eq)]
pub(crate) struct Args {
    /// The front door's port; by default 8000
    #[arg(long)]
    port: Option<u16>,
    /// Begin with empty data; files in the buckets' folders stay
    #[arg(long)]
    fresh: bool,
    /// Show every invocation with its duration and memory
    #[arg(long, short)]
    verbose: bool,
}

impl Args {
    /// With what was given before the command; what was given behind it goes first.
    pub(crate) fn join(&mut self, before: &Self) {
        self.port = self.port.or(before.port);
        self.fresh |= before.fresh;
        self.verbose |= before.verbose;
    }
}

pub(crate) async fn run(args: Args, data: &Path, json: bool) -> Result<(), CliError> {
    let port = args.port.unwrap_or(hint::PORT);
    let project = project()?;
    build(&project).await?;
    let data = std::path::absolute(data).map_err(|it| CliError::Other(format!("{}: {it}", data.display())))?;
    let ended = ended()?;
    let options =
        Options { binaries: binaries(&project), project, data, fresh: args.fresh, port, parameters: BTreeMap::new() };
    let stack = Stack::start(options).await?;
    let mut events = stack.events();
    let demo = demo::set_up(&stack).await?;
    if json {
        say!("{}", serde_json::to_string(&demo).unwrap_or_default());
    } else {
        welcome(&demo, stack.data());
    }
    let (mut minute, mut before) = (tokio::time::interval(Duration::from_secs(60)), stack.meter());
    minute.tick().await;
    tokio::pin!(ended);
    loop {
        tokio::select! {
            () = &mut ended => break,
            _ = minute.tick() => {
                let now = stack.meter();
                print::meter(&now.since(&before), json);
                before = now;
            }
            event = events.recv() => match event {
                Ok(it) if json => print::event_json(&it, args.verbose),
                Ok(it) => print::event(&it, args.verbose),
                Err(RecvError::Lagged(missed)) => print::note(&format!("({missed} lines are not shown)")),
                Err(RecvError::Closed) => break,
            },
        }
    }
    print::note(&format!("stopped; `{}` goes on where this ended", hint::up(port)));
    Ok(())
}

fn welcome(demo: &Demo, data: &Path) {
    print::heading(&format!("The stack is up at {}", demo.url));
    print::field("description", &format!("{}/docs", demo.url));
    print::field("application", &demo.application_id);
    print::field("x-api-key", &demo.api_key);
    print::field("x-api-secret", &demo.api_secret);
    for it in &demo.buckets {
        print::field(&it.name, &it.folder.display().to_string());
    }
    print::field("Iconik stand-in", &demo.iconik.folder.display().to_string());
    print::field("all of this", &data.join("stack.json").display().to_string());
    print::heading("What next");
    say!("  {:<36}  in a second terminal: a webhook receiver", hint::command("receive --port 9000"));
    say!("  drop a photo or a video with people into one of these folders");
    say!("  {:<36}  or wait for the next minute", hint::command("scan datacore-demo"));
    say!("  Ctrl-C stops; nothing is lost");
}

/// The folder with the template: this one or one above.
pub(crate) fn project() -> Result<PathBuf, CliError> {
    let here = std::env::current_dir().map_err(|_| CliError::NoProject)?;
    here.ancestors().find(|it| it.join("template.yaml").is_file()).map(Path::to_owned).ok_or(CliError::NoProject)
}

/// Where cargo puts the functions: beside this program.
pub(crate) fn binaries(project: &Path) -> PathBuf {
    let beside = std::env::current_exe().ok().and_then(|it| it.parent().map(Path::to_owned));
    beside.unwrap_or_else(|| project.join("target").join(profile()))
}

fn profile() -> &'static str {
    if cfg!(debug_assertions) { "debug" } else { "release" }
}

#[expect(clippy::disallowed_methods, reason = "to take from a child what cargo gave this program")]
fn variables() -> std::env::Vars {
    std::env::vars()
}

/// Builds the functions as this program was built.
pub(crate) async fn build(project: &Path) -> Result<(), CliError> {
    let mut command = tokio::process::Command::new("cargo");
    // the whole workspace: another choice of packages would have other features, and build their dependencies twice
    command.args(["build", "--workspace", "--bins", "--color", "never"]);
    if profile() == "release" {
        command.arg("--release");
    }
    // under `cargo run` these name this package, and build scripts that watch them (ring's) would run again, with
    // everything that is built on them
    let own = |it: &str| {
        it == "CARGO" || ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"].iter().any(|own| it.starts_with(own))
    };
    for (name, _) in variables().filter(|it| own(&it.0)) {
        command.env_remove(name);
    }
    if let Some(target) = binaries(project).parent() {
        command.env("CARGO_TARGET_DIR", target);
    }
    let mut child =
        command.current_dir(project).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().map_err(CliError::NoCargo)?;
    let bar = ProgressBar::new_spinner().with_style(
        ProgressStyle::default_spinner()
            .template("{spinner} building the functions, {pos} crates, {elapsed}: {wide_msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    bar.enable_steady_tick(Duration::from_millis(120));
    let mut said = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        let mut lines = BufReader::new(stderr).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if let Some(name) = line.trim().strip_prefix("Compiling ") {
                bar.inc(1);
                bar.set_message(name.split(" (").next().unwrap_or(name).to_owned());
            }
            said.push(line);
        }
    }
    let status = child.wait().await.map_err(CliError::NoCargo)?;
    bar.finish_and_clear();
    if status.success() {
        return Ok(());
    }
    said.iter().for_each(|it| print::note(it));
    Err(CliError::Build)
}
