//! A process of a function: an execution environment of Lambda. It gets the environment variables of the template and
//! no others, and is killed when it is dropped.

use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;

use crate::account::REGION;
use crate::error::StackError;
use crate::event::{Event, EventBus};
use crate::program::Program;
use crate::runtime_api::{Invocation, InvocationReply, RuntimeApi};
use crate::template::Function;

/// The init phase ends with the first `next`, after 10 seconds at most (AWS Lambda, execution environment lifecycle).
const INIT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a look at a process's memory is good. It is a peak, which changes slowly.
const MEMORY_VALID: Duration = Duration::from_secs(1);

/// The result of an invocation.
#[derive(Debug)]
pub enum InvocationOutcome {
    Succeeded(Bytes),
    /// The function reported an error.
    Failed(String),
    /// It exceeded its timeout and was killed.
    TimedOut,
    /// The process ended during the invocation.
    Crashed(String),
    /// All processes are busy.
    Throttled,
}

/// A running process.
pub(crate) struct Process {
    child: Child,
    runtime_api: RuntimeApi,
    /// The modification time of its program. A newer program replaces the process.
    pub(crate) program_modified: Option<SystemTime>,
    /// When it was last used.
    pub(crate) idle_since: Instant,
    /// The last look at its memory.
    memory: Option<(Instant, Option<u64>)>,
}

impl Process {
    /// Starts a process and waits for the end of its init phase.
    pub(crate) async fn start(
        function: &Function,
        program: &Program,
        endpoints: &[(String, String)],
        bus: &EventBus,
    ) -> Result<Self, StackError> {
        let started_at = Instant::now();
        let runtime_api = RuntimeApi::start(&function.name).await?;
        let mut command = Command::new(&program.path);
        command.args(&program.arguments);
        command
            .env_clear()
            .env("PATH", inherited_variable("PATH"))
            .env("HOME", inherited_variable("HOME"))
            .env("RUST_BACKTRACE", "0");
        for (name, value) in [
            ("AWS_LAMBDA_RUNTIME_API", runtime_api.address.as_str()),
            ("AWS_LAMBDA_FUNCTION_NAME", &function.name),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &function.memory_mb.to_string()),
            ("AWS_LAMBDA_LOG_GROUP_NAME", &format!("/aws/lambda/{}", function.name)),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "local"),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
            ("AWS_REGION", REGION),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("_HANDLER", "bootstrap"),
        ] {
            command.env(name, value);
        }
        command.envs(endpoints.iter().map(|(name, value)| (name, value))).envs(&function.environment);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let missing_program = |_| StackError::MissingProgram(program.path.clone());
        let program_modified = program.build_time();
        let mut child = command.spawn().map_err(missing_program)?;
        let names = || (function.name.clone(), function.binary.clone());
        if let Some(stdout) = child.stdout.take() {
            tokio::spawn(forward_lines(stdout, names(), bus.clone()));
        }
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(forward_lines(stderr, names(), bus.clone()));
        }
        let mut process = Self { child, runtime_api, program_modified, idle_since: Instant::now(), memory: None };
        process
            .wait_for_first_next()
            .await
            .map_err(|it| StackError::emulator(&format!("{} did not start: {it}", function.binary), it))?;
        bus.send(Event::ProcessStarted { function: function.binary.clone(), init: started_at.elapsed() });
        Ok(process)
    }

    async fn wait_for_first_next(&mut self) -> Result<(), String> {
        let mut ready = self.runtime_api.ready.clone();
        let first_next = async { ready.wait_for(|it| *it).await.is_ok() };
        tokio::select! {
            first_poll = tokio::time::timeout(INIT_TIMEOUT, first_next) => match first_poll {
                Ok(_) => Ok(()),
                Err(_) => Err("no sign of life within 10 seconds".to_owned()),
            },
            ended = self.child.wait() => Err(format!("it ended with {}", ended.map_or_else(|it| it.to_string(), |it| it.to_string()))),
        }
    }

    /// Runs one invocation. The process may be used again after `Succeeded` and `Failed` only.
    pub(crate) async fn invoke(&mut self, id: String, payload: Bytes, timeout: Duration) -> InvocationOutcome {
        let (sender, reply) = oneshot::channel();
        let timeout_ms = i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX);
        if self.runtime_api.invocations.send(Invocation { id, payload, timeout_ms, reply: sender }).await.is_err() {
            return InvocationOutcome::Crashed("the process is gone".to_owned());
        }
        let outcome = tokio::select! {
            replied = tokio::time::timeout(timeout, reply) => match replied {
                Ok(Ok(InvocationReply::Response(it))) => InvocationOutcome::Succeeded(it),
                Ok(Ok(InvocationReply::Error { kind, message })) => InvocationOutcome::Failed(format!("{kind}: {message}")),
                Ok(Err(_)) => InvocationOutcome::Crashed("no answer".to_owned()),
                Err(_) => InvocationOutcome::TimedOut,
            },
            ended = self.child.wait() => {
                InvocationOutcome::Crashed(ended.map_or_else(|it| it.to_string(), |it| it.to_string()))
            }
        };
        self.idle_since = Instant::now();
        outcome
    }

    /// Its peak memory in MB, at most a second old; `None` where the operating system does not provide it.
    pub(crate) fn memory_mb(&mut self) -> Option<u64> {
        match self.memory {
            Some((read_at, memory_mb)) if read_at.elapsed() < MEMORY_VALID => memory_mb,
            _ => {
                let memory_mb = self.read_memory_mb();
                self.memory = Some((Instant::now(), memory_mb));
                memory_mb
            }
        }
    }

    /// `VmHWM` of proc_pid_status(5).
    fn read_memory_mb(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()?)).ok()?;
        let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:"))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|it| it / 1_024)
    }

    /// Whether it has ended while no invocation ran: by itself, or because it was killed.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// The process id, while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.id()
    }
}

async fn forward_lines(stream: impl AsyncRead + Unpin, (name, binary): (String, String), bus: EventBus) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        bus.function_output(&name, &binary, line);
    }
}

#[expect(clippy::disallowed_methods, reason = "a process needs the search path of its parent, and nothing else of it")]
pub(crate) fn inherited_variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}
