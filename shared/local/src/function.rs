//! A function: its processes, one invocation each at a time, up to its concurrency.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::clock::pause;
use crate::event::{Event, EventBus};
use crate::lock::lock;
use crate::process::{InvocationOutcome, Process};
use crate::program::Program;
use crate::random::random_id;
use crate::template;

/// An idle process is stopped after this time.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a synchronous caller waits for a free process before it is throttled.
const THROTTLE_AFTER: Duration = Duration::from_secs(3);

/// A function that can be invoked.
pub struct Function {
    pub definition: template::Function,
    program: Program,
    endpoints: Vec<(String, String)>,
    bus: EventBus,
    idle: Mutex<Vec<Process>>,
    /// The ids of the processes that run an invocation now.
    busy: Mutex<Vec<u32>>,
    permits: Arc<Semaphore>,
    /// Failed starts in a row. Each delays the next start.
    failed_starts: Mutex<u32>,
}

impl Function {
    pub(crate) fn new(
        definition: template::Function,
        program: Program,
        endpoints: Vec<(String, String)>,
        bus: EventBus,
    ) -> Arc<Self> {
        let permits = Arc::new(Semaphore::new(definition.concurrency));
        let (idle, busy, failed_starts) = Default::default();
        Arc::new(Self { definition, program, endpoints, bus, idle, busy, permits, failed_starts })
    }

    /// Waits for a permit: a free process, or one that may be started. `None` if the function has ended.
    pub(crate) async fn acquire_permit(&self) -> Option<OwnedSemaphorePermit> {
        self.permits.clone().acquire_owned().await.ok()
    }

    /// Invokes the function for a synchronous caller. Lambda would start another execution environment; here the caller
    /// waits for one of few processes, and is throttled if none becomes free in time.
    pub(crate) async fn invoke_or_throttle(&self, payload: Bytes) -> InvocationOutcome {
        match tokio::time::timeout(THROTTLE_AFTER, self.acquire_permit()).await {
            Ok(Some(permit)) => self.invoke(permit, payload).await,
            _ => InvocationOutcome::Throttled,
        }
    }

    /// Invokes the function with a permit, which is released at the end.
    pub(crate) async fn invoke(&self, permit: OwnedSemaphorePermit, payload: Bytes) -> InvocationOutcome {
        let outcome = match self.take_or_start_process().await {
            Ok(process) => self.run(process, payload).await,
            Err(why) => {
                self.bus.note(&why);
                InvocationOutcome::Crashed(why)
            }
        };
        drop(permit);
        outcome
    }

    async fn run(&self, mut process: Process, payload: Bytes) -> InvocationOutcome {
        let id = random_id();
        let busy_guard = BusyGuard::new(self, process.pid());
        let started_at = Instant::now();
        let outcome = process.invoke(id.clone(), payload, self.definition.timeout).await;
        drop(busy_guard);
        let problem = match &outcome {
            InvocationOutcome::Succeeded(_) => None,
            InvocationOutcome::Failed(why) => Some(why.clone()),
            InvocationOutcome::TimedOut => {
                Some(format!("{id} Task timed out after {:.2} seconds", self.definition.timeout.as_secs_f64()))
            }
            InvocationOutcome::Crashed(why) => Some(format!("Runtime.ExitError: {why}")),
            InvocationOutcome::Throttled => Some("throttled".to_owned()),
        };
        let memory_mb = process.memory_mb();
        self.bus.send(Event::Invoked {
            function: self.definition.binary.clone(),
            took: started_at.elapsed(),
            memory_mb,
            problem,
        });
        if matches!(outcome, InvocationOutcome::Succeeded(_) | InvocationOutcome::Failed(_)) {
            lock(&self.idle).push(process);
        }
        outcome
    }

    async fn take_or_start_process(&self) -> Result<Process, String> {
        let newest = std::fs::metadata(&self.program.path).and_then(|it| it.modified()).ok();
        loop {
            let Some(process) = lock(&self.idle).pop() else { break };
            if process.program_modified == newest {
                return Ok(process);
            }
            self.bus.note(format!("{} was built anew and starts again", self.definition.binary));
        }
        let failures = *lock(&self.failed_starts);
        if failures > 0 {
            pause(Duration::from_secs(1 << failures.min(6)).min(Duration::from_secs(30)) / 2).await;
        }
        let started = Process::start(&self.definition, &self.program, &self.endpoints, &self.bus).await;
        *lock(&self.failed_starts) = if started.is_ok() { 0 } else { failures + 1 };
        started.map_err(|it| it.to_string())
    }

    pub(crate) async fn measure_init(&self) -> Result<Duration, crate::error::StackError> {
        let started_at = Instant::now();
        Process::start(&self.definition, &self.program, &self.endpoints, &self.bus).await.map(|_| started_at.elapsed())
    }

    /// Stops processes that have been idle for a minute.
    pub(crate) fn stop_idle(&self) {
        lock(&self.idle).retain(|it| it.idle_since.elapsed() < IDLE_TIMEOUT);
    }

    /// Kills every process, busy ones as well: none outlives its stack.
    pub(crate) fn kill_all(&self) {
        lock(&self.idle).clear();
        for pid in lock(&self.busy).drain(..) {
            drop(std::process::Command::new("kill").args(["-9", &pid.to_string()]).status());
        }
    }

    /// Kills a busy process, as a lost machine would. `false` if none is busy.
    pub fn kill_one_busy(&self) -> bool {
        let pid = lock(&self.busy).first().copied();
        let kill = |pid: u32| std::process::Command::new("kill").args(["-9", &pid.to_string()]).status();
        pid.is_some_and(|it| kill(it).is_ok_and(|it| it.success()))
    }
}

/// Marks a process as busy until it is dropped, also when its caller stops waiting.
struct BusyGuard<'a> {
    function: &'a Function,
    pid: Option<u32>,
}

impl<'a> BusyGuard<'a> {
    fn new(function: &'a Function, pid: Option<u32>) -> Self {
        lock(&function.busy).extend(pid);
        Self { function, pid }
    }
}

impl Drop for BusyGuard<'_> {
    fn drop(&mut self) {
        lock(&self.function.busy).retain(|it| Some(*it) != self.pid);
    }
}
