//! The programs that the functions are.

use std::path::PathBuf;

/// The first argument of a program that is to be a function; the second is the function's name.
pub const FUNCTION_ARGUMENT: &str = "function";

/// Which programs the functions are.
#[derive(Debug, Clone)]
pub enum Programs {
    /// One program holds them all, and is one of them when it is started with `function NAME`.
    AllInOne(PathBuf),
    /// A folder holds a program for each, as Lambda has them.
    OnePerFunction(PathBuf),
}

/// What the processes of one function run.
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
