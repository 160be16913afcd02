//! Where this program and the project are.

use std::path::{Path, PathBuf};

use crate::error::CliError;

/// The folder that holds `template.yaml`: the current one or an ancestor.
pub(crate) fn project_folder() -> Result<PathBuf, CliError> {
    let here = std::env::current_dir().map_err(|_| CliError::ProjectNotFound)?;
    let found = here.ancestors().find(|it| it.join("template.yaml").is_file());
    found.map(Path::to_owned).ok_or(CliError::ProjectNotFound)
}

/// The file of this program, which holds the functions. Ask for it at the start: a program that is rebuilt meanwhile
/// has the same path.
pub(crate) fn current_program() -> Result<PathBuf, CliError> {
    std::env::current_exe().map_err(|it| CliError::Other(format!("the path of this program is unknown: {it}")))
}
