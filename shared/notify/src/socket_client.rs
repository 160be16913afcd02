//! A client of the three socket protocols. It keeps a cursor per stream, notices what is missing by the numbers, which
//! have no gaps, and resumes behind what it has.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use futures_util::{SinkExt, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::client::Client;
use crate::error::CliError;
use crate::print;

/// The record separator of SignalR's hub protocol.
const RECORD_SEPARATOR: char = '\u{1e}';
/// How often a ping is sent. API Gateway closes idle connections after 10 minutes; SignalR's clients give up after 30
/// seconds.
const PING_INTERVAL: Duration = Duration::from_secs(240);
const SIGNALR_PING_INTERVAL: Duration = Duration::from_secs(15);
/// How long opening a socket may take: API Gateway waits 29 seconds for `$connect` (quotas for WebSocket APIs).
const OPEN_TIMEOUT: Duration = Duration::from_secs(35);
/// How long the answer to `resume` may take. It is lost if the function that handles it is killed; then the client connects
/// again.
const RESUME_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Protocol {
    /// The native protocol: JSON messages
    Native,
    /// The original system's: JSON lists
    Seed,
    /// SignalR's JSON hub protocol
    Signalr,
}

impl Protocol {
    /// The path of the socket on the host of the API.
    pub(crate) fn path(self, user: &str) -> Result<String, CliError> {
        Ok(match self {
            Self::Native => "/api/v1/Inbox/Socket".to_owned(),
            Self::Signalr => "/hubs/notifications".to_owned(),
            Self::Seed => Client::path(&["notifications", "ws", user])?,
        })
    }
}

pub(crate) type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The position in a stream: the last sequence number that came, and its cursor.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StreamPosition {
    pub(crate) sequence: Option<u64>,
    pub(crate) cursor: Option<String>,
}

/// What a client gets.
pub(crate) enum Received<'a> {
    /// The next notification of a stream; in the seed's protocol, whose frames name none, of the stream "".
    Notification { stream: &'a str, item: &'a Value },
    /// Everything behind the cursors has come.
    Resumed,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    ConnectionLost,
    /// The receiver has enough.
    Stopped,
}

/// The state of a client, which outlives its connections.
pub(crate) struct SocketClient {
    protocol: Protocol,
    /// Positions by stream. Sequence numbers have no gaps, so a missing notification is noticed.
    pub(crate) positions: BTreeMap<String, StreamPosition>,
    /// Sequence numbers that came, in the seed's protocol.
    seen_sequences: BTreeSet<u64>,
    /// Until when the answer to a `resume` has to come, if one is expected.
    resumed_until: Option<Instant>,
    /// A notification came before its predecessors while they were asked for: it is asked for after them.
    came_early: bool,
    /// Notifications that came again.
    pub(crate) repeated: u64,
}

/// Opens a socket. The URL contains a ticket, so no error shows it.
pub(crate) async fn open(url: &str) -> Result<Stream, CliError> {
    let request = url.into_client_request().map_err(|_| CliError::Other("the socket's address is none".to_owned()))?;
    match tokio::time::timeout(OPEN_TIMEOUT, connect_async(request)).await {
        Err(_) => Err(CliError::Other("the socket does not open in time".to_owned())),
        Ok(Ok((stream, _))) => Ok(stream),
        Ok(Err(Error::Http(answer))) => {
            let (status, reason) = (answer.status().as_u16(), "the socket was refused".to_owned());
            Err(CliError::ErrorResponse { what: "opening a socket".to_owned(), status, field: None, reason })
        }
        Ok(Err(other)) => Err(CliError::Other(format!("the socket does not open: {other}"))),
    }
}

impl SocketClient {
    pub(crate) fn new(protocol: Protocol, positions: BTreeMap<String, StreamPosition>) -> Self {
        Self {
            protocol,
            positions,
            seen_sequences: BTreeSet::new(),
            resumed_until: None,
            came_early: false,
            repeated: 0,
        }
    }

    /// Whether a connection has shown where a stream stands.
    pub(crate) fn has_position(&self) -> bool {
        self.positions.values().any(|it| it.sequence.is_some())
    }

    /// Resumes on a new connection, and gives what comes to `take` until the connection is lost or `take` breaks.
    pub(crate) async fn receive(
        &mut self,
        mut stream: Stream,
        mut take: impl FnMut(&Self, Received<'_>) -> ControlFlow<()>,
    ) -> Result<Ended, CliError> {
        if self.protocol == Protocol::Signalr
            && !send_text(&mut stream, &signalr_record(&json!({ "protocol": "json", "version": 1 }))).await
        {
            return Ok(Ended::ConnectionLost);
        }
        if !self.resume(&mut stream).await {
            return Ok(Ended::ConnectionLost);
        }
        let ping_interval = if self.protocol == Protocol::Signalr { SIGNALR_PING_INTERVAL } else { PING_INTERVAL };
        loop {
            let patience = self.resumed_until.map_or(ping_interval, |it| it - Instant::now());
            let message = match tokio::time::timeout(patience, stream.next()).await {
                Ok(Some(Ok(it))) if !self.has_waited_too_long() => it,
                Ok(_) => return Ok(Ended::ConnectionLost),
                Err(_) if self.has_waited_too_long() => return Ok(Ended::ConnectionLost),
                Err(_) => {
                    let ping = match self.protocol {
                        Protocol::Native => json!({ "action": "ping" }).to_string(),
                        Protocol::Signalr => signalr_record(&json!({ "type": 6 })),
                        Protocol::Seed => continue, // the seed's protocol has no ping
                    };
                    if !send_text(&mut stream, &ping).await {
                        return Ok(Ended::ConnectionLost);
                    }
                    continue;
                }
            };
            let text = match message {
                Message::Text(text) => text,
                Message::Close(_) => return Ok(Ended::ConnectionLost),
                _ => continue,
            };
            for frame in text.split(RECORD_SEPARATOR).filter(|it| !it.is_empty()) {
                let Ok(value) = serde_json::from_str(frame) else { continue };
                match self.handle_message(&value, &mut take)? {
                    MessageOutcome::Continue => {}
                    MessageOutcome::ResumeNeeded => {
                        if !self.resume(&mut stream).await {
                            return Ok(Ended::ConnectionLost);
                        }
                    }
                    MessageOutcome::Stopped => {
                        drop(stream.close(None).await); // the connection ends either way
                        return Ok(Ended::Stopped);
                    }
                    MessageOutcome::Reconnect => return Ok(Ended::ConnectionLost),
                }
            }
        }
    }

    fn has_waited_too_long(&self) -> bool {
        self.resumed_until.is_some_and(|it| it <= Instant::now())
    }

    /// Resumes behind the last cursors; `false` if the connection is lost.
    async fn resume(&mut self, stream: &mut Stream) -> bool {
        let cursors: Vec<&String> = self.positions.values().filter_map(|it| it.cursor.as_ref()).collect();
        let message = match self.protocol {
            Protocol::Native => json!({ "action": "resume", "after": cursors }).to_string(),
            Protocol::Signalr => signalr_record(
                &json!({ "type": 1, "invocationId": "resume", "target": "Resume", "arguments": [cursors] }),
            ),
            Protocol::Seed => return true, // its server sends unread notifications without being asked
        };
        self.resumed_until = Some(Instant::now() + RESUME_TIMEOUT);
        send_text(stream, &message).await
    }

    fn handle_message(
        &mut self,
        message: &Value,
        take: &mut impl FnMut(&Self, Received<'_>) -> ControlFlow<()>,
    ) -> Result<MessageOutcome, CliError> {
        if let Value::Array(items) = message {
            for item in items {
                let Some(sequence) = seed_sequence(item) else { continue };
                // this protocol promises no order
                if !self.seen_sequences.insert(sequence) {
                    self.repeated += 1;
                } else if take(self, Received::Notification { stream: "", item }).is_break() {
                    return Ok(MessageOutcome::Stopped);
                }
            }
            return Ok(MessageOutcome::Continue);
        }
        // SignalR's target is the native protocol's type
        let (kind, body) = match (message["type"].as_u64(), message["target"].as_str()) {
            (Some(1), Some(target)) => (target.to_lowercase(), &message["arguments"][0]),
            (Some(3), _) if message["error"].is_string() => return Err(server_error(&message["error"])),
            (Some(3), _) => ("resumed".to_owned(), &message["result"]),
            (Some(7), _) => return Ok(MessageOutcome::Reconnect),
            _ => (message["type"].as_str().unwrap_or_default().to_lowercase(), message),
        };
        match kind.as_str() {
            "notifications" => {
                let items = body.as_array().or_else(|| body["items"].as_array());
                for notification in items.into_iter().flatten() {
                    match self.handle_notification(notification, take) {
                        MessageOutcome::Continue => {}
                        other => return Ok(other),
                    }
                }
                Ok(MessageOutcome::Continue)
            }
            "resumed" => {
                for cursor in body["cursors"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                    let Some((stream, sequence)) = decode_cursor(cursor) else { continue };
                    let position = self.positions.entry(stream).or_default();
                    if position.sequence.is_none_or(|it| it <= sequence) {
                        *position = StreamPosition { sequence: Some(sequence), cursor: Some(cursor.to_owned()) };
                    }
                }
                self.resumed_until = None;
                if body["more"] == true || std::mem::take(&mut self.came_early) {
                    return Ok(MessageOutcome::ResumeNeeded);
                }
                let taken = take(self, Received::Resumed);
                Ok(if taken.is_break() { MessageOutcome::Stopped } else { MessageOutcome::Continue })
            }
            "pong" => {
                let behind = |cursor: &str| {
                    let (stream, sequence) = decode_cursor(cursor)?;
                    Some(self.positions.get(&stream)?.sequence? < sequence)
                };
                let heads = body["cursors"].as_array().into_iter().flatten().filter_map(Value::as_str);
                Ok(if heads.filter_map(behind).any(|it| it) {
                    MessageOutcome::ResumeNeeded
                } else {
                    MessageOutcome::Continue
                })
            }
            "gap" => {
                let from = body["from"].as_str();
                let stream = body["stream"].as_str().unwrap_or_default().to_owned();
                print::note(&format!("{stream}: what was before is not kept any more; read {}", body["href"]));
                self.positions.insert(stream, StreamPosition { sequence: None, cursor: from.map(str::to_owned) });
                Ok(if from.is_some() { MessageOutcome::ResumeNeeded } else { MessageOutcome::Continue })
            }
            "reconnect" if body["afterMs"].as_u64().is_some_and(|it| it < 30_000) => Ok(MessageOutcome::Reconnect),
            "error" => {
                // the server refuses single cursors, and resumes behind the others
                let refused_cursors: Vec<&str> =
                    body["refused"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                let sent = self.positions.values().filter(|it| it.cursor.is_some()).count();
                self.positions.retain(|_, it| it.cursor.as_deref().is_none_or(|it| !refused_cursors.contains(&it)));
                let left = self.positions.values().filter(|it| it.cursor.is_some()).count();
                if left == 0 || left == sent {
                    return Err(server_error(&body["message"]));
                }
                print::note(&format!("{}: {} of {sent}", body["message"].as_str().unwrap_or_default(), sent - left));
                Ok(MessageOutcome::Continue)
            }
            _ => Ok(MessageOutcome::Continue),
        }
    }

    /// Takes the next notification of its stream. An earlier one is ignored; one that comes too early means that others
    /// are missing.
    fn handle_notification(
        &mut self,
        item: &Value,
        take: &mut impl FnMut(&Self, Received<'_>) -> ControlFlow<()>,
    ) -> MessageOutcome {
        let (cursor, Some(number)) = (item["cursor"].as_str().unwrap_or_default(), item["sequence"].as_u64()) else {
            return MessageOutcome::Continue;
        };
        let Some((stream, _)) = decode_cursor(cursor) else { return MessageOutcome::Continue };
        let resuming = self.resumed_until.is_some();
        let position = self.positions.entry(stream.clone()).or_default();
        match position.sequence {
            Some(last) if number <= last => {
                self.repeated += 1;
                return MessageOutcome::Continue;
            }
            Some(last) if number > last + 1 && position.cursor.is_some() && resuming => {
                self.came_early = true;
                return MessageOutcome::Continue;
            }
            Some(last) if number > last + 1 && position.cursor.is_some() => return MessageOutcome::ResumeNeeded,
            _ => {}
        }
        *position = StreamPosition { sequence: Some(number), cursor: Some(cursor.to_owned()) };
        match take(self, Received::Notification { stream: &stream, item }) {
            ControlFlow::Continue(()) => MessageOutcome::Continue,
            ControlFlow::Break(()) => MessageOutcome::Stopped,
        }
    }
}

/// What has to happen after a message.
enum MessageOutcome {
    Continue,
    ResumeNeeded,
    Stopped,
    Reconnect,
}

/// The sequence number in an id: the seed's frames have no number of their own.
fn seed_sequence(notification: &Value) -> Option<u64> {
    notification["id"].as_str()?.rsplit('_').next()?.parse().ok()
}

fn signalr_record(message: &Value) -> String {
    format!("{message}{RECORD_SEPARATOR}")
}

fn server_error(why: &Value) -> CliError {
    CliError::Other(format!("the server says: {}", why.as_str().unwrap_or("no")))
}

/// Sends a text; `false` if the connection is lost.
async fn send_text(stream: &mut Stream, text: &str) -> bool {
    stream.send(Message::text(text)).await.is_ok()
}

/// The stream and the sequence number of a cursor. Cursors are opaque to other clients; this program comes with the
/// API.
fn decode_cursor(cursor: &str) -> Option<(String, u64)> {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let position: Value = serde_json::from_slice(&bytes).ok()?;
    Some((position["stream"].as_str()?.to_owned(), position["sequence"].as_u64()?))
}

#[cfg(test)]
mod tests;
