//! A client of sockets, on the wire: no code of the product in it.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::{PATIENCE, World, text};

/// An open socket.
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// Records of one message that were not asked for yet.
    waiting: VecDeque<Value>,
    /// Notifications of one frame that were not asked for yet.
    items: VecDeque<Value>,
    /// The subprotocol that the server chose.
    pub protocol: Option<String>,
}

/// How a socket ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disconnect {
    Closed(u16),
    Lost,
}

impl Socket {
    /// Opens a socket; or the status with which it was refused.
    pub async fn open(url: &str, headers: &[(&str, &str)]) -> Result<Self, u16> {
        let mut request = url.replacen("http", "ws", 1).into_client_request().expect("a URL");
        for (name, value) in headers {
            let name: HeaderName = name.parse().expect("a header's name");
            request.headers_mut().insert(name, HeaderValue::from_str(value).expect("a header's value"));
        }
        match connect_async(request).await {
            Ok((stream, answer)) => {
                let protocol = answer.headers().get("sec-websocket-protocol").and_then(|it| it.to_str().ok());
                Ok(Self {
                    stream,
                    waiting: VecDeque::new(),
                    items: VecDeque::new(),
                    protocol: protocol.map(str::to_owned),
                })
            }
            Err(Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(other) => panic!("the socket does not open: {other}"),
        }
    }

    pub async fn say(&mut self, message: &Value) {
        self.text(message.to_string()).await;
    }

    pub async fn text(&mut self, message: String) {
        self.stream.send(Message::text(message)).await.expect("the socket takes a message");
    }

    /// Says records of SignalR's.
    pub async fn records(&mut self, records: &[Value]) {
        self.text(records.iter().map(|it| format!("{it}\u{1e}")).collect()).await;
    }

    /// Says something, if the socket is still open; `false` if it is not.
    pub async fn try_say(&mut self, message: &Value) -> bool {
        self.stream.send(Message::text(message.to_string())).await.is_ok()
    }

    /// Says records of SignalR's, if the socket is still open.
    pub async fn try_records(&mut self, records: &[Value]) -> bool {
        let text: String = records.iter().map(|it| format!("{it}\u{1e}")).collect();
        self.stream.send(Message::text(text)).await.is_ok()
    }

    /// The next message, if one comes within two seconds.
    pub async fn soon(&mut self) -> Option<Result<Value, Disconnect>> {
        self.within(Duration::from_secs(2)).await
    }

    /// The next message, if one comes within a time.
    pub async fn within(&mut self, patience: Duration) -> Option<Result<Value, Disconnect>> {
        tokio::time::timeout(patience, self.next()).await.ok()
    }

    /// The next message, or the next record of one.
    pub async fn next(&mut self) -> Result<Value, Disconnect> {
        loop {
            if let Some(it) = self.waiting.pop_front() {
                return Ok(it);
            }
            let text = self.next_text().await?;
            let parse = |it: &str| serde_json::from_str(it).expect("messages are JSON");
            self.waiting.extend(text.split('\u{1e}').filter(|it| !it.is_empty()).map(parse));
        }
    }

    /// The next message as it came: not every protocol speaks JSON.
    pub async fn next_text(&mut self) -> Result<String, Disconnect> {
        loop {
            let next =
                tokio::time::timeout(PATIENCE, self.stream.next()).await.expect("something comes in ten minutes");
            match next {
                Some(Ok(Message::Text(text))) => return Ok(text.to_string()),
                Some(Ok(Message::Close(frame))) => {
                    return Err(Disconnect::Closed(frame.map_or(1005, |it| it.code.into())));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(Disconnect::Lost),
            }
        }
    }

    /// The next record of SignalR's of a type.
    pub async fn wait_record(&mut self, kind: u64) -> Value {
        loop {
            let it = self.next().await.expect("the socket stays open");
            if it["type"] == kind {
                return it;
            }
        }
    }

    /// The next message of a type; what comes before it is dropped.
    pub async fn wait(&mut self, kind: &str) -> Value {
        loop {
            let it = self.next().await.expect("the socket stays open");
            if it["type"] == kind {
                return it;
            }
        }
    }

    /// The next notification of a type, in whatever frame it comes; others before it are dropped.
    pub async fn item(&mut self, kind: &str) -> Value {
        loop {
            while let Some(it) = self.items.pop_front() {
                if it["type"] == kind {
                    return it;
                }
            }
            let frame = self.wait("notifications").await;
            self.items.extend(frame["items"].as_array().expect("items").clone());
        }
    }

    /// Numbers of notifications until a catch-up ends, each once, in order, and the cursor at its end.
    pub async fn caught_up(&mut self) -> (Vec<u64>, String) {
        let mut seen = BTreeSet::new();
        loop {
            let it = self.next().await.expect("the socket stays open");
            match it["type"].as_str().expect("a type") {
                "notifications" => {
                    let items = it["items"].as_array().expect("items");
                    seen.extend(items.iter().filter_map(|it| it["sequence"].as_u64()));
                }
                "resumed" => {
                    assert_eq!(it["more"], false);
                    return (seen.into_iter().collect(), text(&it["cursors"][0]));
                }
                _ => {}
            }
        }
    }

    /// Ends without a word, as a lost connection does.
    pub fn cut(self) {}

    pub async fn close(mut self) {
        drop(self.stream.close(None).await); // whether the other side hears it is its matter
    }
}

impl World<'_> {
    /// A ticket for a user.
    pub async fn ticket(&self, user: &str, groups: &[&str]) -> String {
        self.pass(user, "Tickets", groups).await
    }

    /// A token for a user.
    pub async fn token(&self, user: &str, groups: &[&str]) -> String {
        self.pass(user, "Tokens", groups).await
    }

    async fn pass(&self, user: &str, kind: &str, groups: &[&str]) -> String {
        let path = format!("/api/v1/Inbox/{user}/{kind}");
        let (status, answer) = self.ask("POST", &path, Some(json!({ "groups": groups }))).await;
        assert_eq!(status, 201, "{answer}");
        answer["ticket"].as_str().or_else(|| answer["token"].as_str()).expect("a pass").to_owned()
    }

    /// A socket in our own protocol, live from the newest notification on, or from a cursor on.
    pub async fn listen(&self, user: &str, after: Option<&str>) -> Socket {
        let ticket = self.ticket(user, &[]).await;
        let url = format!("{}/api/v1/Inbox/Socket?ticket={ticket}", self.stack.url);
        let mut socket = Socket::open(&url, &[]).await.expect("a ticket opens a socket");
        socket.say(&json!({ "action": "resume", "after": after })).await;
        socket
    }

    /// Sends a notification to a user; answers what came back for it.
    pub async fn send(&self, user: &str, title: &str) -> Value {
        let (status, sent) =
            self.ask("POST", &format!("/api/v1/Inbox/{user}/Notifications"), Some(json!({ "title": title }))).await;
        assert_eq!(status, 201, "{sent}");
        sent[0].clone()
    }
}
