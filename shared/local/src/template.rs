//! The CloudFormation template (AWS SAM), as far as one machine can run it. A construct that is not known is an error
//! with its line.

mod model;
mod read;
mod resolve;
mod storage;
mod values;

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::StackError;
use crate::yaml::{self, LineError};

pub(crate) use model::DEFAULT_ROUTE;
pub use model::{
    CorsRule, EmulatorUrls, Function, Model, Queue, Route, SqsEventSource, StreamEventSource, Table, WebSocketApi,
};

/// Reads a template with the parameters of an environment.
pub fn load(
    file: &Path,
    parameters: &BTreeMap<String, String>,
    emulator_urls: &EmulatorUrls,
) -> Result<Model, StackError> {
    let text =
        std::fs::read_to_string(file).map_err(|source| StackError::Unreadable { path: file.to_owned(), source })?;
    let name = file.file_name().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
    parse(&text, parameters, emulator_urls).map_err(|(line, what)| StackError::Template { file: name, line, what })
}

/// Reads a template's text. The error is a line and what is wrong there.
pub fn parse(
    text: &str,
    parameters: &BTreeMap<String, String>,
    emulator_urls: &EmulatorUrls,
) -> Result<Model, LineError> {
    let root = yaml::read(text)?;
    let resolver = resolve::Resolver::new(&root, parameters, emulator_urls)?;
    read::model(&root, &resolver)
}

#[cfg(test)]
mod tests;
