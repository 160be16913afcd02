//! What happens in the stack, for whoever watches: the terminal, or a test.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::broadcast;

use crate::lock::lock;
use crate::meter::Meter;

/// One thing that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// A process asks for work for the first time.
    ProcessStarted { function: String, init: Duration },
    /// A line of a function's log, as the function wrote it.
    Log { function: String, line: Value },
    /// A line that is no JSON, such as a panic.
    RawLog { function: String, line: String },
    /// An invocation ended; `problem` unless it went well.
    Invoked { function: String, took: Duration, memory_mb: Option<u64>, problem: Option<String> },
    /// The stack itself has something to say.
    Note(String),
}

/// Events to all who listen, and the meter that counts them.
#[derive(Clone)]
pub struct EventBus {
    events: broadcast::Sender<Event>,
    meter: Arc<Mutex<Meter>>,
}

impl Default for EventBus {
    fn default() -> Self {
        Self { events: broadcast::channel(16_384).0, meter: Arc::default() }
    }
}

impl EventBus {
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// What was counted until now.
    pub fn meter(&self) -> Meter {
        lock(&self.meter).clone()
    }

    pub(crate) fn send(&self, event: Event) {
        if let Event::Invoked { function, took, .. } = &event {
            lock(&self.meter).add_invocation(function, *took);
        }
        drop(self.events.send(event)); // nobody has to listen
    }

    /// Counts requests that the platform makes for a function: polls and acknowledgements of its queue.
    pub(crate) fn count_sqs_requests(&self, function: &str, requests: usize) {
        lock(&self.meter).add(function, "sqs_requests", requests as f64);
    }

    pub(crate) fn note(&self, text: impl Into<String>) {
        self.send(Event::Note(text.into()));
    }

    /// A line that a function wrote: a metric for the meter, or a log line.
    pub(crate) fn function_output(&self, function: &str, line: String) {
        let function = function.to_owned();
        match serde_json::from_str::<Value>(&line) {
            Ok(metrics) if metrics.get("_aws").is_some() => {
                lock(&self.meter).add_metrics(&function, &metrics);
            }
            Ok(line @ Value::Object(_)) => self.send(Event::Log { function, line }),
            _ => self.send(Event::RawLog { function, line }),
        }
    }
}
