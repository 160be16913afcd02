//! `notify processors`: the worked examples of external processors, which the local stack starts when they are installed.

use std::path::Path;

use clap::{Args, Subcommand};
use local::processors::{EXAMPLES, Example};
use serde_json::{Value, json};
use tokio::process::Command as Program;

use crate::error::CliError;
use crate::print::{self, outln};
use crate::project::project_folder;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Show which examples are installed, and what the others lack
    List,
    /// Install what the examples need: packages of Debian, as root, and of npm
    Install(InstallArgs),
}

#[derive(Args)]
#[command(after_help = "Example:\n  notify processors install translation")]
pub(crate) struct InstallArgs {
    /// One example alone
    #[arg(value_parser = ["objects", "translation"])]
    name: Option<String>,
}

pub(crate) async fn run(command: Command, as_json: bool) -> Result<(), CliError> {
    let project = project_folder()?;
    let name = match &command {
        Command::List => None,
        Command::Install(args) => args.name.as_deref(),
    };
    let mut list = Vec::new();
    for example in EXAMPLES.iter().filter(|it| name.is_none_or(|wanted| it.name == wanted)) {
        let folder = example.folder(&project);
        let mut missing = example.check(&folder).await.err();
        if missing.is_some() && matches!(command, Command::Install(_)) {
            install(example, &folder).await?;
            missing = example.check(&folder).await.err();
            if let Some(missing) = &missing {
                return Err(CliError::Other(format!("{} is still not complete: {missing}", example.name)));
            }
        }
        if !as_json {
            match &missing {
                None => print::success(&format!("{} is installed: {}", example.name, example.processor)),
                Some(missing) => print::failure(&format!("{}: {missing}", example.name)),
            }
        }
        list.push(shown(example, missing));
    }
    if as_json {
        outln!("{}", Value::Array(list));
    }
    Ok(())
}

fn shown(example: &Example, missing: Option<String>) -> Value {
    json!({ "name": example.name, "processor": example.processor, "missing": missing })
}

async fn install(example: &Example, folder: &Path) -> Result<(), CliError> {
    let packages = ["install", "-y", "--no-install-recommends"];
    let packages: Vec<&str> = packages.iter().chain(example.packages).copied().collect();
    let done = runs("apt-get", &["update"], folder).await && runs("apt-get", &packages, folder).await;
    let done = done && (!example.has_npm_packages || runs("npm", &["ci", "--no-audit", "--no-fund"], folder).await);
    if done {
        return Ok(());
    }
    Err(CliError::Other(format!("{} could not be installed; type this as root: {}", example.name, example.hint())))
}

/// Runs a program to its end, which shows its output. `false` if it fails or is not there.
async fn runs(program: &str, arguments: &[&str], folder: &Path) -> bool {
    let status = Program::new(program).args(arguments).current_dir(folder).status().await;
    status.is_ok_and(|it| it.success())
}
