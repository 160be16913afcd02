//! What the benchmarks share: a stack of their own.

use std::collections::BTreeMap;
use std::path::Path;

use local::{Options, Programs, Stack};

use super::api::Api;
use crate::error::CliError;
use crate::project::{current_program, project_folder};

/// A stack whose functions run in this program, in an empty folder.
pub(super) async fn start_stack(data: &Path) -> Result<Stack, CliError> {
    Ok(Stack::start(stack_options(Programs::AllInOne(current_program()?), data)?).await?)
}

/// What starts a stack with these programs, in an empty folder, on any free port.
pub(super) fn stack_options(programs: Programs, data: &Path) -> Result<Options, CliError> {
    let project = project_folder()?;
    let (data, parameters, call_log) = (data.to_owned(), BTreeMap::new(), None);
    Ok(Options { project, programs, data, fresh: true, port: 0, parameters, call_log })
}

/// A new application of a stack.
pub(super) async fn create_application(stack: &Stack) -> Result<Api, CliError> {
    Api::new(stack.url.clone(), local::demo::create_application(stack, "bench", false).await?)
}

/// A folder that is removed when it is dropped.
pub(super) fn temporary_folder() -> Result<tempfile::TempDir, CliError> {
    tempfile::tempdir().map_err(|it| CliError::Other(it.to_string()))
}
