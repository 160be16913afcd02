//! Next steps that the program prints: command lines that do what is meant when they are typed as they stand.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The port that `notify up` takes unless another is named.
pub(crate) const PORT: u16 = 8000;

/// The folder that was named by `--data` or `NOTIFY_DATA`, as it was written.
static DATA: OnceLock<PathBuf> = OnceLock::new();

/// The stack's data: the named folder, seen from here; by default `.local` in the project.
pub(crate) fn data(named: Option<PathBuf>) -> PathBuf {
    match named {
        Some(it) => DATA.get_or_init(|| it).clone(),
        None => crate::up::project().map_or_else(|_| PathBuf::from(".local"), |it| it.join(".local")),
    }
}

/// A command with its arguments, for the same stack as this one.
pub(crate) fn command(arguments: &str) -> String {
    line(under_cargo(), arguments, DATA.get().map(PathBuf::as_path))
}

/// The command that starts this stack again.
pub(crate) fn up(port: u16) -> String {
    if port == PORT && DATA.get().is_none() {
        return if under_cargo() { "cargo run".to_owned() } else { "notify".to_owned() };
    }
    let port = if port == PORT { String::new() } else { format!(" --port {port}") };
    command(&format!("up{port}"))
}

fn line(under_cargo: bool, arguments: &str, data: Option<&Path>) -> String {
    let program = if under_cargo { "cargo run --" } else { "notify" };
    let data = data.map_or_else(String::new, |it| format!(" --data {}", quoted(&it.to_string_lossy())));
    format!("{program} {arguments}{data}")
}

/// A word for a POSIX shell (section 2.2.2, single quotes).
fn quoted(word: &str) -> String {
    let plain = |it: char| it.is_alphanumeric() || matches!(it, '/' | '.' | '_' | '-' | '+' | ',' | ':' | '@' | '%');
    if !word.is_empty() && word.chars().all(plain) {
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
        assert_eq!(line(true, "receive --port 9000", None), "cargo run -- receive --port 9000");
        assert_eq!(line(false, "scan b", Some(Path::new("/tmp/x"))), "notify scan b --data /tmp/x");
        assert_eq!(line(false, "up", Some(Path::new("my data's"))), r"notify up --data 'my data'\''s'");
        assert_eq!(up(8080).split_once(' ').map(|it| it.1.contains("up --port 8080")), Some(true));
    }
}
