//! What the template describes: functions, queues, the table, buckets, and how events reach the functions.

use std::collections::BTreeMap;
use std::time::Duration;

/// Everything that the stack runs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Model {
    pub functions: Vec<Function>,
    pub queues: Vec<Queue>,
    pub table: Option<Table>,
    /// Names of buckets of our own.
    pub buckets: Vec<String>,
    /// Their CORS rules, in the order that they are tried in.
    pub cors: BTreeMap<String, Vec<CorsRule>>,
    pub websocket_api: Option<WebSocketApi>,
}

/// The WebSocket API.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebSocketApi {
    pub stage: String,
    /// Route key → name of a function.
    pub routes: BTreeMap<String, String>,
    /// Paths of the shared host that lead here; a `*` at the end stands for anything.
    pub paths: Vec<String>,
}

/// Which pages at other origins may read a bucket, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CorsRule {
    /// A `*` stands for anything.
    pub origins: Vec<String>,
    pub methods: Vec<String>,
    /// Headers that a request may have; a `*` stands for anything.
    pub headers: Vec<String>,
    /// Headers of the answer that the page may read.
    pub exposed: Vec<String>,
    /// How long a preflight holds, in seconds.
    pub max_age: Option<u32>,
}

/// A function, with what calls it.
#[derive(Debug, Clone, PartialEq)]
pub struct Function {
    pub name: String,
    pub binary: String,
    pub timeout: Duration,
    pub memory_mb: u32,
    pub environment: BTreeMap<String, String>,
    /// Processes at most.
    pub concurrency: usize,
    pub routes: Vec<Route>,
    pub sqs_sources: Vec<SqsEventSource>,
    pub stream_source: Option<StreamEventSource>,
    pub schedule: Option<String>,
}

/// The path of the route that takes what no other one takes (API Gateway, HTTP APIs).
pub(crate) const DEFAULT_ROUTE: &str = "$default";

/// An HTTP route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Upper case, or `ANY`.
    pub method: String,
    pub path: String,
}

/// Messages of a queue that call a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqsEventSource {
    pub queue: String,
    pub batch_size: usize,
    pub batching_window: Duration,
    pub reports_item_failures: bool,
}

/// Records of the table's stream that call a function.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamEventSource {
    pub batch_size: usize,
    pub batching_window: Duration,
    pub reports_item_failures: bool,
    pub bisect_on_error: bool,
    pub max_retries: u32,
    pub max_record_age: Duration,
    /// Patterns of which one must fit.
    pub filters: Vec<serde_json::Value>,
    /// The queue that gets what could not be handled.
    pub on_failure: Option<String>,
}

/// A queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    pub name: String,
    pub visibility_timeout: Duration,
    pub retention: Duration,
    /// Dead-letter queue and `maxReceiveCount`.
    pub redrive: Option<(String, u32)>,
}

/// The table: what `CreateTable` needs, and its time-to-live attribute.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    pub name: String,
    pub definition: serde_json::Value,
    pub ttl_attribute: Option<String>,
}

/// Where the emulators are, for `!Ref` of a queue.
#[derive(Debug, Clone, Default)]
pub struct EmulatorUrls {
    pub sqs: String,
    pub http: String,
}
