//! Stacks on data of their own: the one that tests share, and those of tests that have one each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use local::{Options, Programs, Stack};

use crate::{built, program, project};

/// A stack on data of a test's own.
pub async fn own_stack(data: &Path, parameters: &[(&str, &str)]) -> Stack {
    let parameters: BTreeMap<String, String> =
        parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    built().await;
    let programs = Programs::AllInOne(program());
    let (data_folder, call_log) = (data.to_owned(), Some(call_log()));
    let options =
        Options { project: project(), programs, data: data_folder, fresh: false, port: 0, parameters, call_log };
    let stack = Stack::start(options).await.expect("the stack starts");
    let mut events = stack.events();
    // what the stack did, for whoever looks into a failure
    let mut log = std::fs::OpenOptions::new().create(true).append(true).open(data.join("events.log")).expect("a log");
    tokio::spawn(async move {
        while let Ok(event) = events.recv().await {
            drop(std::io::Write::write_all(&mut log, format!("{event:?}\n").as_bytes()));
        }
    });
    stack
}

/// The file that collects what the functions of all tests call, which the gate compares with their roles.
pub fn call_log() -> PathBuf {
    let folder = project().join("target/tmp");
    std::fs::create_dir_all(&folder).expect("a folder");
    folder.join("aws-calls")
}

/// The stack that tests share.
pub(crate) async fn shared() -> Stack {
    let folder = project().join("target/tmp");
    std::fs::create_dir_all(&folder).expect("a folder");
    let data = tempfile::Builder::new().prefix("world-").tempdir_in(folder).expect("a folder").keep();
    // short times, so that what comes back comes soon
    let stack = own_stack(
        &data,
        &[
            ("LeaseSeconds", "5"),
            ("ProcessSeconds", "30"),
            ("ProcessReturnSeconds", "30"),
            ("QueueReturnSeconds", "30"),
        ],
    )
    .await;
    local::demo::set_up(&stack).await.expect("the demo application is made");
    stack
}
