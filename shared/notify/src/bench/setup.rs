//! What the benchmarks share: a stack of their own, and calls of its API.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use local::demo::ApplicationKeys;
use local::{Options, Programs, Stack};
use serde_json::Value;

use crate::client::{http_client, send_request};
use crate::error::CliError;
use crate::project::{current_program, project_folder};

/// A stack whose functions run in this program, in an empty folder.
pub(super) async fn start_stack(data: &Path) -> Result<Stack, CliError> {
    start_stack_with(Programs::AllInOne(current_program()?), data).await
}

/// A stack with these programs, in an empty folder, on any free port.
pub(super) async fn start_stack_with(programs: Programs, data: &Path) -> Result<Stack, CliError> {
    let project = project_folder()?;
    let options =
        Options { project, programs, data: data.to_owned(), fresh: true, port: 0, parameters: BTreeMap::new() };
    Ok(Stack::start(options).await?)
}

/// A folder that is removed when it is dropped.
pub(super) fn temporary_folder() -> Result<tempfile::TempDir, CliError> {
    tempfile::tempdir().map_err(|it| CliError::Other(it.to_string()))
}

/// Calls the API of a stack with the keys of an application; a body of `null` sends none. Channels are answered with what
/// the published shape does not have.
pub(super) async fn call_api(
    stack: &Stack,
    keys: &ApplicationKeys,
    method: &str,
    path: &str,
    body: &Value,
) -> Result<Value, CliError> {
    let method = method.parse().unwrap_or(reqwest::Method::GET);
    // one client for all calls: only the response is measured
    static CLIENT: OnceLock<Option<reqwest::Client>> = OnceLock::new();
    let client = CLIENT.get_or_init(|| http_client().ok());
    let client = client.as_ref().ok_or_else(|| CliError::Other("the HTTP client cannot be created".to_owned()))?;
    let mut request = client.request(method, format!("{}{path}", stack.url));
    if !body.is_null() {
        request = request.json(body);
    }
    send_request(
        &stack.url,
        "",
        path,
        request
            .header("x-api-key", &keys.api_key)
            .header("x-api-secret", &keys.api_secret)
            .header("x-extended", "true"),
    )
    .await
}
