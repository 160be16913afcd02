//! The programs of the functions.

use std::path::PathBuf;

/// The first argument that makes a program run a function; the second is the function's name.
pub const FUNCTION_ARGUMENT: &str = "function";

/// Where the functions' programs are.
#[derive(Debug, Clone)]
pub enum Programs {
    /// One program contains all functions. `function NAME` runs one of them.
    AllInOne(PathBuf),
    /// A folder has a program for each function, as Lambda has.
    OnePerFunction(PathBuf),
}

/// The program of one function, with its arguments.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    pub(crate) arguments: Vec<String>,
}

impl Programs {
    pub(crate) fn program_for(&self, function: &str) -> Program {
        match self {
            Self::AllInOne(path) => {
                Program { path: path.clone(), arguments: vec![FUNCTION_ARGUMENT.to_owned(), function.to_owned()] }
            }
            Self::OnePerFunction(folder) => Program { path: folder.join(function), arguments: Vec::new() },
        }
    }
}
