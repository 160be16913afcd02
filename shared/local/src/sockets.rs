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
use crate::http_event::{decoded, query_pairs};
use crate::process::Outcome;
use crate::template::SocketApi;
use crate::{now_ms, pause};

mod manage;

use crate::front_door::problem;

/// API Gateway's quotas: a message, a frame, a route's integration.
const MOST_MESSAGE: usize = 128 << 10;
const MOST_FRAME: usize = 32 << 10;
const LONGEST: Duration = Duration::from_secs(29);
/// What waits for one slow socket, before it is closed.
const MOST_WAITING: usize = 64;
const MOST_WAITING_BYTES: usize = 1 << 20;
/// Messages of one socket that are handled at once.
const AT_ONCE: usize = 16;

/// How long a socket may be idle, and how old it may become: ten minutes and two hours at API Gateway.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub idle: Duration,
    pub age: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { idle: Duration::from_secs(600), age: Duration::from_secs(7_200) }
    }
}

/// All sockets.
pub struct Sockets {
    api: SocketApi,
    functions: BTreeMap<String, Arc<Function>>,
    host: String,
    open: Mutex<HashMap<String, Open>>,
    limits: Mutex<Limits>,
    silent: AtomicBool,
    refusing: AtomicUsize,
}

/// A socket, as others see it.
struct Open {
    out: mpsc::Sender<Out>,
    cut: watch::Sender<bool>,
    waiting: Arc<AtomicUsize>,
    since: i64,
    active: Arc<AtomicI64>,
    agent: String,
}

enum Out {
    Text(String),
    Close,
}

/// The task's own end of a socket.
struct Line {
    id: String,
    since: i64,
    active: Arc<AtomicI64>,
    waiting: Arc<AtomicUsize>,
    agent: String,
    out: mpsc::Receiver<Out>,
    cut: watch::Receiver<bool>,
}

impl Sockets {
    pub(crate) fn new(api: SocketApi, functions: &[Arc<Function>], host: String) -> Arc<Self> {
        let of = |name: &String| functions.iter().find(|it| it.it.name == *name).cloned();
        let functions = api.routes.iter().filter_map(|(key, name)| Some((key.clone(), of(name)?))).collect();
        let (open, limits, silent, refusing) = Default::default();
        Arc::new(Self { api, functions, host, open, limits, silent, refusing })
    }

    /// Shortens what sockets may do, so that a test need not wait for hours.
    pub fn limit(&self, limits: Limits) {
        *lock(&self.limits) = limits;
    }

    /// From now on `$disconnect` is (not) told, as it may happen on AWS.
    pub fn keep_silent(&self, silent: bool) {
        self.silent.store(silent, Ordering::Relaxed);
    }

    /// The next posts, so many, are refused as over the limit.
    pub fn refuse_posts(&self, posts: usize) {
        self.refusing.store(posts, Ordering::Relaxed);
    }

    /// Cuts the connections of all sockets, without a word; answers how many.
    pub fn cut_all(&self) -> usize {
        let open = lock(&self.open);
        for it in open.values() {
            it.cut.send_replace(true);
        }
        open.len()
    }

    /// The sockets of clients whose user agent has a text in it.
    pub fn ids(&self, agent: &str) -> Vec<String> {
        lock(&self.open).iter().filter(|it| it.1.agent.contains(agent)).map(|it| it.0.clone()).collect()
    }

    /// How many sockets are open.
    pub fn count(&self) -> usize {
        lock(&self.open).len()
    }

    /// Whether a request is for the sockets, and what is then in its query besides: the path, as CloudFront puts it there.
    pub(crate) fn takes(&self, parts: &Parts) -> Option<Option<String>> {
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
        (upgrade && self.api.paths.iter().any(fits)).then(|| Some(decoded(path)))
    }

    /// Asks the function, and only if it agrees answers the upgrade.
    pub(crate) async fn connect(self: &Arc<Self>, mut parts: Parts, path: Option<String>) -> Response<Body> {
        let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
            Ok(it) => it,
            Err(refused) => return refused.into_response(),
        };
        let (id, since) = (URL_SAFE.encode(random()), now_ms());
        let agent = text(&parts.headers, "user-agent");
        let mut event = self.event("$connect", "CONNECT", &id, since, &agent);
        parts.headers.entry("x-forwarded-for").or_insert(HeaderValue::from_static("127.0.0.1")); // as the gateway adds it
        let (single, multiple) = headers(&parts.headers);
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
        let answer = match self.invoke("$connect", &event).await {
            Some(Ok(it)) => it,
            Some(Err(())) => return self.refuse(502, "Internal server error", &id),
            None => json!({ "statusCode": 200 }),
        };
        let status = answer["statusCode"].as_u64().and_then(|it| u16::try_from(it).ok()).unwrap_or(502);
        if !(200..300).contains(&status) {
            let why = if status == 401 { "Unauthorized" } else { "Forbidden" };
            return self.refuse(status, why, &id);
        }
        let chosen = answer["headers"]["Sec-WebSocket-Protocol"].as_str().map(str::to_owned);
        let upgrade = upgrade.max_frame_size(MOST_FRAME).max_message_size(MOST_MESSAGE).protocols(chosen);
        let (out, receiver) = mpsc::channel(MOST_WAITING);
        let (cut, cutting) = watch::channel(false);
        let (waiting, active) = (Arc::<AtomicUsize>::default(), Arc::new(AtomicI64::new(since)));
        let open = Open { out, cut, waiting: waiting.clone(), since, active: active.clone(), agent: agent.clone() };
        let line = Line { id: id.clone(), since, active, waiting, agent, out: receiver, cut: cutting };
        let sockets = self.clone();
        upgrade.on_upgrade(async move |socket| {
            lock(&sockets.open).insert(id, open);
            sockets.carry(socket, line).await;
        })
    }

    fn refuse(&self, status: u16, why: &str, id: &str) -> Response<Body> {
        let body = json!({ "message": why, "connectionId": id, "requestId": crate::sqs::random_id() });
        problem(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY), body)
    }

    async fn carry(self: Arc<Self>, socket: WebSocket, mut line: Line) {
        let mut cut = line.cut.clone();
        let code = tokio::select! {
            code = self.talk(socket, &mut line) => code,
            _ = cut.wait_for(|it| *it) => 1006,
        };
        lock(&self.open).remove(&line.id);
        if self.silent.load(Ordering::Relaxed) {
            return;
        }
        let mut event = self.event("$disconnect", "DISCONNECT", &line.id, line.since, &line.agent);
        event["requestContext"]["disconnectStatusCode"] = json!(code);
        event["requestContext"]["disconnectReason"] = json!(if code == 1001 { "Going away" } else { "" });
        event["headers"] = json!({ "Host": self.host, "x-api-key": "", "x-restapi": "" });
        drop(self.invoke("$disconnect", &event).await); // best effort
    }

    /// Carries messages both ways until one side ends; answers the close code.
    async fn talk(self: &Arc<Self>, socket: WebSocket, line: &mut Line) -> u16 {
        let (mut sink, mut stream) = socket.split();
        let slots = Arc::new(Semaphore::new(AT_ONCE));
        loop {
            let limits = *lock(&self.limits);
            let left = |from: i64, limit: Duration| {
                limit.saturating_sub(Duration::from_millis(u64::try_from(now_ms() - from).unwrap_or(0)))
            };
            let wait = left(line.active.load(Ordering::Relaxed), limits.idle).min(left(line.since, limits.age));
            // limits may be shortened while a socket waits
            let look = wait.min(Duration::from_millis(500));
            tokio::select! {
                out = line.out.recv() => match out {
                    Some(Out::Text(text)) => {
                        let length = text.len();
                        let sent = sink.send(Message::Text(text.into())).await;
                        line.waiting.fetch_sub(length, Ordering::Relaxed);
                        if sent.is_err() {
                            return 1006;
                        }
                        line.active.store(now_ms(), Ordering::Relaxed);
                    }
                    Some(Out::Close) | None => {
                        drop(sink.send(close(1000, "")).await);
                        return 1000;
                    }
                },
                message = stream.next() => match message {
                    Some(Ok(Message::Text(text))) => {
                        line.active.store(now_ms(), Ordering::Relaxed);
                        self.hand_over(line, json!(text.as_str()), false, &slots).await;
                    }
                    Some(Ok(Message::Binary(bytes))) => {
                        line.active.store(now_ms(), Ordering::Relaxed);
                        self.hand_over(line, json!(STANDARD.encode(bytes)), true, &slots).await;
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
                () = pause(look) => {
                    if wait <= look {
                        drop(sink.send(close(1001, "Going away")).await);
                        return 1001;
                    }
                }
            }
        }
    }

    /// Gives a message to the function; those of one socket run side by side, as on AWS.
    async fn hand_over(self: &Arc<Self>, line: &Line, body: Value, binary: bool, slots: &Arc<Semaphore>) {
        let Ok(slot) = slots.clone().acquire_owned().await else { return };
        let mut event = self.event("$default", "MESSAGE", &line.id, line.since, &line.agent);
        event["requestContext"]["messageId"] = json!(URL_SAFE.encode(random()));
        (event["body"], event["isBase64Encoded"]) = (body, json!(binary));
        let (sockets, id) = (self.clone(), line.id.clone());
        tokio::spawn(async move {
            let answered = sockets.invoke("$default", &event).await;
            let failed = match &answered {
                Some(Ok(it)) => it["statusCode"].as_u64().is_some_and(|it| it >= 500),
                Some(Err(())) => true,
                None => false,
            };
            if failed {
                let error = json!({ "message": "Internal server error", "connectionId": id, "requestId": event["requestContext"]["requestId"] });
                sockets.post(&id, error.to_string());
            }
            drop(slot);
        });
    }

    /// Queues a message for a socket; `false` if it is gone, or was too slow and is gone now.
    pub fn post(&self, id: &str, text: String) -> bool {
        let open = lock(&self.open);
        let Some(it) = open.get(id) else { return false };
        let length = text.len();
        if it.waiting.fetch_add(length, Ordering::Relaxed) + length > MOST_WAITING_BYTES
            || it.out.try_send(Out::Text(text)).is_err()
        {
            it.cut.send_replace(true);
            return false;
        }
        true
    }

    async fn invoke(&self, route: &str, event: &Value) -> Option<Result<Value, ()>> {
        let function = self.functions.get(route)?;
        let invoked = async {
            let slot = function.slot().await.ok_or(())?;
            match function.invoke(slot, Bytes::from(event.to_string())).await {
                Outcome::Answered(body) => serde_json::from_slice(&body).map_err(|_| ()),
                _ => Err(()),
            }
        };
        Some(tokio::time::timeout(LONGEST, invoked).await.unwrap_or(Err(())))
    }

    fn event(&self, route: &str, kind: &str, id: &str, since: i64, agent: &str) -> Value {
        let (now, request) = (now_ms(), URL_SAFE.encode(random()));
        let time =
            chrono::DateTime::from_timestamp_millis(now).map(|it| it.format("%d/%b/%Y:%H:%M:%S +0000").to_string());
        json!({
            "requestContext": {
                "routeKey": route, "eventType": kind, "extendedRequestId": request, "requestTime": time,
                "messageDirection": "IN", "stage": self.api.stage, "connectedAt": since, "requestTimeEpoch": now,
                "identity": { "userAgent": agent, "sourceIp": "127.0.0.1" }, "requestId": request,
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
fn random() -> [u8; 11] {
    let mut bytes = [0; 11];
    bytes.copy_from_slice(&uuid::Uuid::new_v4().as_bytes()[..11]);
    bytes
}

fn text(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default().to_owned()
}

/// Headers in the spelling that clients use, the last of each and all of each.
fn headers(headers: &HeaderMap) -> (Map<String, Value>, BTreeMap<String, Vec<String>>) {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        let spelled: Vec<String> = name
            .as_str()
            .split('-')
            .map(|it| {
                let mut letters = it.chars();
                letters.next().map(|it| it.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
            })
            .collect();
        all.entry(spelled.join("-")).or_default().push(String::from_utf8_lossy(value.as_bytes()).into_owned());
    }
    let last = all.iter().filter_map(|(name, values)| Some((name.clone(), json!(values.last()?)))).collect();
    (last, all)
}

fn lock<T>(it: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}
