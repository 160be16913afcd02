//! `notify listen`: prints a user's notifications as they arrive, over any of the three socket protocols. After a
//! dropped connection it resumes behind the last notification.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use clap::{Args, ValueEnum};
use futures_util::{SinkExt, StreamExt};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::client::{Client, Target, poll_delay};
use crate::error::CliError;
use crate::print::{self, outln};

/// The record separator of SignalR's hub protocol.
const RECORD_SEPARATOR: char = '\u{1e}';
/// How often a ping is sent. API Gateway closes idle connections after 10 minutes; SignalR's clients give up after 30
/// seconds.
const PING_INTERVAL: Duration = Duration::from_secs(240);
const SIGNALR_PING_INTERVAL: Duration = Duration::from_secs(15);
/// Attempts to reconnect before the command fails. Each waits 0.3 seconds longer than the one before.
const MAX_RECONNECTS: u32 = 30;

#[derive(Args)]
#[command(after_help = "Example:\n  notify listen --user 123 --protocol signalr")]
pub(crate) struct ListenArgs {
    /// The user whose notifications are printed
    #[arg(long, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    user: String,
    /// The protocol of the socket
    #[arg(long, value_enum, default_value = "native")]
    protocol: Protocol,
    /// Begin behind this cursor, not with new notifications
    #[arg(long)]
    after: Option<String>,
    /// Stop after so many notifications, 1 or more; without it, on Ctrl-C
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// The URL of the WebSocket API, unless it is on the API's own host (the stack's output `SocketUrl`)
    #[arg(long, env = "NOTIFY_SOCKET_URL")]
    socket_url: Option<String>,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Protocol {
    /// The native protocol: JSON messages
    Native,
    /// The original system's: JSON lists
    Seed,
    /// SignalR's JSON hub protocol
    Signalr,
}

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The position in a stream: the last sequence number that was shown, and its cursor.
#[derive(Default)]
struct StreamPosition {
    sequence: Option<u64>,
    cursor: Option<String>,
}

struct Listener {
    client: Client,
    args: ListenArgs,
    json: bool,
    /// Positions by stream. Sequence numbers have no gaps, so a missing notification is noticed.
    positions: BTreeMap<String, StreamPosition>,
    /// Sequence numbers that were shown, in the seed's protocol.
    seen_sequences: BTreeSet<u64>,
    shown: u64,
}

/// How a connection ended.
enum ListenOutcome {
    ConnectionLost,
    CountReached,
}

pub(crate) async fn run(args: ListenArgs, data: &Path, json: bool) -> Result<(), CliError> {
    let client = Client::open(args.target.clone(), data)?;
    let first = StreamPosition { sequence: None, cursor: args.after.clone() };
    let positions = [(format!("user:{}", args.user), first)].into();
    let mut listener = Listener { client, args, json, positions, seen_sequences: BTreeSet::new(), shown: 0 };
    let mut failures = 0;
    loop {
        match listener.connect().await {
            Ok(stream) => {
                failures = 0;
                if let ListenOutcome::CountReached = listener.listen(stream).await? {
                    return Ok(());
                }
                print::note("the connection was lost; connecting again");
            }
            Err(error) => {
                failures += 1;
                // at the start an error is final; later the server may be restarting
                if failures == 1 && listener.shown == 0 && listener.positions.values().all(|it| it.sequence.is_none())
                    || failures > MAX_RECONNECTS
                {
                    return Err(error);
                }
            }
        }
        for _ in 0..failures.max(1) {
            poll_delay().await;
        }
    }
}

impl Listener {
    async fn connect(&self) -> Result<Stream, CliError> {
        let user = &self.args.user;
        let path = Client::path(&["api", "v1", "Inbox", user, "Tickets"])?;
        let request = self.client.request(Method::POST, &path).json(&json!({}));
        let ticket = self.client.send("a ticket", request).await?;
        let ticket = ticket["ticket"].as_str().unwrap_or_default();
        let url = match &self.args.socket_url {
            Some(url) => {
                let protocol = format!("{:?}", self.args.protocol).to_lowercase();
                let user: String =
                    reqwest::Url::parse_with_params(url, [("protocol", protocol.as_str()), ("user", user)])
                        .map_err(|it| CliError::Usage(format!("--socket-url: {it}")))?
                        .into();
                format!("{user}&ticket={ticket}")
            }
            None => {
                let path = match self.args.protocol {
                    Protocol::Native => "/api/v1/Inbox/Socket".to_owned(),
                    Protocol::Signalr => "/hubs/notifications".to_owned(),
                    Protocol::Seed => Client::path(&["notifications", "ws", user])?,
                };
                format!("{}{path}?ticket={ticket}", self.client.url.replacen("http", "ws", 1))
            }
        };
        // the URL contains a ticket, so no error may show it
        let request =
            url.into_client_request().map_err(|_| CliError::Other("the socket's address is none".to_owned()))?;
        match connect_async(request).await {
            Ok((stream, _)) => Ok(stream),
            Err(Error::Http(answer)) => {
                let (status, reason) = (answer.status().as_u16(), "the socket was refused".to_owned());
                Err(CliError::ErrorResponse { what: "opening a socket".to_owned(), status, field: None, reason })
            }
            Err(other) => Err(CliError::Other(format!("the socket does not open: {other}"))),
        }
    }

    async fn listen(&mut self, mut stream: Stream) -> Result<ListenOutcome, CliError> {
        // the ticket is for no groups, so their cursors would be refused
        self.positions.retain(|it, _| !it.starts_with("group:"));
        if self.args.protocol == Protocol::Signalr
            && !send_text(&mut stream, &signalr_record(&json!({ "protocol": "json", "version": 1 }))).await
        {
            return Ok(ListenOutcome::ConnectionLost);
        }
        if !send_text(&mut stream, &self.resume()).await {
            return Ok(ListenOutcome::ConnectionLost);
        }
        let ping_interval = if self.args.protocol == Protocol::Signalr { SIGNALR_PING_INTERVAL } else { PING_INTERVAL };
        loop {
            let message = match tokio::time::timeout(ping_interval, stream.next()).await {
                Ok(Some(Ok(it))) => it,
                Ok(_) => return Ok(ListenOutcome::ConnectionLost),
                Err(_) => {
                    let ping = match self.args.protocol {
                        Protocol::Native => json!({ "action": "ping" }).to_string(),
                        Protocol::Signalr => signalr_record(&json!({ "type": 6 })),
                        Protocol::Seed => continue, // the seed's protocol has no ping
                    };
                    if !send_text(&mut stream, &ping).await {
                        return Ok(ListenOutcome::ConnectionLost);
                    }
                    continue;
                }
            };
            let text = match message {
                Message::Text(text) => text,
                Message::Close(_) => return Ok(ListenOutcome::ConnectionLost),
                _ => continue,
            };
            for frame in text.split(RECORD_SEPARATOR).filter(|it| !it.is_empty()) {
                let Ok(value) = serde_json::from_str(frame) else { continue };
                match self.handle_message(&value)? {
                    MessageOutcome::Continue => {}
                    MessageOutcome::ResumeNeeded => {
                        if !send_text(&mut stream, &self.resume()).await {
                            return Ok(ListenOutcome::ConnectionLost);
                        }
                    }
                    MessageOutcome::CountReached => {
                        drop(stream.close(None).await); // the connection ends either way
                        return Ok(ListenOutcome::CountReached);
                    }
                    MessageOutcome::Reconnect => return Ok(ListenOutcome::ConnectionLost),
                }
            }
        }
    }

    /// The message that resumes behind the last cursors.
    fn resume(&self) -> String {
        let cursors: Vec<&String> = self.positions.values().filter_map(|it| it.cursor.as_ref()).collect();
        match self.args.protocol {
            Protocol::Native => json!({ "action": "resume", "after": cursors }).to_string(),
            Protocol::Signalr => signalr_record(
                &json!({ "type": 1, "invocationId": "resume", "target": "Resume", "arguments": [cursors] }),
            ),
            Protocol::Seed => String::new(), // its server sends unread notifications without being asked
        }
    }

    fn handle_message(&mut self, message: &Value) -> Result<MessageOutcome, CliError> {
        if let Value::Array(items) = message {
            let numbered = items.iter().filter_map(|it| self.seed_sequence(it).map(|number| (it.clone(), number)));
            for (it, number) in numbered.collect::<Vec<_>>() {
                // this protocol promises no order
                if self.seen_sequences.insert(number) && self.show("", &it) {
                    return Ok(MessageOutcome::CountReached);
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
                let items = body.as_array().or_else(|| body["items"].as_array()).cloned().unwrap_or_default();
                for notification in items {
                    match self.handle_notification(&notification) {
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
                Ok(if body["more"] == true { MessageOutcome::ResumeNeeded } else { MessageOutcome::Continue })
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

    /// Shows the next notification of its stream. An earlier one is ignored; one that comes too early means that others
    /// are missing.
    fn handle_notification(&mut self, notification: &Value) -> MessageOutcome {
        let (cursor, Some(number)) =
            (notification["cursor"].as_str().unwrap_or_default(), notification["sequence"].as_u64())
        else {
            return MessageOutcome::Continue;
        };
        let Some((stream, _)) = decode_cursor(cursor) else { return MessageOutcome::Continue };
        let position = self.positions.entry(stream.clone()).or_default();
        match position.sequence {
            Some(last) if number <= last => return MessageOutcome::Continue,
            Some(last) if number > last + 1 && position.cursor.is_some() => return MessageOutcome::ResumeNeeded,
            _ => {}
        }
        *position = StreamPosition { sequence: Some(number), cursor: Some(cursor.to_owned()) };
        if self.show(&stream, notification) { MessageOutcome::CountReached } else { MessageOutcome::Continue }
    }

    /// The sequence number in an id: the seed's frames have no number of their own.
    fn seed_sequence(&self, notification: &Value) -> Option<u64> {
        notification["id"].as_str()?.rsplit('_').next()?.parse().ok()
    }

    /// Prints a notification. `true` once the requested number is reached.
    fn show(&mut self, stream: &str, notification: &Value) -> bool {
        if self.json {
            outln!("{notification}");
        } else {
            let text = |name: &str| notification[name].as_str().unwrap_or_default();
            let at =
                notification["createdAt"].as_str().or_else(|| notification["created_at"].as_str()).unwrap_or_default();
            let number = notification["sequence"].as_u64().map(|it| format!("#{it} ")).unwrap_or_default();
            let what = if notification["deleted"] == true { "(deleted)" } else { text("title") };
            outln!("{at} {stream} {number}{} {what} {}", text("type"), text("description"));
        }
        self.shown += 1;
        self.args.count.is_some_and(|max| self.shown >= max)
    }
}

/// What has to happen after a message.
enum MessageOutcome {
    Continue,
    ResumeNeeded,
    CountReached,
    Reconnect,
}

fn signalr_record(message: &Value) -> String {
    format!("{message}{RECORD_SEPARATOR}")
}

fn server_error(why: &Value) -> CliError {
    CliError::Other(format!("the server says: {}", why.as_str().unwrap_or("no")))
}

/// Sends a text; `false` if the connection is lost.
async fn send_text(stream: &mut Stream, text: &str) -> bool {
    text.is_empty() || stream.send(Message::text(text)).await.is_ok()
}

/// The stream and the sequence number of a cursor. Cursors are opaque to other clients; this program comes with the
/// API.
fn decode_cursor(cursor: &str) -> Option<(String, u64)> {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let position: Value = serde_json::from_slice(&bytes).ok()?;
    Some((position["stream"].as_str()?.to_owned(), position["sequence"].as_u64()?))
}
