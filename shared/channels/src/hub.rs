//! Invokes a method of a customer's SignalR hub: negotiation, WebSocket, handshake, invocation, completion (channel
//! API, section 8.2). The connection is reused for the next invocations until it has been idle for `MAX_IDLE`.

mod messages;

use std::time::{Duration, Instant};

use domain::delivery::DeliveryOutcome;
use domain::ssrf::{AllowedNetworks, check_url, origin_of};
use futures_util::{SinkExt, StreamExt};
use guard::{ConnectError, MaybeTlsStream, ShutdownGuard};
use reqwest::header::{AUTHORIZATION, HeaderMap};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message as Frame};
use url::Url;

use self::messages::{HubMessage, MAX_MESSAGE_BYTES, MessageBuffer, RECORD_SEPARATOR};
use crate::message::{AttemptOutcome, Message};
use crate::pool::{ConnectionPool, Slot};
use crate::webhook::RESPONSE_BODY_TIMEOUT;

/// A connection that was idle for longer is replaced: servers close a connection after 15 to 30 seconds of silence.
const MAX_IDLE: Duration = Duration::from_secs(10);
/// The largest negotiation response that is read.
const MAX_NEGOTIATION_BYTES: usize = 1 << 20;
/// How often a negotiation response may redirect to another server (its member `url`).
const MAX_REDIRECTS: usize = 3;

/// Invokes methods of hubs.
pub struct HubClient {
    client: reqwest::Client,
    allowed: AllowedNetworks,
    connections: ConnectionPool<HubConnection>,
}

/// A method of a hub, and the access token to invoke it.
pub struct Receiver {
    pub url: String,
    pub method: String,
    pub token: Option<String>,
}

/// An open connection, handshake done.
struct HubConnection {
    socket: WebSocketStream<MaybeTlsStream>,
    messages: MessageBuffer,
    invocations: u64,
    last_used: Instant,
    _shutdown: ShutdownGuard,
}

impl HubClient {
    pub fn new(client: reqwest::Client, allowed: AllowedNetworks) -> Self {
        Self { client, allowed, connections: ConnectionPool::default() }
    }

    /// One attempt. If the pooled connection turns out to be dead, a new one is opened, once.
    pub async fn send(&self, to: &Receiver, message: &Message, sent_at: OffsetDateTime) -> AttemptOutcome {
        let call = async |slot: &mut Slot<HubConnection>| -> AttemptOutcome {
            if let Some(mut connection) = slot.connection.take().filter(|it| it.last_used.elapsed() < MAX_IDLE) {
                match connection.invoke(to, message).await {
                    Ok(outcome) => {
                        slot.connection = Some(connection);
                        return outcome;
                    }
                    // the method was invoked: the next attempt follows the channel's schedule
                    Err(error @ HubError::MessageTooLong) => return rejected(&error).into(),
                    Err(_) => {} // the pooled connection was dead
                }
            }
            let mut connection = match self.open(to, sent_at).await {
                Ok(connection) => connection,
                Err(outcome) => return outcome,
            };
            match connection.invoke(to, message).await {
                Ok(outcome) => {
                    slot.connection = Some(connection);
                    outcome
                }
                Err(error @ (HubError::ClosedWithReason(_) | HubError::MessageTooLong)) => rejected(&error).into(),
                Err(error) => unreachable(format!("the connection broke: {error}")).into(),
            }
        };
        self.connections.call(pool_key(to), "completion", call).await
    }

    async fn open(&self, to: &Receiver, now: OffsetDateTime) -> Result<HubConnection, AttemptOutcome> {
        let (url, token) = self.negotiate(to, now).await?;
        let tls = url.scheme() == "https";
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = url.port_or_known_default().unwrap_or(443);
        let (stream, shutdown) =
            guard::connect(&host, port, tls, &self.allowed).await.map_err(|error| match error {
                ConnectError::Forbidden(error) => DeliveryOutcome::Forbidden { why: error.to_string() },
                error => unreachable(error.to_string()),
            })?;
        let address = url.as_str().replacen("http", "ws", 1);
        let mut request = address.into_client_request().map_err(|it| unreachable(it.to_string()))?;
        if let Some(value) = token.and_then(|it| format!("Bearer {it}").parse().ok()) {
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        let limits = WebSocketConfig::default()
            .max_message_size(Some(MAX_MESSAGE_BYTES))
            .max_frame_size(Some(MAX_MESSAGE_BYTES));
        let opened = tokio_tungstenite::client_async_with_config(request, stream, Some(limits)).await;
        let (socket, _) = opened.map_err(|error| match error {
            SocketError::Http(response) => {
                let body = response.body().as_deref().unwrap_or_default();
                AttemptOutcome::with_response(refused(response.status().as_u16(), response.headers(), now), body)
            }
            error => unreachable(format!("no WebSocket: {error}")).into(),
        })?;
        let mut connection = HubConnection {
            socket,
            messages: MessageBuffer::default(),
            invocations: 0,
            last_used: Instant::now(),
            _shutdown: shutdown,
        };
        let handshake = json!({ "protocol": "json", "version": 1 }).to_string();
        let outcome_of = |error: HubError| match error {
            HubError::ClosedWithReason(_) | HubError::MessageTooLong => rejected(&error),
            error => unreachable(format!("no handshake: {error}")),
        };
        connection.write_message(&handshake).await.map_err(outcome_of)?;
        let error = connection.read_message(|response| response.error()).await.map_err(outcome_of)?;
        match error {
            Some(error) => Err(DeliveryOutcome::Rejected { why: format!("handshake: {}", shortened(&error)) }.into()),
            None => Ok(connection),
        }
    }

    /// The URL of the WebSocket and the access token for it, as the hub's negotiation response names them.
    async fn negotiate(&self, to: &Receiver, now: OffsetDateTime) -> Result<(Url, Option<String>), AttemptOutcome> {
        let (mut hub, mut token) = (to.url.clone(), to.token.clone());
        for _ in 0..MAX_REDIRECTS {
            let url =
                check_url(&hub, &self.allowed).map_err(|it| DeliveryOutcome::Forbidden { why: it.to_string() })?;
            let mut negotiate = url.clone();
            negotiate.set_path(&format!("{}/negotiate", url.path().trim_end_matches('/')));
            negotiate.query_pairs_mut().append_pair("negotiateVersion", "1");
            let mut request = self.client.post(negotiate).header("content-length", "0");
            if let Some(token) = &token {
                request = request.bearer_auth(token);
            }
            let mut response = request.send().await.map_err(|it| crate::webhook::request_error_outcome(&it))?;
            let status = response.status().as_u16();
            let outcome = refused(status, response.headers(), now);
            let mut body = Vec::new();
            let read =
                tokio::time::timeout(if status == 200 { guard::TOTAL_TIMEOUT } else { RESPONSE_BODY_TIMEOUT }, async {
                    while let Some(chunk) = response.chunk().await? {
                        body.extend_from_slice(&chunk);
                        if body.len() > MAX_NEGOTIATION_BYTES {
                            break;
                        }
                    }
                    Ok::<(), reqwest::Error>(())
                });
            match read.await {
                // an error status decides, whether or not its body arrives
                _ if status != 200 => return Err(AttemptOutcome::with_response(outcome, &body)),
                Ok(Err(error)) => return Err(crate::webhook::request_error_outcome(&error).into()),
                Err(_) => return Err(unreachable("the negotiation does not end".to_owned()).into()),
                Ok(Ok(())) if body.len() > MAX_NEGOTIATION_BYTES => {
                    return Err(unreachable("the negotiation is too large".to_owned()).into());
                }
                Ok(Ok(())) => {}
            }
            let response: Value =
                serde_json::from_slice(&body).map_err(|_| unreachable("the negotiation is no JSON".to_owned()))?;
            if let Some(error) = response["error"].as_str() {
                return Err(DeliveryOutcome::Rejected { why: format!("negotiation: {}", shortened(error)) }.into());
            }
            if let Some(next) = response["url"].as_str() {
                // the stored token is for the origin that it was given for alone
                let stored = token.filter(|_| origin_of(next) == origin_of(&hub));
                token = response["accessToken"].as_str().map(str::to_owned).or(stored);
                hub = next.to_owned();
                continue;
            }
            let id = response["connectionToken"].as_str().or_else(|| response["connectionId"].as_str());
            let id = id.ok_or_else(|| unreachable("the negotiation names no connection".to_owned()))?;
            let mut socket = url;
            socket.query_pairs_mut().append_pair("id", id);
            return Ok((socket, token));
        }
        Err(unreachable(format!("the hub points to another one more than {MAX_REDIRECTS} times")).into())
    }
}

/// Why a connection cannot be used any more.
#[derive(Debug, thiserror::Error)]
enum HubError {
    #[error("{0}")]
    WebSocket(#[from] Box<SocketError>),
    #[error("it was closed")]
    Closed,
    /// The hub closed the connection, and said why.
    #[error("{0}")]
    ClosedWithReason(String),
    #[error("it sent something that is no record")]
    InvalidMessage,
    /// The completion cannot be read; the hub may have taken the notification.
    #[error(
        "the hub sent a message of more than {MAX_MESSAGE_BYTES} bytes, which is not read: it may have taken the notification"
    )]
    MessageTooLong,
}

impl HubConnection {
    /// Invokes the method and waits for its completion.
    async fn invoke(&mut self, to: &Receiver, message: &Message) -> Result<AttemptOutcome, HubError> {
        self.invocations += 1;
        let id = self.invocations.to_string();
        // the body is JSON already
        let body = String::from_utf8_lossy(&message.body);
        let target = Value::from(to.method.as_str());
        let call = format!(r#"{{"type":1,"invocationId":"{id}","target":{target},"arguments":[{body}]}}"#);
        if let Err(error) = self.write_message(&call).await {
            return Err(self.close_reason().await.unwrap_or(error));
        }
        loop {
            let completion = self.read_message(|received| match received.kind {
                Some(3) if received.invocation_id.as_ref().is_some_and(|it| *it == id.as_str()) => {
                    let outcome = match received.error() {
                        Some(error) => {
                            DeliveryOutcome::Rejected { why: format!("the hub answered: {}", shortened(&error)) }
                        }
                        None => DeliveryOutcome::Confirmed,
                    };
                    let result = received.result.map_or("", RawValue::get);
                    Some(Ok(AttemptOutcome::with_response(outcome, result.as_bytes())))
                }
                Some(7) => Some(Err(close_error(received))),
                _ => None, // pings, and invocations of client methods
            });
            if let Some(outcome) = completion.await? {
                self.last_used = Instant::now();
                return outcome;
            }
        }
    }

    /// Why the hub has closed a connection that cannot be written to any more, if it said so.
    async fn close_reason(&mut self) -> Option<HubError> {
        loop {
            match self.read_message(|received| (received.kind == Some(7)).then(|| close_error(received))).await {
                Ok(Some(closed)) => return Some(closed),
                Ok(None) => {}
                Err(error @ (HubError::ClosedWithReason(_) | HubError::MessageTooLong)) => return Some(error),
                Err(_) => return None,
            }
        }
    }

    async fn write_message(&mut self, message: &str) -> Result<(), HubError> {
        let frame = Frame::text(format!("{message}{RECORD_SEPARATOR}"));
        self.socket.send(frame).await.map_err(|it| HubError::WebSocket(Box::new(it)))
    }

    /// Reads the next message of the hub.
    async fn read_message<T>(&mut self, read: impl FnOnce(&HubMessage) -> T) -> Result<T, HubError> {
        loop {
            if let Some(message) = self.messages.next_message() {
                let message = serde_json::from_str(message).map_err(|_| HubError::InvalidMessage)?;
                return Ok(read(&message));
            }
            match self.socket.next().await {
                Some(Ok(Frame::Text(text))) => self.messages.push(&text),
                Some(Ok(Frame::Close(Some(frame)))) if frame.code != CloseCode::Normal || !frame.reason.is_empty() => {
                    let reason = shortened(&frame.reason);
                    return Err(HubError::ClosedWithReason(format!(
                        "the hub closed the connection: {} {reason}",
                        frame.code
                    )));
                }
                Some(Ok(Frame::Close(_))) | None => return Err(HubError::Closed),
                Some(Ok(_)) => {}
                Some(Err(SocketError::Capacity(_))) => return Err(HubError::MessageTooLong),
                Some(Err(error)) => return Err(HubError::WebSocket(Box::new(error))),
            }
            if self.messages.is_too_long() {
                return Err(HubError::MessageTooLong);
            }
        }
    }
}

fn rejected(error: &HubError) -> DeliveryOutcome {
    DeliveryOutcome::Rejected { why: error.to_string() }
}

/// The reason of a Close message (SignalR's hub protocol, "Close Message Encoding"), with its `allowReconnect`. The
/// retry schedule does not depend on that: the next attempt may be another notification, on another day.
fn close_error(message: &HubMessage) -> HubError {
    let reconnect = match message.allow_reconnect {
        Some(allowed) => format!(" (allowReconnect: {allowed})"),
        None => String::new(),
    };
    match message.error() {
        Some(error) => {
            HubError::ClosedWithReason(format!("the hub closed the connection: {}{reconnect}", shortened(&error)))
        }
        None => HubError::ClosedWithReason(format!("the hub closed the connection without a reason{reconnect}")),
    }
}

fn refused(status: u16, headers: &HeaderMap, now: OffsetDateTime) -> DeliveryOutcome {
    DeliveryOutcome::Refused { status, retry_after: guard::retry_after(headers, now) }
}

/// A connection is shared by the deliveries to one hub with one token.
fn pool_key(to: &Receiver) -> String {
    domain::id::sha256_hex(format!("{}\n{}", to.url, to.token.as_deref().unwrap_or_default()).as_bytes())
}

fn unreachable(why: String) -> DeliveryOutcome {
    DeliveryOutcome::Unreachable { why }
}

fn shortened(text: &str) -> String {
    text.chars().take(200).collect()
}
