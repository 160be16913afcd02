//! `notify listen`: a user's notifications as they come, over any of the three socket protocols; after a drop it goes on
//! where it stopped.

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

use crate::client::{Client, Target, moment};
use crate::error::CliError;
use crate::print::{self, say};

/// What SignalR's records end with.
const END: char = '\u{1e}';
/// A sign of life: our protocol's idle limit is ten minutes, SignalR's clients give up after 30 seconds.
const PING: Duration = Duration::from_secs(240);
const PING_SIGNALR: Duration = Duration::from_secs(15);
/// Attempts to connect again, a third of a second longer apart each, before it is said that nobody is there.
const ATTEMPTS: u32 = 30;

#[derive(Args)]
#[command(after_help = "Example:\n  notify listen --user 123 --protocol signalr")]
pub(crate) struct Listen {
    /// The user whose notifications are printed
    #[arg(long, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    user: String,
    /// The protocol of the socket
    #[arg(long, value_enum, default_value = "native")]
    protocol: Protocol,
    /// Begin behind this cursor, not with what comes now
    #[arg(long)]
    after: Option<String>,
    /// End after so many notifications, 1 or more; without it, go on until Ctrl-C
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Where sockets are, if not on the API's own host (the output `SocketUrl`)
    #[arg(long, env = "NOTIFY_SOCKET_URL")]
    socket_url: Option<String>,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Protocol {
    /// Ours: JSON messages
    Native,
    /// The original system's: JSON lists
    Seed,
    /// SignalR's JSON hub protocol
    Signalr,
}

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What is known of a stream: the last number that was shown, and its cursor.
#[derive(Default)]
struct Place {
    sequence: Option<u64>,
    cursor: Option<String>,
}

struct Listener {
    client: Client,
    it: Listen,
    json: bool,
    /// By stream. Numbers have no gaps, so what is missing is seen.
    places: BTreeMap<String, Place>,
    /// Numbers that were shown, in the seed's protocol.
    seen: BTreeSet<u64>,
    shown: u64,
}

/// How a connection ended.
enum End {
    Lost,
    Enough,
}

pub(crate) async fn run(it: Listen, data: &Path, json: bool) -> Result<(), CliError> {
    let client = Client::open(it.target.clone(), data)?;
    let first = Place { sequence: None, cursor: it.after.clone() };
    let places = [(format!("user:{}", it.user), first)].into();
    let mut listener = Listener { client, it, json, places, seen: BTreeSet::new(), shown: 0 };
    let mut failures = 0;
    loop {
        match listener.connect().await {
            Ok(stream) => {
                failures = 0;
                if let End::Enough = listener.listen(stream).await? {
                    return Ok(());
                }
                print::note("the connection was lost; connecting again");
            }
            Err(error) => {
                failures += 1;
                // the first time something is wrong with what was asked; later the other side may be starting anew
                if failures == 1 && listener.shown == 0 && listener.places.values().all(|it| it.sequence.is_none())
                    || failures > ATTEMPTS
                {
                    return Err(error);
                }
            }
        }
        for _ in 0..failures.max(1) {
            moment().await;
        }
    }
}

impl Listener {
    async fn connect(&self) -> Result<Stream, CliError> {
        let user = &self.it.user;
        let path = Client::path(&["api", "v1", "Inbox", user, "Tickets"])?;
        let request = self.client.request(Method::POST, &path).json(&json!({}));
        let ticket = self.client.ask("a ticket", request).await?;
        let ticket = ticket["ticket"].as_str().unwrap_or_default();
        let url = match &self.it.socket_url {
            Some(url) => {
                let protocol = format!("{:?}", self.it.protocol).to_lowercase();
                let user: String =
                    reqwest::Url::parse_with_params(url, [("protocol", protocol.as_str()), ("user", user)])
                        .map_err(|it| CliError::Usage(format!("--socket-url: {it}")))?
                        .into();
                format!("{user}&ticket={ticket}")
            }
            None => {
                let path = match self.it.protocol {
                    Protocol::Native => "/api/v1/Inbox/Socket".to_owned(),
                    Protocol::Signalr => "/hubs/notifications".to_owned(),
                    Protocol::Seed => Client::path(&["notifications", "ws", user])?,
                };
                format!("{}{path}?ticket={ticket}", self.client.url.replacen("http", "ws", 1))
            }
        };
        // the address holds a ticket: errors must not
        let request =
            url.into_client_request().map_err(|_| CliError::Other("the socket's address is none".to_owned()))?;
        match connect_async(request).await {
            Ok((stream, _)) => Ok(stream),
            Err(Error::Http(answer)) => {
                let (status, reason) = (answer.status().as_u16(), "the socket was refused".to_owned());
                Err(CliError::Answer { what: "opening a socket".to_owned(), status, field: None, reason })
            }
            Err(other) => Err(CliError::Other(format!("the socket does not open: {other}"))),
        }
    }

    async fn listen(&mut self, mut stream: Stream) -> Result<End, CliError> {
        // its ticket asks for no groups: a cursor of one would be refused
        self.places.retain(|it, _| !it.starts_with("group:"));
        if self.it.protocol == Protocol::Signalr
            && !say(&mut stream, &record(&json!({ "protocol": "json", "version": 1 }))).await
        {
            return Ok(End::Lost);
        }
        if !say(&mut stream, &self.resume()).await {
            return Ok(End::Lost);
        }
        let pause = if self.it.protocol == Protocol::Signalr { PING_SIGNALR } else { PING };
        loop {
            let message = match tokio::time::timeout(pause, stream.next()).await {
                Ok(Some(Ok(it))) => it,
                Ok(_) => return Ok(End::Lost),
                Err(_) => {
                    let ping = match self.it.protocol {
                        Protocol::Native => json!({ "action": "ping" }).to_string(),
                        Protocol::Signalr => record(&json!({ "type": 6 })),
                        Protocol::Seed => continue, // the seed's protocol has no word for it
                    };
                    if !say(&mut stream, &ping).await {
                        return Ok(End::Lost);
                    }
                    continue;
                }
            };
            let text = match message {
                Message::Text(text) => text,
                Message::Close(_) => return Ok(End::Lost),
                _ => continue,
            };
            for one in text.split(END).filter(|it| !it.is_empty()) {
                let Ok(value) = serde_json::from_str(one) else { continue };
                match self.take(&value)? {
                    Taken::Fine => {}
                    Taken::Missing => {
                        if !say(&mut stream, &self.resume()).await {
                            return Ok(End::Lost);
                        }
                    }
                    Taken::Enough => {
                        drop(stream.close(None).await); // we leave either way
                        return Ok(End::Enough);
                    }
                    Taken::Reconnect => return Ok(End::Lost),
                }
            }
        }
    }

    /// Asks for what follows the last cursors.
    fn resume(&self) -> String {
        let cursors: Vec<&String> = self.places.values().filter_map(|it| it.cursor.as_ref()).collect();
        match self.it.protocol {
            Protocol::Native => json!({ "action": "resume", "after": cursors }).to_string(),
            Protocol::Signalr => {
                record(&json!({ "type": 1, "invocationId": "resume", "target": "Resume", "arguments": [cursors] }))
            }
            Protocol::Seed => String::new(), // it tells what is unread by itself
        }
    }

    fn take(&mut self, message: &Value) -> Result<Taken, CliError> {
        if let Value::Array(items) = message {
            let fresh = items.iter().filter_map(|it| self.number_of_seed(it).map(|number| (it.clone(), number)));
            for (it, number) in fresh.collect::<Vec<_>>() {
                // in this protocol nothing says in which order they come
                if self.seen.insert(number) && self.show("", &it) {
                    return Ok(Taken::Enough);
                }
            }
            return Ok(Taken::Fine);
        }
        // SignalR calls what our own protocol names
        let (kind, body) = match (message["type"].as_u64(), message["target"].as_str()) {
            (Some(1), Some(target)) => (target.to_lowercase(), &message["arguments"][0]),
            (Some(3), _) if message["error"].is_string() => return Err(refused(&message["error"])),
            (Some(3), _) => ("resumed".to_owned(), &message["result"]),
            (Some(7), _) => return Ok(Taken::Reconnect),
            _ => (message["type"].as_str().unwrap_or_default().to_lowercase(), message),
        };
        match kind.as_str() {
            "notifications" => {
                let items = body.as_array().or_else(|| body["items"].as_array()).cloned().unwrap_or_default();
                for it in items {
                    match self.notification(&it) {
                        Taken::Fine => {}
                        other => return Ok(other),
                    }
                }
                Ok(Taken::Fine)
            }
            "resumed" => {
                for cursor in body["cursors"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                    let Some((stream, sequence)) = place_of(cursor) else { continue };
                    let place = self.places.entry(stream).or_default();
                    if place.sequence.is_none_or(|it| it <= sequence) {
                        *place = Place { sequence: Some(sequence), cursor: Some(cursor.to_owned()) };
                    }
                }
                Ok(if body["more"] == true { Taken::Missing } else { Taken::Fine })
            }
            "pong" => {
                let behind = |cursor: &str| {
                    let (stream, sequence) = place_of(cursor)?;
                    Some(self.places.get(&stream)?.sequence? < sequence)
                };
                let heads = body["cursors"].as_array().into_iter().flatten().filter_map(Value::as_str);
                Ok(if heads.filter_map(behind).any(|it| it) { Taken::Missing } else { Taken::Fine })
            }
            "gap" => {
                let from = body["from"].as_str();
                let stream = body["stream"].as_str().unwrap_or_default().to_owned();
                print::note(&format!("{stream}: what was before is not kept any more; read {}", body["href"]));
                self.places.insert(stream, Place { sequence: None, cursor: from.map(str::to_owned) });
                Ok(if from.is_some() { Taken::Missing } else { Taken::Fine })
            }
            "reconnect" if body["afterMs"].as_u64().is_some_and(|it| it < 30_000) => Ok(Taken::Reconnect),
            "error" => {
                // cursors that are refused among others: what follows the others comes
                let refused_cursors: Vec<&str> =
                    body["refused"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                let sent = self.places.values().filter(|it| it.cursor.is_some()).count();
                self.places.retain(|_, it| it.cursor.as_deref().is_none_or(|it| !refused_cursors.contains(&it)));
                let left = self.places.values().filter(|it| it.cursor.is_some()).count();
                if left == 0 || left == sent {
                    return Err(refused(&body["message"]));
                }
                print::note(&format!("{}: {} of {sent}", body["message"].as_str().unwrap_or_default(), sent - left));
                Ok(Taken::Fine)
            }
            _ => Ok(Taken::Fine),
        }
    }

    /// Shows a notification that comes next; one that came before is dropped, one that comes too early shows that something
    /// is missing.
    fn notification(&mut self, it: &Value) -> Taken {
        let (cursor, Some(number)) = (it["cursor"].as_str().unwrap_or_default(), it["sequence"].as_u64()) else {
            return Taken::Fine;
        };
        let Some((stream, _)) = place_of(cursor) else { return Taken::Fine };
        let place = self.places.entry(stream.clone()).or_default();
        match place.sequence {
            Some(last) if number <= last => return Taken::Fine,
            Some(last) if number > last + 1 && place.cursor.is_some() => return Taken::Missing,
            _ => {}
        }
        *place = Place { sequence: Some(number), cursor: Some(cursor.to_owned()) };
        if self.show(&stream, it) { Taken::Enough } else { Taken::Fine }
    }

    /// The sequence number in an id: the seed's frames have no number of their own.
    fn number_of_seed(&self, it: &Value) -> Option<u64> {
        it["id"].as_str()?.rsplit('_').next()?.parse().ok()
    }

    /// Shows one; `true` if it was the last that is wanted.
    fn show(&mut self, stream: &str, it: &Value) -> bool {
        if self.json {
            say!("{it}");
        } else {
            let text = |name: &str| it[name].as_str().unwrap_or_default();
            let at = it["createdAt"].as_str().or_else(|| it["created_at"].as_str()).unwrap_or_default();
            let number = it["sequence"].as_u64().map(|it| format!("#{it} ")).unwrap_or_default();
            let what = if it["deleted"] == true { "(deleted)" } else { text("title") };
            say!("{at} {stream} {number}{} {what} {}", text("type"), text("description"));
        }
        self.shown += 1;
        self.it.count.is_some_and(|most| self.shown >= most)
    }
}

/// What a message means for the connection.
enum Taken {
    Fine,
    Missing,
    Enough,
    Reconnect,
}

fn record(it: &Value) -> String {
    format!("{it}{END}")
}

fn refused(why: &Value) -> CliError {
    CliError::Other(format!("the server says: {}", why.as_str().unwrap_or("no")))
}

/// Says something; `false` if the connection is lost.
async fn say(stream: &mut Stream, text: &str) -> bool {
    text.is_empty() || stream.send(Message::text(text)).await.is_ok()
}

/// The stream and the number that a cursor names. To anybody else a cursor is opaque; this program comes with the API.
fn place_of(cursor: &str) -> Option<(String, u64)> {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let it: Value = serde_json::from_slice(&bytes).ok()?;
    Some((it["stream"].as_str()?.to_owned(), it["sequence"].as_u64()?))
}
