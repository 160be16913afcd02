//! `samconfig.toml`: the template parameters of an environment.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::StackError;

/// `parameter_overrides` of `[{environment}.deploy.parameters]`; none without the file or the section.
pub fn parameters(file: &Path, environment: &str) -> Result<BTreeMap<String, String>, StackError> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(it) if it.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(source) => return Err(StackError::Unreadable { path: file.to_owned(), source }),
    };
    let invalid = |line: usize, what: String| StackError::Template { file: file.display().to_string(), line, what };
    let line_of = |at: usize| text[..at.min(text.len())].lines().count().max(1);
    let table: toml::Table = text
        .parse()
        .map_err(|it: toml::de::Error| invalid(it.span().map_or(1, |it| line_of(it.start)), it.message().to_owned()))?;
    let overrides =
        table.get(environment).and_then(|it| it.get("deploy")?.get("parameters")?.get("parameter_overrides"));
    let mut parameters = BTreeMap::new();
    for entry in overrides.and_then(|it| it.as_array()).into_iter().flatten() {
        let override_text = entry.as_str().unwrap_or_default();
        let (name, value) = override_text.split_once('=').ok_or_else(|| {
            let at = text.find(override_text).unwrap_or(0);
            invalid(line_of(at), format!("`{override_text}` is not of the form Name=value"))
        })?;
        parameters.insert(name.to_owned(), value.to_owned());
    }
    Ok(parameters)
}
