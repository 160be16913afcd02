//! The programs of the functions.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use crate::lock::lock;

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

/// How long a look at a program's modification time is good: a program that was built anew is noticed after this time.
const BUILD_TIME_VALID: Duration = Duration::from_secs(1);

/// When a program was last built, by the modification time of its file. The file system is asked once a second, not at
/// each invocation.
#[derive(Debug, Default)]
pub(crate) struct BuildTime(Mutex<Option<(Instant, Option<SystemTime>)>>);

impl BuildTime {
    /// Whether a process of `program` runs an older build than the one that is there.
    pub(crate) fn is_outdated(&self, program: &Program, process_build: Option<SystemTime>) -> bool {
        let mut seen = lock(&self.0);
        let known = seen.filter(|(at, _)| at.elapsed() < BUILD_TIME_VALID);
        // a process may be newer than the last look
        if known.is_some_and(|(_, build)| build == process_build) {
            return false;
        }
        let build = program.build_time();
        *seen = Some((Instant::now(), build));
        build != process_build
    }
}

impl Program {
    /// The modification time of the file; `None` if it is not there.
    pub(crate) fn build_time(&self) -> Option<SystemTime> {
        std::fs::metadata(&self.path).and_then(|it| it.modified()).ok()
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_build_is_noticed_and_a_process_of_it_is_not_outdated() {
        let dir = tempfile::tempdir().unwrap();
        let program = Program { path: dir.path().join("program"), arguments: Vec::new() };
        let file = std::fs::File::create(&program.path).unwrap();
        let (first, second) = (SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH + Duration::from_secs(9));
        file.set_modified(first).unwrap();
        let build = BuildTime::default();
        assert!(!build.is_outdated(&program, Some(first)));
        file.set_modified(second).unwrap();
        assert!(!build.is_outdated(&program, Some(second)), "a process that was started since the last look");
        assert!(build.is_outdated(&program, Some(first)));
        std::fs::remove_file(&program.path).unwrap();
        *lock(&build.0) = None; // the last look is too old
        assert!(build.is_outdated(&program, Some(second)), "what is no longer there is not used any more");
    }
}
