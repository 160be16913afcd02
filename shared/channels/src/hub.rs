//! A customer's SignalR hub is called: negotiate, one WebSocket, handshake, invocation, completion (channel API,
//! section 8.2). The connection is kept for the next calls while it is fresh.

mod records;

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

use self::records::{MAX_RECORD_BYTES, RECORD_SEPARATOR, Record, RecordBuffer};
use crate::message::{AttemptOutcome, Message};
use crate::pool::{ConnectionPool, Slot};
use crate::webhook::RESPONSE_BODY_TIMEOUT;

/// A server closes after 15 to 30 seconds of silence: a link that was idle for longer than this is made anew.
const MAX_IDLE: Duration = Duration::from_secs(10);
/// How much of a negotiation is read.
const MAX_NEGOTIATION_BYTES: usize = 1 << 20;
/// A negotiation may point to another server, which may point to another one; so often.
const MAX_REDIRECTS: usize = 3;

/// Calls hubs.
pub struct HubClient {
    client: reqwest::Client,
    allowed: AllowedNetworks,
    connections: ConnectionPool<HubConnection>,
}

/// A hub's method.
pub struct Receiver {
    pub url: String,
    pub method: String,
    pub token: Option<String>,
}

/// An open connection.
struct HubConnection {
    socket: WebSocketStream<MaybeTlsStream>,
    records: RecordBuffer,
    invocations: u64,
    last_used: Instant,
    _shutter: ShutdownGuard,
}

impl HubClient {
    pub fn new(client: reqwest::Client, allowed: AllowedNetworks) -> Self {
        Self { client, allowed, connections: ConnectionPool::default() }
    }

    /// One attempt. A connection that has died meanwhile is made anew, once.
    pub async fn send(&self, to: &Receiver, message: &Message, sent_at: OffsetDateTime) -> AttemptOutcome {
        let call = async |slot: &mut Slot<HubConnection>| -> AttemptOutcome {
            if let Some(mut link) = slot.connection.take().filter(|it| it.last_used.elapsed() < MAX_IDLE) {
                match link.invoke(to, message).await {
                    Ok(sent) => {
                        slot.connection = Some(link);
                        return sent;
                    }
                    // it has been called: the next attempt is the schedule's
                    Err(it @ HubError::RecordTooLong) => return rejected(&it).into(),
                    Err(_) => {} // it died meanwhile
                }
            }
            let mut link = match self.open(to, sent_at).await {
                Ok(link) => link,
                Err(sent) => return sent,
            };
            match link.invoke(to, message).await {
                Ok(sent) => {
                    slot.connection = Some(link);
                    sent
                }
                Err(it @ (HubError::ClosedWithReason(_) | HubError::RecordTooLong)) => rejected(&it).into(),
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
        let (wire, shutter) = guard::connect(&host, port, tls, &self.allowed).await.map_err(|it| match it {
            ConnectError::Forbidden(it) => DeliveryOutcome::Forbidden { why: it.to_string() },
            it => unreachable(it.to_string()),
        })?;
        let address = url.as_str().replacen("http", "ws", 1);
        let mut request = address.into_client_request().map_err(|it| unreachable(it.to_string()))?;
        if let Some(value) = token.and_then(|it| format!("Bearer {it}").parse().ok()) {
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        let limits =
            WebSocketConfig::default().max_message_size(Some(MAX_RECORD_BYTES)).max_frame_size(Some(MAX_RECORD_BYTES));
        let opened = tokio_tungstenite::client_async_with_config(request, wire, Some(limits)).await;
        let (socket, _) = opened.map_err(|it| match it {
            SocketError::Http(answer) => {
                let body = answer.body().as_deref().unwrap_or_default();
                AttemptOutcome::with_response(refused(answer.status().as_u16(), answer.headers(), now), body)
            }
            it => unreachable(format!("no WebSocket: {it}")).into(),
        })?;
        let mut link = HubConnection {
            socket,
            records: RecordBuffer::default(),
            invocations: 0,
            last_used: Instant::now(),
            _shutter: shutter,
        };
        let hello = json!({ "protocol": "json", "version": 1 }).to_string();
        let broken = |it: HubError| match it {
            it @ (HubError::ClosedWithReason(_) | HubError::RecordTooLong) => rejected(&it),
            it => unreachable(format!("no handshake: {it}")),
        };
        link.write_record(&hello).await.map_err(broken)?;
        let refused = link.read_record(|answer| answer.error()).await.map_err(broken)?;
        match refused {
            Some(error) => Err(DeliveryOutcome::Rejected { why: format!("handshake: {}", shortened(&error)) }.into()),
            None => Ok(link),
        }
    }

    /// Where the WebSocket is, and with which token, as the hub says it.
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
            let mut answer = request.send().await.map_err(|it| crate::webhook::request_error_outcome(&it))?;
            let status = answer.status().as_u16();
            let outcome = refused(status, answer.headers(), now);
            let mut body = Vec::new();
            let whole =
                tokio::time::timeout(if status == 200 { guard::TOTAL_TIMEOUT } else { RESPONSE_BODY_TIMEOUT }, async {
                    while let Some(chunk) = answer.chunk().await? {
                        body.extend_from_slice(&chunk);
                        if body.len() > MAX_NEGOTIATION_BYTES {
                            break;
                        }
                    }
                    Ok::<(), reqwest::Error>(())
                });
            match whole.await {
                // the status is the answer, whatever comes of its body
                _ if status != 200 => return Err(AttemptOutcome::with_response(outcome, &body)),
                Ok(Err(error)) => return Err(crate::webhook::request_error_outcome(&error).into()),
                Err(_) => return Err(unreachable("the negotiation does not end".to_owned()).into()),
                Ok(Ok(())) if body.len() > MAX_NEGOTIATION_BYTES => {
                    return Err(unreachable("the negotiation is too large".to_owned()).into());
                }
                Ok(Ok(())) => {}
            }
            let answer: Value =
                serde_json::from_slice(&body).map_err(|_| unreachable("the negotiation is no JSON".to_owned()))?;
            if let Some(error) = answer["error"].as_str() {
                return Err(DeliveryOutcome::Rejected { why: format!("negotiation: {}", shortened(error)) }.into());
            }
            if let Some(next) = answer["url"].as_str() {
                // the stored token is for the hub that it was given for, and for no other
                let kept = token.filter(|_| origin_of(next) == origin_of(&hub));
                token = answer["accessToken"].as_str().map(str::to_owned).or(kept);
                hub = next.to_owned();
                continue;
            }
            let id = answer["connectionToken"].as_str().or_else(|| answer["connectionId"].as_str());
            let id = id.ok_or_else(|| unreachable("the negotiation names no connection".to_owned()))?;
            let mut socket = url;
            socket.query_pairs_mut().append_pair("id", id);
            return Ok((socket, token));
        }
        Err(unreachable(format!("the hub points to another one more than {MAX_REDIRECTS} times")).into())
    }
}

/// A link that is of no more use.
#[derive(Debug, thiserror::Error)]
enum HubError {
    #[error("{0}")]
    Socket(#[from] Box<SocketError>),
    #[error("it was closed")]
    Closed,
    /// The hub said why.
    #[error("{0}")]
    ClosedWithReason(String),
    #[error("it sent something that is no record")]
    InvalidRecord,
    /// What it answered cannot be known; it may have taken the message.
    #[error(
        "the hub sent a message of more than {MAX_RECORD_BYTES} bytes, which is not read: it may have taken the notification"
    )]
    RecordTooLong,
}

impl HubConnection {
    /// Calls the method and waits for its completion.
    async fn invoke(&mut self, to: &Receiver, message: &Message) -> Result<AttemptOutcome, HubError> {
        self.invocations += 1;
        let id = self.invocations.to_string();
        // the message is JSON already, and stays as it is
        let body = String::from_utf8_lossy(&message.body);
        let target = Value::from(to.method.as_str());
        let call = format!(r#"{{"type":1,"invocationId":"{id}","target":{target},"arguments":[{body}]}}"#);
        if let Err(error) = self.write_record(&call).await {
            return Err(self.close_reason().await.unwrap_or(error));
        }
        loop {
            let answer = self.read_record(|record| match record.kind {
                Some(3) if record.invocation_id.as_ref().is_some_and(|it| *it == id.as_str()) => {
                    let outcome = match record.error() {
                        Some(error) => {
                            DeliveryOutcome::Rejected { why: format!("the hub answered: {}", shortened(&error)) }
                        }
                        None => DeliveryOutcome::Confirmed,
                    };
                    let result = record.result.map_or("", RawValue::get);
                    Some(Ok(AttemptOutcome::with_response(outcome, result.as_bytes())))
                }
                Some(7) => Some(Err(close_error(record))),
                _ => None, // pings, and calls that are not for us
            });
            if let Some(answer) = answer.await? {
                self.last_used = Instant::now();
                return answer;
            }
        }
    }

    /// What the hub said before a connection ended that takes nothing more.
    async fn close_reason(&mut self) -> Option<HubError> {
        loop {
            match self.read_record(|record| (record.kind == Some(7)).then(|| close_error(record))).await {
                Ok(Some(closed)) => return Some(closed),
                Ok(None) => {}
                Err(it @ (HubError::ClosedWithReason(_) | HubError::RecordTooLong)) => return Some(it),
                Err(_) => return None,
            }
        }
    }

    async fn write_record(&mut self, record: &str) -> Result<(), HubError> {
        let frame = Frame::text(format!("{record}{RECORD_SEPARATOR}"));
        self.socket.send(frame).await.map_err(|it| HubError::Socket(Box::new(it)))
    }

    /// Reads the next record.
    async fn read_record<T>(&mut self, read: impl FnOnce(&Record) -> T) -> Result<T, HubError> {
        loop {
            if let Some(record) = self.records.next_record() {
                let record = serde_json::from_str(record).map_err(|_| HubError::InvalidRecord)?;
                return Ok(read(&record));
            }
            match self.socket.next().await {
                Some(Ok(Frame::Text(text))) => self.records.push(&text),
                Some(Ok(Frame::Close(Some(it)))) if it.code != CloseCode::Normal || !it.reason.is_empty() => {
                    let reason = shortened(&it.reason);
                    return Err(HubError::ClosedWithReason(format!(
                        "the hub closed the connection: {} {reason}",
                        it.code
                    )));
                }
                Some(Ok(Frame::Close(_))) | None => return Err(HubError::Closed),
                Some(Ok(_)) => {}
                Some(Err(SocketError::Capacity(_))) => return Err(HubError::RecordTooLong),
                Some(Err(error)) => return Err(HubError::Socket(Box::new(error))),
            }
            if self.records.is_too_long() {
                return Err(HubError::RecordTooLong);
            }
        }
    }
}

fn rejected(why: &HubError) -> DeliveryOutcome {
    DeliveryOutcome::Rejected { why: why.to_string() }
}

/// A Close message (SignalR's hub protocol, "Close Message Encoding"): why, and whether the hub would have us back. We try
/// again by the channel's schedule all the same: it is another message's turn, perhaps another day.
fn close_error(record: &Record) -> HubError {
    let again = match record.allow_reconnect {
        Some(again) => format!(" (allowReconnect: {again})"),
        None => String::new(),
    };
    match record.error() {
        Some(error) => {
            HubError::ClosedWithReason(format!("the hub closed the connection: {}{again}", shortened(&error)))
        }
        None => HubError::ClosedWithReason(format!("the hub closed the connection without a reason{again}")),
    }
}

fn refused(status: u16, headers: &HeaderMap, now: OffsetDateTime) -> DeliveryOutcome {
    DeliveryOutcome::Refused { status, retry_after: guard::retry_after(headers, now) }
}

/// One connection per hub and token.
fn pool_key(to: &Receiver) -> String {
    domain::id::sha256_hex(format!("{}\n{}", to.url, to.token.as_deref().unwrap_or_default()).as_bytes())
}

fn unreachable(why: String) -> DeliveryOutcome {
    DeliveryOutcome::Unreachable { why }
}

fn shortened(text: &str) -> String {
    text.chars().take(200).collect()
}
