//! Command lines that the program suggests as next steps. They can be typed as printed.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::project::project_folder;

/// The default port of `notify up`.
pub(crate) const DEFAULT_PORT: u16 = 8000;

/// The folder that `--data` or `NOTIFY_DATA` names, as it was written.
static NAMED_DATA_FOLDER: OnceLock<PathBuf> = OnceLock::new();

/// The stack's data folder: the one that was named, or `.local` in the project.
pub(crate) fn data_folder(named: Option<PathBuf>) -> PathBuf {
    match named {
        Some(it) => NAMED_DATA_FOLDER.get_or_init(|| it).clone(),
        None => project_folder().map_or_else(|_| PathBuf::from(".local"), |it| it.join(".local")),
    }
}

/// The folder that the variable `NOTIFY_DATA` names.
pub(crate) fn folder_of_environment() -> Option<PathBuf> {
    std::env::var_os("NOTIFY_DATA").filter(|it| !it.is_empty()).map(PathBuf::from)
}

/// A command with its arguments, for the same stack as this one.
pub(crate) fn command(arguments: &str) -> String {
    command_line(under_cargo(), arguments, NAMED_DATA_FOLDER.get().map(PathBuf::as_path))
}

/// The command that starts this stack again.
pub(crate) fn up_command(port: u16) -> String {
    if port == DEFAULT_PORT && NAMED_DATA_FOLDER.get().is_none() {
        return if under_cargo() { "cargo run".to_owned() } else { "notify".to_owned() };
    }
    let port = if port == DEFAULT_PORT { String::new() } else { format!(" --port {port}") };
    command(&format!("up{port}"))
}

fn command_line(under_cargo: bool, arguments: &str, data: Option<&Path>) -> String {
    let program = if under_cargo { "cargo run --" } else { "notify" };
    let data = data.map_or_else(String::new, |it| format!(" --data {}", shell_quoted(&it.to_string_lossy())));
    format!("{program} {arguments}{data}")
}

/// A word for a POSIX shell (section 2.2.2, single quotes).
fn shell_quoted(word: &str) -> String {
    let is_plain = |it: char| it.is_alphanumeric() || matches!(it, '/' | '.' | '_' | '-' | '+' | ',' | ':' | '@' | '%');
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Whether `cargo run` started this program.
#[expect(clippy::disallowed_methods, reason = "a hint names the program as its user called it")]
fn under_cargo() -> bool {
    std::env::var("CARGO_PKG_NAME").is_ok_and(|it| it == env!("CARGO_PKG_NAME"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_can_be_typed_as_it_stands() {
        assert_eq!(command_line(true, "receive --port 9000", None), "cargo run -- receive --port 9000");
        assert_eq!(command_line(false, "scan b", Some(Path::new("/tmp/x"))), "notify scan b --data /tmp/x");
        assert_eq!(command_line(false, "up", Some(Path::new("my data's"))), r"notify up --data 'my data'\''s'");
        assert_eq!(up_command(8080).split_once(' ').map(|it| it.1.contains("up --port 8080")), Some(true));
    }
}
