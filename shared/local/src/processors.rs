//! The worked examples of external processors in `shared/local/processors`. One that is installed is started beside the stack.
//! In place of one that is not, its address answers that a part is missing: no result is ever made up (processors,
//! section 7.1).

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clock::pause;
use crate::error::StackError;
use crate::listener::{base_url, listen_for, serve};
use crate::process::inherited_variable;
use crate::random::random_bytes;

/// How long a check takes at most, and a start: a model is loaded.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a worker that has ended stays away.
const RESTART_DELAY: Duration = Duration::from_secs(1);

/// A worked example.
#[derive(Debug, Clone, Copy)]
pub struct Example {
    /// The name of its folder.
    pub name: &'static str,
    /// The processor that it runs.
    pub processor: &'static str,
    program: &'static str,
    script: &'static str,
    /// The packages of Debian that it needs.
    pub packages: &'static [&'static str],
    /// Whether it has packages of npm as well.
    pub has_npm_packages: bool,
}

/// All worked examples.
pub const EXAMPLES: [Example; 2] = [
    Example {
        name: "objects",
        processor: "ObjectDetection",
        program: "node",
        script: "worker.mjs",
        packages: &["ffmpeg"],
        has_npm_packages: true,
    },
    Example {
        name: "translation",
        processor: "AutoTranslation",
        program: "python3",
        script: "worker.py",
        packages: &[
            "ffmpeg",
            "pocketsphinx",
            "pocketsphinx-en-us",
            "apertium",
            "apertium-eng-spa",
            "apertium-eng-cat",
            "apertium-en-gl",
        ],
        has_npm_packages: false,
    },
];

impl Example {
    /// Its folder in a project.
    pub fn folder(&self, project: &Path) -> PathBuf {
        project.join("shared/local/processors").join(self.name)
    }

    /// What installs its parts (processors, section 7.1).
    pub fn hint(&self) -> String {
        let packages = format!("apt-get install {}", self.packages.join(" "));
        match self.has_npm_packages {
            true => format!("cd shared/local/processors/{} && npm ci; {packages}", self.name),
            false => packages,
        }
    }

    /// Asks it whether its parts are there.
    ///
    /// # Errors
    /// What is missing.
    pub async fn check(&self, folder: &Path) -> Result<(), String> {
        let mut command = self.command(folder);
        command.arg("check").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let output = match tokio::time::timeout(START_TIMEOUT, command.output()).await {
            Ok(Ok(output)) => output,
            Ok(Err(error)) => return Err(format!("{} does not run: {error}", self.program)),
            Err(_) => return Err(format!("`{} {} check` does not end", self.program, self.script)),
        };
        if output.status.success() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&output.stderr);
        Err(text.lines().last().filter(|it| !it.is_empty()).unwrap_or("its check fails").to_owned())
    }

    fn command(&self, folder: &Path) -> Command {
        let mut command = Command::new(self.program);
        command.arg(self.script).current_dir(folder).env_clear().kill_on_drop(true);
        for name in ["PATH", "HOME"] {
            command.env(name, inherited_variable(name));
        }
        command.env("PYTHONDONTWRITEBYTECODE", "1"); // the folder stays as it is
        command
    }
}

/// A new signing secret.
pub fn new_secret() -> String {
    format!("whsec_{}", STANDARD.encode(random_bytes::<32>()))
}

/// An example that serves, or what answers in its place. Dropping it ends it.
pub struct Worker {
    pub url: String,
    /// What is missing, if something answers in its place.
    pub missing: Option<String>,
    task: JoinHandle<()>,
    /// The id of the process that runs now.
    process: watch::Receiver<Option<u32>>,
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.task.abort(); // its process is killed with it
    }
}

impl Worker {
    /// Starts an example from its folder, if its check is good. It takes jobs that are signed with `secret`.
    ///
    /// # Errors
    /// If no port is free.
    pub async fn start(example: &Example, folder: &Path, secret: &str) -> Result<Self, StackError> {
        let started = match example.check(folder).await {
            Ok(()) => launch(example, folder, secret, 0).await,
            Err(missing) => Err(missing),
        };
        match started {
            Ok(process) => Ok(Self::supervised(*example, folder.to_owned(), secret.to_owned(), process)),
            Err(missing) => Self::in_its_place(example, missing).await,
        }
    }

    /// A worker that is started again whenever it ends.
    fn supervised(example: Example, folder: PathBuf, secret: String, mut running: Running) -> Self {
        let (sender, process) = watch::channel(running.child.id());
        let port = running.port;
        let task = tokio::spawn(async move {
            loop {
                drop(running.child.wait().await); // it has ended either way
                sender.send_replace(None);
                pause(RESTART_DELAY).await;
                if let Ok(next) = launch(&example, &folder, &secret, port).await {
                    sender.send_replace(next.child.id());
                    running = next;
                }
            }
        });
        Self { url: format!("http://127.0.0.1:{port}"), missing: None, task, process }
    }

    /// What answers in the place of a worker whose parts are not there.
    async fn in_its_place(example: &Example, missing: String) -> Result<Self, StackError> {
        let listener = listen_for("a processor").await?;
        let url = base_url(&listener)?;
        let body: Value = json!({ "code": "backend_unavailable", "message": missing, "hint": example.hint() });
        let router = axum::Router::new().fallback(async move || (StatusCode::SERVICE_UNAVAILABLE, Json(body.clone())));
        Ok(Self { url, missing: Some(missing), task: serve(listener, router), process: watch::channel(None).1 })
    }

    /// The id of its process, while one runs.
    pub fn pid(&self) -> Option<u32> {
        *self.process.borrow()
    }
}

/// A process of an example.
struct Running {
    child: Child,
    port: u16,
    /// It ends when this is closed.
    _input: Option<ChildStdin>,
}

/// Starts a process of an example at a port, or at any free one (0). Returns when it accepts connections.
async fn launch(example: &Example, folder: &Path, secret: &str, port: u16) -> Result<Running, String> {
    let mut command = example.command(folder);
    command.env("PROCESSOR_SECRET", secret).env("PORT", port.to_string());
    // it ends when its input does: also with a stack that is killed
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|it| format!("{} does not run: {it}", example.program))?;
    let output = child.stdout.take().ok_or("it has no output")?;
    let mut lines = BufReader::new(output).lines();
    let first = tokio::time::timeout(START_TIMEOUT, lines.next_line()).await;
    let first = first.ok().and_then(Result::ok).flatten();
    let port = first.and_then(|it| it.trim().parse().ok()).ok_or("it does not say at which port it serves")?;
    // it may say more
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    let input = child.stdin.take(); // to wait for a child closes its input
    Ok(Running { child, port, _input: input })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn in_place_of_what_is_not_installed_its_address_says_what_to_install() {
        let folder = tempfile::tempdir().unwrap();
        let example = Example { program: "/nothing/at/all", ..EXAMPLES[0] };
        let worker = Worker::start(&example, folder.path(), &new_secret()).await.unwrap();
        assert!(worker.missing.as_ref().unwrap().starts_with("/nothing/at/all does not run"), "{:?}", worker.missing);
        let client = crate::aws_json::http_client().unwrap();
        let answer = client.post(&worker.url).body("{}").send().await.unwrap();
        assert_eq!(answer.status(), 503);
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["code"], "backend_unavailable");
        assert_eq!(body["hint"], "cd shared/local/processors/objects && npm ci; apt-get install ffmpeg");
        assert_eq!(worker.pid(), None);
    }
}
