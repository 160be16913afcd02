//! What a run has to know to go on after an interruption, in a file of its folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use local::demo::ApplicationKeys;
use serde::{Deserialize, Serialize};

use crate::error::CliError;
use crate::socket_client::StreamPosition;

/// A channel of the run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ProofChannel {
    pub(super) id: String,
    pub(super) signing_secret: String,
}

/// What has happened so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counts {
    pub(super) functions_killed: u32,
    pub(super) stack_restarts: u32,
    pub(super) broker_kills: u32,
    pub(super) sockets_cut: u32,
    /// Times at which the run was interrupted and went on.
    pub(super) resumed: u32,
}

/// The content of the file.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Saved {
    pub(super) seed: u64,
    pub(super) messages: u32,
    /// The ports of the API, of the webhooks, and of the broker.
    pub(super) port: u16,
    pub(super) webhooks_port: u16,
    pub(super) broker_port: Option<u16>,
    pub(super) keys: Option<ApplicationKeys>,
    pub(super) channels: BTreeMap<String, ProofChannel>,
    /// Where each socket is, by its name.
    pub(super) positions: BTreeMap<String, BTreeMap<String, StreamPosition>>,
    /// Where the long poll is.
    pub(super) cursor: Option<String>,
    /// Faults that have happened.
    pub(super) faults: usize,
    pub(super) counts: Counts,
    /// Seconds until everything was accepted, and until everything was accounted for.
    pub(super) accepted_after: f64,
    pub(super) seconds: f64,
    /// CPU seconds of each function, and of the emulators.
    pub(super) functions_cpu: BTreeMap<String, f64>,
    pub(super) own_cpu: f64,
}

/// The file, and what it is to hold next.
pub(super) struct State {
    path: PathBuf,
    saved: Mutex<Saved>,
    /// Receivers that know where they begin.
    ready: Mutex<BTreeSet<&'static str>>,
}

impl State {
    /// The state in a folder; `None` if there is none yet.
    pub(super) fn read(folder: &Path) -> Result<Option<Saved>, CliError> {
        let path = folder.join("proof.json");
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|it| CliError::Other(format!("{} is no state of a run: {it}", path.display()))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(CliError::Other(format!("{}: {error}", path.display()))),
        }
    }

    pub(super) fn new(folder: &Path, saved: Saved) -> Self {
        Self { path: folder.join("proof.json"), saved: Mutex::new(saved), ready: Mutex::default() }
    }

    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Saved) -> T) -> T {
        change(&mut self.saved.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn saved(&self) -> Saved {
        self.change(|it| it.clone())
    }

    /// Writes the file.
    pub(super) fn save(&self) -> Result<(), CliError> {
        let failed = |it: std::io::Error| CliError::Other(format!("{}: {it}", self.path.display()));
        let text = serde_json::to_vec(&self.saved()).map_err(|it| CliError::Other(it.to_string()))?;
        local::write_private(&self.path, &text).map_err(failed)
    }

    pub(super) fn positions(&self, name: &str) -> BTreeMap<String, StreamPosition> {
        self.change(|it| it.positions.get(name).cloned().unwrap_or_default())
    }

    pub(super) fn set_positions(&self, name: &str, positions: &BTreeMap<String, StreamPosition>) {
        self.change(|it| it.positions.insert(name.to_owned(), positions.clone()));
    }

    pub(super) fn cursor(&self) -> Option<String> {
        self.change(|it| it.cursor.clone())
    }

    pub(super) fn set_cursor(&self, cursor: &str) {
        self.change(|it| it.cursor = Some(cursor.to_owned()));
    }

    /// A receiver knows where it begins.
    pub(super) fn set_ready(&self, name: &'static str) {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).insert(name);
    }

    pub(super) fn is_ready(&self, name: &str) -> bool {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).contains(name)
    }
}
