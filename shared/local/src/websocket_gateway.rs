//! The WebSocket API: `$connect`, `$default`, `$disconnect` and `@connections`, with API Gateway's limits.

mod connections_api;
mod event;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::FromRequestParts;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc, watch};

use crate::clock::{now_ms, pause};
use crate::function::Function;
use crate::gateway_error::problem_response;
use crate::http_event::{percent_decoded, source_address};
use crate::lock::lock;
use crate::process::InvocationOutcome;
use crate::random::random_id;
use crate::template::WebSocketApi;
use event::{ConnectionInfo, add_request, random_token};

/// A message may have 128 KB, a frame 32 KB, and an integration 29 seconds (Amazon API Gateway, quotas for WebSocket
/// APIs).
const MAX_MESSAGE_BYTES: usize = 128 << 10;
const MAX_FRAME_BYTES: usize = 32 << 10;
const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(29);
/// Messages and bytes that may wait for one slow client, before its connection is closed.
const MAX_QUEUED_MESSAGES: usize = 64;
const MAX_QUEUED_BYTES: usize = 1 << 20;
/// Messages of one connection that are handled at the same time.
const MAX_CONCURRENT_MESSAGES: usize = 16;

/// Close codes (RFC 6455, section 7.4.1).
mod close_code {
    pub(super) const NORMAL: u16 = 1000;
    pub(super) const GOING_AWAY: u16 = 1001;
    pub(super) const NO_STATUS: u16 = 1005;
    pub(super) const ABNORMAL: u16 = 1006;
    pub(super) const TOO_BIG: u16 = 1009;
}

/// How long a connection may be idle, and how long it may last. By default 10 minutes and 2 hours (Amazon API Gateway,
/// quotas for WebSocket APIs).
#[derive(Debug, Clone, Copy)]
pub struct ConnectionLimits {
    pub idle: Duration,
    pub age: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self { idle: Duration::from_secs(600), age: Duration::from_secs(7_200) }
    }
}

/// The WebSocket API and its open connections.
pub struct WebSocketGateway {
    api: WebSocketApi,
    functions: BTreeMap<String, Arc<Function>>,
    host: String,
    connections: Mutex<HashMap<String, Connection>>,
    limits: watch::Sender<ConnectionLimits>,
    suppresses_disconnect: AtomicBool,
    posts_to_throttle: AtomicUsize,
}

/// An open connection, as senders see it.
struct Connection {
    outbound: mpsc::Sender<Outbound>,
    abort: watch::Sender<bool>,
    queued_bytes: Arc<AtomicUsize>,
    info: ConnectionInfo,
    /// Milliseconds since 1970.
    last_active: Arc<AtomicI64>,
}

/// What is sent to a client.
enum Outbound {
    Text(String),
    Close,
}

/// An open connection, as the task that serves it sees it.
struct ConnectionTask {
    info: ConnectionInfo,
    last_active: Arc<AtomicI64>,
    queued_bytes: Arc<AtomicUsize>,
    outbound: mpsc::Receiver<Outbound>,
    abort: watch::Receiver<bool>,
}

impl WebSocketGateway {
    pub(crate) fn new(api: WebSocketApi, functions: &[Arc<Function>], host: String) -> Arc<Self> {
        let function_named = |name: &String| functions.iter().find(|it| it.definition.name == *name).cloned();
        let functions =
            api.routes.iter().filter_map(|(key, name)| Some((key.clone(), function_named(name)?))).collect();
        let (connections, limits, suppresses_disconnect, posts_to_throttle) = Default::default();
        Arc::new(Self { api, functions, host, connections, limits, suppresses_disconnect, posts_to_throttle })
    }

    /// Replaces the limits, also for open connections: a test need not wait for hours.
    pub fn set_limits(&self, limits: ConnectionLimits) {
        self.limits.send_replace(limits);
    }

    /// Whether `$disconnect` is left out from now on: API Gateway promises it as best effort only.
    pub fn suppress_disconnect(&self, suppressed: bool) {
        self.suppresses_disconnect.store(suppressed, Ordering::Relaxed);
    }

    /// Answers the next `posts` requests to `@connections` with 429 (`LimitExceededException`).
    pub fn throttle_posts(&self, posts: usize) {
        self.posts_to_throttle.store(posts, Ordering::Relaxed);
    }

    /// Drops all connections without a close frame. Returns their number.
    pub fn abort_all(&self) -> usize {
        let connections = lock(&self.connections);
        for connection in connections.values() {
            connection.abort.send_replace(true);
        }
        connections.len()
    }

    /// The ids of the connections whose client's user agent contains a text.
    pub fn connection_ids(&self, user_agent: &str) -> Vec<String> {
        lock(&self.connections)
            .iter()
            .filter(|it| it.1.info.user_agent.contains(user_agent))
            .map(|it| it.0.clone())
            .collect()
    }

    /// The number of open connections.
    pub fn connection_count(&self) -> usize {
        lock(&self.connections).len()
    }

    /// Whether a request opens a connection. `Some(Some(path))` if it came by a path of the shared host: the CloudFront
    /// function of the template adds the path to the query.
    pub(crate) fn match_upgrade(&self, parts: &Parts) -> Option<Option<String>> {
        let path = parts.uri.path();
        if path.trim_end_matches('/') == format!("/{}", self.api.stage) {
            return Some(None);
        }
        let matches = |pattern: &String| match pattern.strip_suffix('*') {
            Some(start) => path.starts_with(start) && path.len() > start.len(),
            None => path == pattern,
        };
        let upgrade =
            parts.headers.get(header::UPGRADE).is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(b"websocket"));
        (upgrade && self.api.paths.iter().any(matches)).then(|| Some(percent_decoded(path)))
    }

    /// Invokes the function of `$connect`, and accepts the upgrade if it answers with a 2xx status.
    pub(crate) async fn connect(self: &Arc<Self>, mut parts: Parts, path: Option<String>) -> Response<Body> {
        let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
            Ok(upgrade) => upgrade,
            Err(rejection) => return rejection.into_response(),
        };
        let info = ConnectionInfo::new(&parts.headers);
        let mut event = self.event("$connect", "CONNECT", &info);
        event["requestContext"]["identity"]["sourceIp"] = json!(source_address(&parts.headers));
        parts.headers.entry("x-forwarded-for").or_insert(HeaderValue::from_static("127.0.0.1")); // as the gateway adds it
        add_request(&mut event, &parts, path);
        let reply = match self.invoke("$connect", &event).await {
            Some(Ok(it)) => it,
            Some(Err(())) => return reject(502, "Internal server error", &info.id),
            None => json!({ "statusCode": 200 }),
        };
        let status = reply["statusCode"].as_u64().and_then(|it| u16::try_from(it).ok()).unwrap_or(502);
        if !(200..300).contains(&status) {
            let message = if status == 401 { "Unauthorized" } else { "Forbidden" };
            return reject(status, message, &info.id);
        }
        let subprotocol = reply["headers"]["Sec-WebSocket-Protocol"].as_str().map(str::to_owned);
        let upgrade =
            upgrade.max_frame_size(MAX_FRAME_BYTES).max_message_size(MAX_MESSAGE_BYTES).protocols(subprotocol);
        let (outbound, receiver) = mpsc::channel(MAX_QUEUED_MESSAGES);
        let (abort, aborted) = watch::channel(false);
        let (queued_bytes, last_active) = (Arc::<AtomicUsize>::default(), Arc::new(AtomicI64::new(info.connected_at)));
        let connection = Connection {
            outbound,
            abort,
            queued_bytes: queued_bytes.clone(),
            info: info.clone(),
            last_active: last_active.clone(),
        };
        let task = ConnectionTask { info, last_active, queued_bytes, outbound: receiver, abort: aborted };
        let gateway = self.clone();
        upgrade.on_upgrade(async move |socket| {
            lock(&gateway.connections).insert(task.info.id.clone(), connection);
            gateway.run_connection(socket, task).await;
        })
    }

    fn event(&self, route: &str, event_type: &str, connection: &ConnectionInfo) -> Value {
        connection.event(&self.api.stage, &self.host, route, event_type)
    }

    async fn run_connection(self: Arc<Self>, socket: WebSocket, mut task: ConnectionTask) {
        let mut aborted = task.abort.clone();
        let code = tokio::select! {
            code = self.relay(socket, &mut task) => code,
            _ = aborted.wait_for(|it| *it) => close_code::ABNORMAL,
        };
        lock(&self.connections).remove(&task.info.id);
        if self.suppresses_disconnect.load(Ordering::Relaxed) {
            return;
        }
        let mut event = self.event("$disconnect", "DISCONNECT", &task.info);
        event["requestContext"]["disconnectStatusCode"] = json!(code);
        event["requestContext"]["disconnectReason"] =
            json!(if code == close_code::GOING_AWAY { "Going away" } else { "" });
        event["headers"] = json!({ "Host": self.host, "x-api-key": "", "x-restapi": "" });
        drop(self.invoke("$disconnect", &event).await); // best effort
    }

    /// Carries messages both ways until one side ends. Returns the close code.
    async fn relay(self: &Arc<Self>, socket: WebSocket, task: &mut ConnectionTask) -> u16 {
        let (mut sink, mut stream) = socket.split();
        let permits = Arc::new(Semaphore::new(MAX_CONCURRENT_MESSAGES));
        let mut limit_changes = self.limits.subscribe();
        loop {
            let limits = *limit_changes.borrow_and_update();
            let remaining = |from: i64, limit: Duration| {
                limit.saturating_sub(Duration::from_millis(u64::try_from(now_ms() - from).unwrap_or(0)))
            };
            let wait = remaining(task.last_active.load(Ordering::Relaxed), limits.idle)
                .min(remaining(task.info.connected_at, limits.age));
            tokio::select! {
                out = task.outbound.recv() => match out {
                    Some(Outbound::Text(text)) => {
                        let length = text.len();
                        let sent = sink.send(Message::Text(text.into())).await;
                        task.queued_bytes.fetch_sub(length, Ordering::Relaxed);
                        if sent.is_err() {
                            return close_code::ABNORMAL;
                        }
                        task.last_active.store(now_ms(), Ordering::Relaxed);
                    }
                    Some(Outbound::Close) | None => {
                        drop(sink.send(close(close_code::NORMAL, "")).await);
                        return close_code::NORMAL;
                    }
                },
                message = stream.next() => match message {
                    Some(Ok(Message::Text(text))) => {
                        task.last_active.store(now_ms(), Ordering::Relaxed);
                        self.dispatch_message(task, json!(text.as_str()), false, &permits).await;
                    }
                    Some(Ok(Message::Binary(bytes))) => {
                        task.last_active.store(now_ms(), Ordering::Relaxed);
                        self.dispatch_message(task, json!(STANDARD.encode(bytes)), true, &permits).await;
                    }
                    Some(Ok(Message::Close(frame))) => {
                        drop(sink.flush().await); // the close frame that answers it
                        return frame.map_or(close_code::NO_STATUS, |it| it.code);
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) if error.to_string().contains("too long") || error.to_string().contains("too big") => {
                        drop(sink.send(close(close_code::TOO_BIG, "")).await);
                        return close_code::TOO_BIG;
                    }
                    Some(Err(_)) | None => return close_code::ABNORMAL,
                },
                _ = limit_changes.changed() => {}
                () = pause(wait) => {
                    drop(sink.send(close(close_code::GOING_AWAY, "Going away")).await);
                    return close_code::GOING_AWAY;
                }
            }
        }
    }

    /// Invokes the function of `$default` for a message. Messages of one connection run side by side, as on AWS.
    async fn dispatch_message(
        self: &Arc<Self>,
        task: &ConnectionTask,
        body: Value,
        binary: bool,
        permits: &Arc<Semaphore>,
    ) {
        let Ok(permit) = permits.clone().acquire_owned().await else { return };
        let mut event = self.event("$default", "MESSAGE", &task.info);
        event["requestContext"]["messageId"] = json!(random_token());
        (event["body"], event["isBase64Encoded"]) = (body, json!(binary));
        let (gateway, id) = (self.clone(), task.info.id.clone());
        tokio::spawn(async move {
            let reply = gateway.invoke("$default", &event).await;
            let failed = match &reply {
                Some(Ok(it)) => it["statusCode"].as_u64().is_some_and(|it| it >= 500),
                Some(Err(())) => true,
                None => false,
            };
            if failed {
                let error = json!({ "message": "Internal server error", "connectionId": id, "requestId": event["requestContext"]["requestId"] });
                gateway.post_to_connection(&id, error.to_string());
            }
            drop(permit);
        });
    }

    /// Queues a message for a client (`PostToConnection`). `false` if the connection is gone. A client that is too slow
    /// loses its connection.
    pub fn post_to_connection(&self, id: &str, text: String) -> bool {
        let connections = lock(&self.connections);
        let Some(connection) = connections.get(id) else { return false };
        let length = text.len();
        if connection.queued_bytes.fetch_add(length, Ordering::Relaxed) + length > MAX_QUEUED_BYTES
            || connection.outbound.try_send(Outbound::Text(text)).is_err()
        {
            connection.abort.send_replace(true);
            return false;
        }
        true
    }

    /// Invokes the function of a route; `None` if the route has none.
    async fn invoke(&self, route: &str, event: &Value) -> Option<Result<Value, ()>> {
        let function = self.functions.get(route)?;
        let invoked = async {
            match function.invoke_when_free(Bytes::from(event.to_string())).await {
                Some(InvocationOutcome::Succeeded(body)) => serde_json::from_slice(&body).map_err(|_| ()),
                _ => Err(()),
            }
        };
        Some(tokio::time::timeout(INTEGRATION_TIMEOUT, invoked).await.unwrap_or(Err(())))
    }
}

fn close(code: u16, reason: &'static str) -> Message {
    Message::Close(Some(CloseFrame { code, reason: reason.into() }))
}

/// The gateway's refusal of an upgrade.
fn reject(status: u16, message: &str, connection_id: &str) -> Response<Body> {
    let body = json!({ "message": message, "connectionId": connection_id, "requestId": random_id() });
    problem_response(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY), body)
}
