//! What the template describes: functions, queues, the table, buckets, and how events reach the functions.

use std::collections::BTreeMap;
use std::time::Duration;

/// Everything that the stack runs, with the local names of the resources.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Model {
    pub functions: Vec<Function>,
    pub queues: Vec<Queue>,
    /// The table that the stack makes; `None` if a parameter names one that is there already.
    pub table: Option<Table>,
    /// The names of the buckets that the stack makes.
    pub buckets: Vec<String>,
    /// The CORS rules by bucket, in the order of their evaluation.
    pub cors: BTreeMap<String, Vec<CorsRule>>,
    pub websocket_api: Option<WebSocketApi>,
}

/// The WebSocket API.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebSocketApi {
    pub stage: String,
    /// The name of the function by route key.
    pub routes: BTreeMap<String, String>,
    /// Paths of the shared host that lead to this API; a `*` at the end stands for anything.
    pub paths: Vec<String>,
}

/// A CORS rule of a bucket: which pages at other origins may read it, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CorsRule {
    /// A `*` stands for anything.
    pub origins: Vec<String>,
    pub methods: Vec<String>,
    /// Headers that a request may have; a `*` stands for anything.
    pub headers: Vec<String>,
    /// Headers of the response that the page may read.
    pub exposed: Vec<String>,
    /// How long browsers may cache a preflight, in seconds.
    pub max_age: Option<u32>,
}

/// A function, with its event sources.
#[derive(Debug, Clone, PartialEq)]
pub struct Function {
    pub name: String,
    pub binary: String,
    pub timeout: Duration,
    pub memory_mb: u32,
    pub environment: BTreeMap<String, String>,
    /// The number of processes, at most.
    pub concurrency: usize,
    pub routes: Vec<Route>,
    pub sqs_sources: Vec<SqsEventSource>,
    pub stream_source: Option<StreamEventSource>,
    pub schedule: Option<String>,
}

/// The path of the route that takes all other requests (API Gateway, HTTP APIs).
pub(crate) const DEFAULT_ROUTE: &str = "$default";

/// An HTTP route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Upper case, or `ANY`.
    pub method: String,
    pub path: String,
}

/// The event source mapping of a queue. Sizes count messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqsEventSource {
    pub queue: String,
    pub batch_size: usize,
    pub batching_window: Duration,
    pub reports_item_failures: bool,
}

/// The event source mapping of the table's stream. Sizes count records.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamEventSource {
    /// The name of the table.
    pub table: String,
    pub batch_size: usize,
    pub batching_window: Duration,
    pub reports_item_failures: bool,
    pub bisect_on_error: bool,
    pub max_retries: u32,
    pub max_record_age: Duration,
    /// Filter patterns, of which one must match.
    pub filters: Vec<serde_json::Value>,
    /// The queue for batches that could not be handled.
    pub on_failure: Option<String>,
}

/// A queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    pub name: String,
    pub visibility_timeout: Duration,
    pub retention: Duration,
    /// The dead-letter queue and `maxReceiveCount`.
    pub redrive: Option<(String, u32)>,
}

/// The table: what `CreateTable` needs, and its time-to-live attribute.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    pub name: String,
    pub definition: serde_json::Value,
    pub ttl_attribute: Option<String>,
}

/// The URLs of the emulators, for `!Ref` of a queue and the endpoint of the HTTP API.
#[derive(Debug, Clone, Default)]
pub struct EmulatorUrls {
    pub sqs: String,
    pub http: String,
}
