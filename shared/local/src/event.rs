//! Events of the stack, for the terminal and for tests.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::broadcast;

use crate::call_log::CallLog;
use crate::lock::lock;
use crate::meter::Meter;

/// An event.
#[derive(Debug, Clone)]
pub enum Event {
    /// A process has asked for its first invocation: its init phase has ended.
    ProcessStarted { function: String, init: Duration },
    /// A line of a function's log, as the function wrote it.
    Log { function: String, line: Value },
    /// A line of output that is no JSON object, such as a panic.
    RawLog { function: String, line: String },
    /// An invocation has ended. `problem` is `None` if it succeeded.
    Invoked { function: String, took: Duration, memory_mb: Option<u64>, problem: Option<String> },
    /// A message of the stack itself.
    Note(String),
}

/// Broadcasts events, and counts them.
#[derive(Clone)]
pub struct EventBus {
    events: broadcast::Sender<Event>,
    meter: Arc<Mutex<Meter>>,
    calls: Arc<Mutex<Option<CallLog>>>,
}

impl Default for EventBus {
    fn default() -> Self {
        Self::new(None)
    }
}

impl EventBus {
    /// A bus that also writes down which operations of AWS the functions call.
    pub(crate) fn new(calls: Option<CallLog>) -> Self {
        Self { events: broadcast::channel(16_384).0, meter: Arc::default(), calls: Arc::new(Mutex::new(calls)) }
    }

    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// The counts since the start.
    pub fn meter(&self) -> Meter {
        lock(&self.meter).clone()
    }

    pub(crate) fn send(&self, event: Event) {
        if let Event::Invoked { function, took, .. } = &event {
            lock(&self.meter).add_invocation(function, *took);
        }
        drop(self.events.send(event)); // there may be no subscriber
    }

    /// Counts requests to SQS that Lambda makes for a function: receives and deletes of its event source.
    pub(crate) fn count_sqs_requests(&self, function: &str, requests: usize) {
        lock(&self.meter).add(function, "sqs_requests", requests as f64);
    }

    pub(crate) fn note(&self, text: impl Into<String>) {
        self.send(Event::Note(text.into()));
    }

    /// Takes a line of output of a function, by its name and that of its binary: the counts of its meter, or a log line.
    pub(crate) fn function_output(&self, name: &str, binary: &str, line: String) {
        let function = binary.to_owned();
        match serde_json::from_str::<Value>(&line) {
            Ok(line) if line.get("meter").is_some() => {
                lock(&self.meter).add_metrics(&function, &line["meter"]);
                self.log_calls(name, &line["meter"]);
            }
            Ok(line @ Value::Object(_)) => self.send(Event::Log { function, line }),
            _ => self.send(Event::RawLog { function, line }),
        }
    }

    fn log_calls(&self, name: &str, counts: &Value) {
        let written = lock(&self.calls).as_mut().map_or(Ok(()), |it| it.add(name, counts));
        if let Err(error) = written {
            self.note(format!("the calls of {name} could not be written down: {error}"));
        }
    }
}
