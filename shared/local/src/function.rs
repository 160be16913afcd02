//! A function: its processes, one invocation each at a time, up to its concurrency.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::event::{Bus, Event};
use crate::process::{Outcome, Process};
use crate::program::Program;
use crate::{pause, template};

/// An idle process ends after this time.
const IDLE: Duration = Duration::from_secs(60);

/// How long a caller waits for a free process.
const MOMENT: Duration = Duration::from_secs(3);

/// A function that can be invoked.
pub struct Function {
    pub it: template::Function,
    program: Program,
    endpoints: Vec<(String, String)>,
    bus: Bus,
    idle: Mutex<Vec<Process>>,
    /// The processes that work now, by number, so that a test can kill them.
    busy: Mutex<Vec<u32>>,
    slots: Arc<Semaphore>,
    /// Starts that failed in a row, which slow the next one down.
    failed_starts: Mutex<u32>,
}

impl Function {
    pub(crate) fn new(
        it: template::Function,
        program: Program,
        endpoints: Vec<(String, String)>,
        bus: Bus,
    ) -> Arc<Self> {
        let slots = Arc::new(Semaphore::new(it.concurrency));
        let (idle, busy, failed_starts) = Default::default();
        Arc::new(Self { it, program, endpoints, bus, idle, busy, slots, failed_starts })
    }

    /// Waits for a free process, or the right to start one.
    pub(crate) async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        self.slots.clone().acquire_owned().await.ok()
    }

    /// Invokes for a caller who cannot wait long. Lambda starts another environment where this machine has a few processes,
    /// so a moment's wait stands for that; whoever finds none free then is throttled.
    pub(crate) async fn invoke_now(&self, payload: Bytes) -> Outcome {
        match tokio::time::timeout(MOMENT, self.slot()).await {
            Ok(Some(slot)) => self.invoke(slot, payload).await,
            _ => Outcome::Throttled,
        }
    }

    /// Invokes in a slot, which is given back at the end.
    pub(crate) async fn invoke(&self, slot: OwnedSemaphorePermit, payload: Bytes) -> Outcome {
        let outcome = match self.process().await {
            Ok(process) => self.run(process, payload).await,
            Err(why) => {
                self.bus.note(&why);
                Outcome::Crashed(why)
            }
        };
        drop(slot);
        outcome
    }

    async fn run(&self, mut process: Process, payload: Bytes) -> Outcome {
        let id = crate::sqs::random_id();
        let busy = Busy::new(self, process.pid());
        let began = Instant::now();
        let outcome = process.invoke(id.clone(), payload, self.it.timeout).await;
        drop(busy);
        let problem = match &outcome {
            Outcome::Answered(_) => None,
            Outcome::Failed(why) => Some(why.clone()),
            Outcome::TimedOut => {
                Some(format!("{id} Task timed out after {:.2} seconds", self.it.timeout.as_secs_f64()))
            }
            Outcome::Crashed(why) => Some(format!("Runtime.ExitError: {why}")),
            Outcome::Throttled => Some("throttled".to_owned()),
        };
        let memory_mb = process.memory_mb();
        self.bus.send(Event::Invoked { function: self.it.binary.clone(), took: began.elapsed(), memory_mb, problem });
        if matches!(outcome, Outcome::Answered(_) | Outcome::Failed(_)) {
            lock(&self.idle).push(process);
        }
        outcome
    }

    async fn process(&self) -> Result<Process, String> {
        let newest = std::fs::metadata(&self.program.path).and_then(|it| it.modified()).ok();
        loop {
            let Some(process) = lock(&self.idle).pop() else { break };
            if process.built == newest {
                return Ok(process);
            }
            self.bus.note(format!("{} was built anew and starts again", self.it.binary));
        }
        let failures = *lock(&self.failed_starts);
        if failures > 0 {
            pause(Duration::from_secs(1 << failures.min(6)).min(Duration::from_secs(30)) / 2).await;
        }
        let started = Process::start(&self.it, &self.program, &self.endpoints, &self.bus).await;
        *lock(&self.failed_starts) = if started.is_ok() { 0 } else { failures + 1 };
        started.map_err(|it| it.to_string())
    }

    pub(crate) async fn start_once(&self) -> Result<Duration, crate::StackError> {
        let began = Instant::now();
        Process::start(&self.it, &self.program, &self.endpoints, &self.bus).await.map(|_| began.elapsed())
    }

    /// Ends processes that nobody has needed for a minute.
    pub(crate) fn end_idle(&self) {
        lock(&self.idle).retain(|it| it.idle_since.elapsed() < IDLE);
    }

    /// Kills every process, those that work too: nothing outlives its stack.
    pub(crate) fn end(&self) {
        lock(&self.idle).clear();
        for pid in lock(&self.busy).drain(..) {
            drop(std::process::Command::new("kill").args(["-9", &pid.to_string()]).status());
        }
    }

    /// Kills one process while it works, as a lost machine would; `false` if none works.
    pub fn kill(&self) -> bool {
        let pid = lock(&self.busy).first().copied();
        let kill = |pid: u32| std::process::Command::new("kill").args(["-9", &pid.to_string()]).status();
        pid.is_some_and(|it| kill(it).is_ok_and(|it| it.success()))
    }
}

/// A process that works; also if its caller stops waiting it is one no more.
struct Busy<'a> {
    function: &'a Function,
    pid: Option<u32>,
}

impl<'a> Busy<'a> {
    fn new(function: &'a Function, pid: Option<u32>) -> Self {
        lock(&function.busy).extend(pid);
        Self { function, pid }
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        lock(&self.function.busy).retain(|it| Some(*it) != self.pid);
    }
}

fn lock<T>(it: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}
