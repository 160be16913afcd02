//! A function: its processes, one invocation each at a time. Their number follows the demand, up to the function's
//! concurrency.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::clock::pause;
use crate::event::{Event, EventBus};
use crate::lock::lock;
use crate::process::{InvocationOutcome, Process};
use crate::program::{BuildTime, Program};
use crate::random::random_id;
use crate::template;

/// An idle process is stopped after this time.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a synchronous caller waits for a free process before it is throttled.
const THROTTLE_AFTER: Duration = Duration::from_secs(3);

/// Once the processes of a function that answers HTTP requests are as many as the machine's cores, a caller waits at least
/// this long before another one is started: more of them do not do more, and compete for the same rows. Long polls and slow
/// services occupy processes without work.
const CROWDED_START_DELAY: Duration = Duration::from_millis(250);

/// A function that can be invoked.
pub struct Function {
    pub definition: template::Function,
    program: Program,
    build_time: BuildTime,
    endpoints: Vec<(String, String)>,
    bus: EventBus,
    idle: Mutex<Vec<Process>>,
    /// Wakes a caller that waits for a process when one becomes idle.
    became_idle: Notify,
    /// The ids of the processes that run an invocation now.
    busy: Mutex<Vec<u32>>,
    permits: Arc<Semaphore>,
    /// Held while a process starts: one at a time, so that the callers of a burst do not each start one.
    start_turn: tokio::sync::Mutex<()>,
    starts: Mutex<Starts>,
}

/// A process for one invocation.
pub(crate) struct ReservedProcess {
    process: Process,
    _permit: OwnedSemaphorePermit,
}

/// What is known of the last starts.
#[derive(Debug, Default)]
struct Starts {
    /// How long the last one took.
    last_took: Duration,
    /// Failed starts in a row. Each delays the next start.
    failed: u32,
}

impl Function {
    pub(crate) fn new(
        definition: template::Function,
        program: Program,
        endpoints: Vec<(String, String)>,
        bus: EventBus,
    ) -> Arc<Self> {
        let permits = Arc::new(Semaphore::new(definition.concurrency));
        let (build_time, idle, became_idle, busy, start_turn, starts) = Default::default();
        Arc::new(Self {
            definition,
            program,
            build_time,
            endpoints,
            bus,
            idle,
            became_idle,
            busy,
            permits,
            start_turn,
            starts,
        })
    }

    /// Waits for a permit: an idle process, or one that may be started. `None` if the function has ended.
    async fn acquire_permit(&self) -> Option<OwnedSemaphorePermit> {
        self.permits.clone().acquire_owned().await.ok()
    }

    /// Invokes the function for a synchronous caller. It is throttled if all processes that the function may have stay
    /// busy.
    pub(crate) async fn invoke_or_throttle(&self, payload: Bytes) -> InvocationOutcome {
        match tokio::time::timeout(THROTTLE_AFTER, self.acquire_permit()).await {
            Ok(Some(permit)) => self.invoke_with(permit, payload).await,
            _ => InvocationOutcome::Throttled,
        }
    }

    /// Invokes the function as soon as it may have a process. `None` if the function has ended.
    pub(crate) async fn invoke_when_free(&self, payload: Bytes) -> Option<InvocationOutcome> {
        Some(self.invoke_with(self.acquire_permit().await?, payload).await)
    }

    async fn invoke_with(&self, permit: OwnedSemaphorePermit, payload: Bytes) -> InvocationOutcome {
        match self.reserve_with(permit).await {
            Ok(reserved) => self.invoke(reserved, payload).await,
            Err(why) => InvocationOutcome::Crashed(why),
        }
    }

    /// Waits for a process of its own. `None` if the function has ended.
    ///
    /// # Errors
    /// Why no process starts.
    pub(crate) async fn reserve(&self) -> Option<Result<ReservedProcess, String>> {
        let permit = self.acquire_permit().await?;
        Some(self.reserve_with(permit).await)
    }

    async fn reserve_with(&self, permit: OwnedSemaphorePermit) -> Result<ReservedProcess, String> {
        match self.take_or_start_process().await {
            Ok(process) => Ok(ReservedProcess { process, _permit: permit }),
            Err(why) => {
                self.bus.note(&why);
                Err(why)
            }
        }
    }

    /// Gives back a process that is not needed.
    pub(crate) fn release(&self, reserved: ReservedProcess) {
        lock(&self.idle).push(reserved.process);
        self.became_idle.notify_one();
    }

    /// Invokes the function in a process.
    pub(crate) async fn invoke(&self, reserved: ReservedProcess, payload: Bytes) -> InvocationOutcome {
        let ReservedProcess { mut process, _permit } = reserved;
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
            self.became_idle.notify_one();
        }
        outcome
    }

    /// An idle process, or another one if none becomes idle within the time that a start takes (`start_delay`).
    async fn take_or_start_process(&self) -> Result<Process, String> {
        let mut turn = pin!(async {
            pause(self.start_delay()).await;
            self.start_turn.lock().await
        });
        let _turn = loop {
            let mut became_idle = pin!(self.became_idle.notified());
            became_idle.as_mut().enable(); // before the look, so that none is missed after it
            if let Some(process) = self.take_idle() {
                return Ok(process);
            }
            tokio::select! {
                () = became_idle => {}
                turn = &mut turn => break turn,
            }
        };
        if let Some(process) = self.take_idle() {
            return Ok(process);
        }
        let started_at = Instant::now();
        let started = Process::start(&self.definition, &self.program, &self.endpoints, &self.bus).await;
        let mut starts = lock(&self.starts);
        match started {
            Ok(process) => {
                *starts = Starts { last_took: started_at.elapsed(), failed: 0 };
                Ok(process)
            }
            Err(error) => {
                starts.failed += 1;
                Err(error.to_string())
            }
        }
    }

    /// An idle process that runs the program as it is now.
    fn take_idle(&self) -> Option<Process> {
        loop {
            let mut process = lock(&self.idle).pop()?;
            if process.has_ended() {
                continue;
            }
            if !self.build_time.is_outdated(&self.program, process.program_modified) {
                return Some(process);
            }
            self.bus.note(format!("{} was built anew and starts again", self.definition.binary));
        }
    }

    /// How long a caller waits for a process to become idle before another one is started. The first starts at once. A
    /// further one starts after the time that a start takes: where processes become idle sooner, it would come too late
    /// and only take memory. Failed starts lengthen the wait.
    fn start_delay(&self) -> Duration {
        let processes = lock(&self.idle).len() + lock(&self.busy).len();
        let starts = lock(&self.starts);
        if starts.failed > 0 {
            Duration::from_secs(1 << starts.failed.min(6)).min(Duration::from_secs(30)) / 2
        } else if processes == 0 {
            Duration::ZERO
        } else if processes >= cores() && !self.definition.routes.is_empty() {
            starts.last_took.max(CROWDED_START_DELAY)
        } else {
            starts.last_took
        }
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

fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get)
}

/// The event of an event source mapping: `{"Records": […]}`.
pub(crate) fn records_event(records: &[Value]) -> Bytes {
    serde_json::to_vec(&BTreeMap::from([("Records", records)])).unwrap_or_default().into() // text keys: it does not fail
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

#[cfg(test)]
mod tests {
    use super::*;

    fn function() -> Arc<Function> {
        let definition = template::Function {
            name: "F".into(),
            binary: "f".into(),
            timeout: Duration::from_secs(1),
            memory_mb: 128,
            environment: BTreeMap::new(),
            concurrency: 16,
            routes: Vec::new(),
            sqs_sources: Vec::new(),
            stream_source: None,
            schedule: None,
        };
        let program = Program { path: "/nonexistent".into(), arguments: Vec::new() };
        Function::new(definition, program, Vec::new(), EventBus::default())
    }

    #[test]
    fn a_further_process_starts_after_the_time_that_a_start_takes() {
        let function = function();
        assert_eq!(function.start_delay(), Duration::ZERO, "the first starts at once");
        lock(&function.starts).last_took = Duration::from_millis(140);
        assert_eq!(function.start_delay(), Duration::ZERO, "and so does the first after all have ended");
        let busy = BusyGuard::new(&function, Some(1));
        assert_eq!(function.start_delay(), Duration::from_millis(140));
        drop(busy);
        assert_eq!(function.start_delay(), Duration::ZERO);
    }

    #[tokio::test]
    async fn a_failed_start_is_told_and_delays_the_next_ones_more_and_more() {
        let function = function();
        let outcome = function.invoke_or_throttle(Bytes::new()).await;
        assert!(matches!(&outcome, InvocationOutcome::Crashed(why) if why.contains("/nonexistent")), "{outcome:?}");
        for (failed, seconds) in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 15), (100, 15)] {
            lock(&function.starts).failed = failed;
            assert_eq!(function.start_delay(), Duration::from_secs(seconds), "{failed}");
        }
    }

    #[test]
    fn records_are_written_as_the_event_of_a_mapping() {
        assert_eq!(records_event(&[serde_json::json!({ "a": 1 })]), r#"{"Records":[{"a":1}]}"#);
    }
}
