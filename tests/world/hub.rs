//! A customer's SignalR hub, by the protocol's text: negotiation, one WebSocket, records.

use std::sync::{Arc, Mutex};

use axum::extract::ws::{Message, WebSocket};
use axum::extract::{State, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::server::serve;

const END: char = '\u{1e}';

#[derive(Default)]
struct Inner {
    token: String,
    /// Another hub that the negotiation points to.
    elsewhere: Mutex<Option<(String, String)>>,
    calls: Mutex<Vec<(String, Value)>>,
    /// What to complete the next calls with, before the usual success.
    errors: Mutex<Vec<String>>,
    /// Sockets to close after their next record, without a word.
    cuts: Mutex<u32>,
    /// Records to answer the next calls with, before they are closed.
    closes: Mutex<Vec<Value>>,
    /// How long the results of the next calls are, in bytes.
    results: Mutex<Vec<usize>>,
    /// Whether the next negotiation is refused, as one that is asked too much does.
    busy: Mutex<bool>,
    opened: Mutex<u32>,
    /// What came in the header `Authorization` of negotiations.
    bearers: Mutex<Vec<String>>,
}

/// A running hub.
#[derive(Clone)]
pub struct Hub {
    pub url: String,
    inner: Arc<Inner>,
}

impl Hub {
    /// Starts a hub that wants this token, or none if it is empty.
    pub async fn start(token: &str) -> Self {
        let inner = Arc::new(Inner { token: token.to_owned(), ..Inner::default() });
        let router = Router::new().route("/hub/negotiate", post(negotiate)).route("/hub", get(connect));
        let url = serve(router.with_state(inner.clone())).await + "/hub";
        Self { url, inner }
    }

    /// The calls that came: method and argument.
    pub fn calls(&self) -> Vec<(String, Value)> {
        self.inner.calls.lock().expect("not poisoned").clone()
    }

    /// How many sockets were opened.
    pub fn opened(&self) -> u32 {
        *self.inner.opened.lock().expect("not poisoned")
    }

    /// The next call is completed with an error.
    pub fn fail(&self, error: &str) {
        self.inner.errors.lock().expect("not poisoned").push(error.to_owned());
    }

    /// The next record closes its socket.
    pub fn cut(&self) {
        *self.inner.cuts.lock().expect("not poisoned") += 1;
    }

    /// The next call is answered with a Close message, and no completion.
    pub fn close(&self, error: &str, again: bool) {
        let record = json!({ "type": 7, "error": error, "allowReconnect": again });
        self.inner.closes.lock().expect("not poisoned").push(record);
    }

    /// The next call is completed with a text of so many bytes as its result.
    pub fn result(&self, bytes: usize) {
        self.inner.results.lock().expect("not poisoned").push(bytes);
    }

    /// The next negotiation is answered with 503, to come back in two seconds.
    pub fn busy(&self) {
        *self.inner.busy.lock().expect("not poisoned") = true;
    }

    /// What negotiations came with in their header `Authorization`.
    pub fn bearers(&self) -> Vec<String> {
        self.inner.bearers.lock().expect("not poisoned").clone()
    }

    /// Whoever negotiates is sent to another hub, with that one's token; an empty one is not sent.
    pub fn point_to(&self, url: &str, token: &str) {
        *self.inner.elsewhere.lock().expect("not poisoned") = Some((url.to_owned(), token.to_owned()));
    }
}

fn known(it: &Inner, headers: &HeaderMap) -> bool {
    let bearer = headers.get("authorization").and_then(|it| it.to_str().ok()).unwrap_or_default();
    it.token.is_empty() || bearer == format!("Bearer {}", it.token)
}

async fn negotiate(State(it): State<Arc<Inner>>, headers: HeaderMap) -> Response {
    let bearer = headers.get("authorization").and_then(|it| it.to_str().ok()).unwrap_or_default();
    it.bearers.lock().expect("not poisoned").push(bearer.to_owned());
    if !known(&it, &headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    if std::mem::take(&mut *it.busy.lock().expect("not poisoned")) {
        return (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "2")], "the room is being cleaned").into_response();
    }
    if let Some((url, token)) = it.elsewhere.lock().expect("not poisoned").clone() {
        let token = Some(token).filter(|it| !it.is_empty());
        return Json(json!({ "url": url, "accessToken": token })).into_response();
    }
    let transports = json!([{ "transport": "WebSockets", "transferFormats": ["Text", "Binary"] }]);
    let answer = json!({
        "negotiateVersion": 1, "connectionId": "shown", "connectionToken": "secret", "availableTransports": transports,
    });
    Json(answer).into_response()
}

async fn connect(
    State(it): State<Arc<Inner>>,
    headers: HeaderMap,
    uri: axum::http::Uri,
    up: WebSocketUpgrade,
) -> Response {
    if !known(&it, &headers) || !uri.query().unwrap_or_default().contains("id=secret") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    *it.opened.lock().expect("not poisoned") += 1;
    up.on_upgrade(async move |socket| serve_connection(it, socket).await)
}

async fn serve_connection(it: Arc<Inner>, mut socket: WebSocket) {
    let mut greeted = false;
    while let Some(Ok(message)) = socket.recv().await {
        let Message::Text(text) = message else { continue };
        for record in text.split(END).filter(|it| !it.is_empty()) {
            let record: Value = serde_json::from_str(record).expect("a record is JSON");
            if !greeted {
                assert_eq!(record, json!({ "protocol": "json", "version": 1 }));
                greeted = true;
                // the handshake's answer and a ping in one frame, split in the middle of a record
                let both = format!("{{}}{END}{{\"type\":6}}{END}");
                let (front, end) = both.split_at(7);
                for part in [front, end] {
                    if socket.send(Message::text(part)).await.is_err() {
                        return;
                    }
                }
                continue;
            }
            let cut = {
                let mut cuts = it.cuts.lock().expect("not poisoned");
                let cut = *cuts > 0;
                *cuts = cuts.saturating_sub(1);
                cut
            };
            if cut {
                return;
            }
            if record["type"] == 1 {
                let close = it.closes.lock().expect("not poisoned").pop();
                if let Some(close) = close {
                    drop(socket.send(Message::text(format!("{close}{END}"))).await); // the caller may be gone
                    return;
                }
                let error = it.errors.lock().expect("not poisoned").pop();
                let mut completion = json!({ "type": 3, "invocationId": record["invocationId"] });
                match error {
                    Some(error) => completion["error"] = json!(error),
                    None => {
                        let target = record["target"].as_str().expect("a method").to_owned();
                        it.calls.lock().expect("not poisoned").push((target, record["arguments"][0].clone()));
                        let long = it.results.lock().expect("not poisoned").pop();
                        completion["result"] = long.map_or(json!("taken"), |bytes| json!("a".repeat(bytes)));
                    }
                }
                if socket.send(Message::text(format!("{completion}{END}"))).await.is_err() {
                    return;
                }
            }
        }
    }
}
