//! The built files are what their sources build, to the byte; and the sources' types fit.

use system_tests::World;
use system_tests::tools::{console_sources, piped_in};

#[test]
fn the_built_files_are_those_of_the_sources() {
    World::alone(async || {
        let sources = console_sources().await;
        for command in [["node_modules/.bin/tsc", "--noEmit"], ["build.mjs", "--check"]] {
            let (good, said) = piped_in(&sources, "node", &command, &[], "").await;
            assert!(good, "{command:?}: {said}");
            assert!(command[0] != "build.mjs" || said.contains("bytes compressed"), "{said}");
        }
    });
}
