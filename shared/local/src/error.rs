//! The errors of the stack. Their texts say what to do next.

use std::path::PathBuf;

/// Why the stack does not start.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    #[error("{file}, line {line}: {what}")]
    Template { file: String, line: usize, what: String },
    #[error("could not read {}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("could not write below {}; is the disk full, or the folder not yours?", path.display())]
    Unwritable { path: PathBuf, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("the data in {} cannot be read; keep a copy if you need it, then start with --fresh", path.display())]
    Corrupt { path: PathBuf, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("port {0} is taken; stop what uses it or choose another with --port")]
    PortInUse(u16),
    #[error("another stack runs on {}; stop it or choose another folder with --data", .0.display())]
    DataDirInUse(PathBuf),
    #[error("the program {} is not there; build it with `cargo build`", .0.display())]
    MissingProgram(PathBuf),
    #[error("{what}")]
    Emulator { what: String, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("{0}")]
    Demo(String),
}

impl StackError {
    pub(crate) fn emulator(what: &str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Emulator { what: what.to_owned(), source: source.into() }
    }
}
