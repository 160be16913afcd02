//! The WebSocket API: `$connect`, `$default`, `$disconnect`, and `@connections`, with API Gateway's limits.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::FromRequestParts;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Map, Value, json};
use tokio::sync::{Semaphore, mpsc, watch};

use crate::function::Function;
use crate::http_event::{percent_decoded, query_pairs};
use crate::process::InvocationOutcome;
use crate::template::WebSocketApi;
use crate::{now_ms, pause};

mod connections_api;

use crate::http_gateway::problem_response;

/// API Gateway's quotas: a message, a frame, a route's integration.
const MAX_MESSAGE_BYTES: usize = 128 << 10;
const MAX_FRAME_BYTES: usize = 32 << 10;
const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(29);
/// What waits for one slow socket, before it is closed.
const MAX_QUEUED_MESSAGES: usize = 64;
const MAX_QUEUED_BYTES: usize = 1 << 20;
/// Messages of one socket that are handled at once.
const MAX_CONCURRENT_MESSAGES: usize = 16;

/// How long a socket may be idle, and how old it may become: ten minutes and two hours at API Gateway.
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

/// All sockets.
pub struct WebSocketGateway {
    api: WebSocketApi,
    functions: BTreeMap<String, Arc<Function>>,
    host: String,
    connections: Mutex<HashMap<String, Connection>>,
    limits: Mutex<ConnectionLimits>,
    suppresses_disconnect: AtomicBool,
    posts_to_throttle: AtomicUsize,
}

/// A socket, as others see it.
struct Connection {
    outbound: mpsc::Sender<Outbound>,
    abort: watch::Sender<bool>,
    queued_bytes: Arc<AtomicUsize>,
    connected_at: i64,
    last_active: Arc<AtomicI64>,
    user_agent: String,
}

enum Outbound {
    Text(String),
    Close,
}

/// The task's own end of a socket.
struct ConnectionTask {
    id: String,
    connected_at: i64,
    last_active: Arc<AtomicI64>,
    queued_bytes: Arc<AtomicUsize>,
    user_agent: String,
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

    /// Shortens what sockets may do, so that a test need not wait for hours.
    pub fn set_limits(&self, limits: ConnectionLimits) {
        *lock(&self.limits) = limits;
    }

    /// From now on `$disconnect` is (not) told, as it may happen on AWS.
    pub fn suppress_disconnect(&self, suppressed: bool) {
        self.suppresses_disconnect.store(suppressed, Ordering::Relaxed);
    }

    /// The next posts, so many, are refused as over the limit.
    pub fn throttle_posts(&self, posts: usize) {
        self.posts_to_throttle.store(posts, Ordering::Relaxed);
    }

    /// Cuts the connections of all sockets, without a word; answers how many.
    pub fn abort_all(&self) -> usize {
        let connections = lock(&self.connections);
        for connection in connections.values() {
            connection.abort.send_replace(true);
        }
        connections.len()
    }

    /// The sockets of clients whose user agent has a text in it.
    pub fn connection_ids(&self, user_agent: &str) -> Vec<String> {
        lock(&self.connections)
            .iter()
            .filter(|it| it.1.user_agent.contains(user_agent))
            .map(|it| it.0.clone())
            .collect()
    }

    /// How many sockets are open.
    pub fn connection_count(&self) -> usize {
        lock(&self.connections).len()
    }

    /// Whether a request is for the sockets, and what is then in its query besides: the path, as CloudFront puts it there.
    pub(crate) fn match_upgrade(&self, parts: &Parts) -> Option<Option<String>> {
        let path = parts.uri.path();
        if path.trim_end_matches('/') == format!("/{}", self.api.stage) {
            return Some(None);
        }
        let fits = |pattern: &String| match pattern.strip_suffix('*') {
            Some(start) => path.starts_with(start) && path.len() > start.len(),
            None => path == pattern,
        };
        let upgrade =
            parts.headers.get(header::UPGRADE).is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(b"websocket"));
        (upgrade && self.api.paths.iter().any(fits)).then(|| Some(percent_decoded(path)))
    }

    /// Asks the function, and only if it agrees answers the upgrade.
    pub(crate) async fn connect(self: &Arc<Self>, mut parts: Parts, path: Option<String>) -> Response<Body> {
        let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
            Ok(it) => it,
            Err(refused) => return refused.into_response(),
        };
        let (id, connected_at) = (URL_SAFE.encode(random_id_bytes()), now_ms());
        let user_agent = header_text(&parts.headers, "user-agent");
        let mut event = self.event("$connect", "CONNECT", &id, connected_at, &user_agent);
        parts.headers.entry("x-forwarded-for").or_insert(HeaderValue::from_static("127.0.0.1")); // as the gateway adds it
        let (single, multiple) = event_headers(&parts.headers);
        (event["headers"], event["multiValueHeaders"]) = (json!(single), json!(multiple));
        let mut pairs = query_pairs(parts.uri.query().unwrap_or_default());
        pairs.extend(path.map(|it| ("path".to_owned(), it)));
        if !pairs.is_empty() {
            let mut multiple: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for (name, value) in &pairs {
                multiple.entry(name.clone()).or_default().push(value.clone());
            }
            let last: BTreeMap<String, String> = pairs.into_iter().collect();
            (event["queryStringParameters"], event["multiValueQueryStringParameters"]) = (json!(last), json!(multiple));
        }
        let reply = match self.invoke("$connect", &event).await {
            Some(Ok(it)) => it,
            Some(Err(())) => return self.reject(502, "Internal server error", &id),
            None => json!({ "statusCode": 200 }),
        };
        let status = reply["statusCode"].as_u64().and_then(|it| u16::try_from(it).ok()).unwrap_or(502);
        if !(200..300).contains(&status) {
            let why = if status == 401 { "Unauthorized" } else { "Forbidden" };
            return self.reject(status, why, &id);
        }
        let subprotocol = reply["headers"]["Sec-WebSocket-Protocol"].as_str().map(str::to_owned);
        let upgrade =
            upgrade.max_frame_size(MAX_FRAME_BYTES).max_message_size(MAX_MESSAGE_BYTES).protocols(subprotocol);
        let (outbound, receiver) = mpsc::channel(MAX_QUEUED_MESSAGES);
        let (abort, aborted) = watch::channel(false);
        let (queued_bytes, last_active) = (Arc::<AtomicUsize>::default(), Arc::new(AtomicI64::new(connected_at)));
        let connection = Connection {
            outbound,
            abort,
            queued_bytes: queued_bytes.clone(),
            connected_at,
            last_active: last_active.clone(),
            user_agent: user_agent.clone(),
        };
        let task = ConnectionTask {
            id: id.clone(),
            connected_at,
            last_active,
            queued_bytes,
            user_agent,
            outbound: receiver,
            abort: aborted,
        };
        let sockets = self.clone();
        upgrade.on_upgrade(async move |socket| {
            lock(&sockets.connections).insert(id, connection);
            sockets.run_connection(socket, task).await;
        })
    }

    fn reject(&self, status: u16, why: &str, id: &str) -> Response<Body> {
        let body = json!({ "message": why, "connectionId": id, "requestId": crate::sqs::random_id() });
        problem_response(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY), body)
    }

    async fn run_connection(self: Arc<Self>, socket: WebSocket, mut task: ConnectionTask) {
        let mut aborted = task.abort.clone();
        let code = tokio::select! {
            code = self.relay(socket, &mut task) => code,
            _ = aborted.wait_for(|it| *it) => 1006,
        };
        lock(&self.connections).remove(&task.id);
        if self.suppresses_disconnect.load(Ordering::Relaxed) {
            return;
        }
        let mut event = self.event("$disconnect", "DISCONNECT", &task.id, task.connected_at, &task.user_agent);
        event["requestContext"]["disconnectStatusCode"] = json!(code);
        event["requestContext"]["disconnectReason"] = json!(if code == 1001 { "Going away" } else { "" });
        event["headers"] = json!({ "Host": self.host, "x-api-key": "", "x-restapi": "" });
        drop(self.invoke("$disconnect", &event).await); // best effort
    }

    /// Carries messages both ways until one side ends; answers the close code.
    async fn relay(self: &Arc<Self>, socket: WebSocket, task: &mut ConnectionTask) -> u16 {
        let (mut sink, mut stream) = socket.split();
        let permits = Arc::new(Semaphore::new(MAX_CONCURRENT_MESSAGES));
        loop {
            let limits = *lock(&self.limits);
            let remaining = |from: i64, limit: Duration| {
                limit.saturating_sub(Duration::from_millis(u64::try_from(now_ms() - from).unwrap_or(0)))
            };
            let wait = remaining(task.last_active.load(Ordering::Relaxed), limits.idle)
                .min(remaining(task.connected_at, limits.age));
            // limits may be shortened while a socket waits
            let check_after = wait.min(Duration::from_millis(500));
            tokio::select! {
                out = task.outbound.recv() => match out {
                    Some(Outbound::Text(text)) => {
                        let length = text.len();
                        let sent = sink.send(Message::Text(text.into())).await;
                        task.queued_bytes.fetch_sub(length, Ordering::Relaxed);
                        if sent.is_err() {
                            return 1006;
                        }
                        task.last_active.store(now_ms(), Ordering::Relaxed);
                    }
                    Some(Outbound::Close) | None => {
                        drop(sink.send(close(1000, "")).await);
                        return 1000;
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
                        drop(sink.flush().await); // the answer to it
                        return frame.map_or(1005, |it| it.code);
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) if error.to_string().contains("too long") || error.to_string().contains("too big") => {
                        drop(sink.send(close(1009, "")).await);
                        return 1009;
                    }
                    Some(Err(_)) | None => return 1006,
                },
                () = pause(check_after) => {
                    if wait <= check_after {
                        drop(sink.send(close(1001, "Going away")).await);
                        return 1001;
                    }
                }
            }
        }
    }

    /// Gives a message to the function; those of one socket run side by side, as on AWS.
    async fn dispatch_message(
        self: &Arc<Self>,
        task: &ConnectionTask,
        body: Value,
        binary: bool,
        permits: &Arc<Semaphore>,
    ) {
        let Ok(permit) = permits.clone().acquire_owned().await else { return };
        let mut event = self.event("$default", "MESSAGE", &task.id, task.connected_at, &task.user_agent);
        event["requestContext"]["messageId"] = json!(URL_SAFE.encode(random_id_bytes()));
        (event["body"], event["isBase64Encoded"]) = (body, json!(binary));
        let (sockets, id) = (self.clone(), task.id.clone());
        tokio::spawn(async move {
            let reply = sockets.invoke("$default", &event).await;
            let failed = match &reply {
                Some(Ok(it)) => it["statusCode"].as_u64().is_some_and(|it| it >= 500),
                Some(Err(())) => true,
                None => false,
            };
            if failed {
                let error = json!({ "message": "Internal server error", "connectionId": id, "requestId": event["requestContext"]["requestId"] });
                sockets.post_to_connection(&id, error.to_string());
            }
            drop(permit);
        });
    }

    /// Queues a message for a socket; `false` if it is gone, or was too slow and is gone now.
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

    async fn invoke(&self, route: &str, event: &Value) -> Option<Result<Value, ()>> {
        let function = self.functions.get(route)?;
        let invoked = async {
            let permit = function.acquire_permit().await.ok_or(())?;
            match function.invoke(permit, Bytes::from(event.to_string())).await {
                InvocationOutcome::Succeeded(body) => serde_json::from_slice(&body).map_err(|_| ()),
                _ => Err(()),
            }
        };
        Some(tokio::time::timeout(INTEGRATION_TIMEOUT, invoked).await.unwrap_or(Err(())))
    }

    fn event(&self, route: &str, kind: &str, id: &str, connected_at: i64, user_agent: &str) -> Value {
        let (now, request) = (now_ms(), URL_SAFE.encode(random_id_bytes()));
        let time =
            chrono::DateTime::from_timestamp_millis(now).map(|it| it.format("%d/%b/%Y:%H:%M:%S +0000").to_string());
        json!({
            "requestContext": {
                "routeKey": route, "eventType": kind, "extendedRequestId": request, "requestTime": time,
                "messageDirection": "IN", "stage": self.api.stage, "connectedAt": connected_at, "requestTimeEpoch": now,
                "identity": { "userAgent": user_agent, "sourceIp": "127.0.0.1" }, "requestId": request,
                "domainName": self.host, "connectionId": id, "apiId": "local",
            },
            "isBase64Encoded": false,
        })
    }
}

fn close(code: u16, reason: &'static str) -> Message {
    Message::Close(Some(CloseFrame { code, reason: reason.into() }))
}

#[expect(clippy::disallowed_methods, reason = "the gateway's ids are random")]
fn random_id_bytes() -> [u8; 11] {
    let mut bytes = [0; 11];
    bytes.copy_from_slice(&uuid::Uuid::new_v4().as_bytes()[..11]);
    bytes
}

fn header_text(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default().to_owned()
}

/// Headers in the spelling that clients use, the last of each and all of each.
fn event_headers(headers: &HeaderMap) -> (Map<String, Value>, BTreeMap<String, Vec<String>>) {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        let title_case: Vec<String> = name
            .as_str()
            .split('-')
            .map(|word| {
                let mut letters = word.chars();
                letters.next().map(|it| it.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
            })
            .collect();
        all.entry(title_case.join("-")).or_default().push(String::from_utf8_lossy(value.as_bytes()).into_owned());
    }
    let last = all.iter().filter_map(|(name, values)| Some((name.clone(), json!(values.last()?)))).collect();
    (last, all)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
