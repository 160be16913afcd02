//! WebSocket connections: users, protocols and topics; and SignalR connections that outlive a socket.

use serde::{Deserialize, Serialize};

use crate::AppId;
use crate::notification::Stream;

/// API Gateway closes a connection after two hours. Its rows expire a little later.
pub const MAX_CONNECTION_MS: i64 = 7_200_000;
/// Clients are asked to reconnect 100 to 115 minutes after they connected, spread so that not all reconnect at once
/// (AWS, 2.6).
const RECONNECT_FROM_MS: i64 = 6_000_000;
const RECONNECT_SPREAD_MS: i64 = 900_000;
/// A connection is not open before its `$connect` was answered. Until then API Gateway answers 410 to messages for it.
const OPENING_MS: i64 = 10_000;
/// How long a lost connection can be resumed with SignalR's stateful reconnect. Clients try once, immediately.
pub const RESUMABLE_MS: i64 = 60_000;
/// A SignalR connection is valid for a day after its negotiation, like a token.
const MAX_HUB_AGE_MS: i64 = 86_400_000;
/// Number of partitions of the broadcast topic.
pub const BROADCAST_SHARDS: u8 = 16;
/// Handled messages of a SignalR client that are remembered. A client waits for acknowledgements, which are sent at once.
const MAX_HANDLED_DIGESTS: usize = 32;
/// Maximum number of groups per connection.
pub const MAX_GROUPS: usize = 20;

/// The protocol of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// JSON frames with an `action` or a `type`.
    Native,
    /// The original system's (in JSON `seed`): JSON arrays of notifications, server to client only.
    #[serde(rename = "seed")]
    Legacy,
    /// SignalR's JSON hub protocol (realtime, section 8).
    SignalR,
    /// That of OMA's notification channels (NC App. I).
    Oma,
}

/// The user of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionUser {
    pub app: AppId,
    pub user: String,
    /// The groups that the application assigned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Whether the connection receives the application's own stream as well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub messages: bool,
    /// Whether the connection only receives: its client changes no read state and acknowledges nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
}

impl ConnectionUser {
    pub fn new(app: AppId, user: String, groups: Vec<String>) -> Self {
        Self { app, user, groups, messages: false, read_only: false }
    }
}

/// A WebSocket connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// API Gateway's connection id.
    pub id: String,
    #[serde(flatten)]
    pub member: ConnectionUser,
    pub protocol: Protocol,
    /// When it connected, in milliseconds.
    pub since: i64,
    /// SHA-256 of the token of its [`HubConnection`], if the client requested a stateful one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub: Option<String>,
    /// The number of the user's notification channel that it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<u64>,
}

/// A connection's subscription to a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscriber {
    pub connection: String,
    pub protocol: Protocol,
    pub since: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub: Option<String>,
}

impl Subscriber {
    /// The key of the subscriber in its topic.
    pub fn key(&self) -> &str {
        self.hub.as_deref().unwrap_or(&self.connection)
    }

    /// Whether the connection may not be open yet.
    pub fn may_be_opening(&self, now_ms: i64) -> bool {
        now_ms - self.since < OPENING_MS
    }
}

impl Connection {
    /// The streams that the connection receives.
    pub fn streams(&self) -> Vec<Stream> {
        let groups = self.member.groups.iter().map(|it| Stream::Group(it.clone()));
        let own = self.member.messages.then_some(Stream::App);
        [Stream::User(self.member.user.clone())]
            .into_iter()
            .chain(groups)
            .chain([Stream::Everyone])
            .chain(own)
            .collect()
    }

    /// The topics that the connection subscribes to: its streams, of which the broadcast stream is sharded.
    pub fn topics(&self) -> Vec<String> {
        let topic = |stream: Stream| match stream {
            Stream::Everyone => {
                broadcast_topic(self.subscriber().key().bytes().fold(0, |sum, it| sum ^ it) % BROADCAST_SHARDS)
            }
            other => other.to_string(),
        };
        self.streams().into_iter().map(topic).collect()
    }

    /// The connection as a subscriber of its topics.
    pub fn subscriber(&self) -> Subscriber {
        let (connection, hub) = (self.id.clone(), self.hub.clone());
        Subscriber { connection, protocol: self.protocol, since: self.since, hub }
    }

    /// How long until the client should reconnect, in milliseconds; `None` while that is not due.
    pub fn reconnect_after(&self, now_ms: i64) -> Option<u64> {
        let spread = self.id.bytes().fold(0_i64, |sum, it| (sum * 31 + i64::from(it)) % RECONNECT_SPREAD_MS);
        let age = now_ms - self.since;
        // pings come every five minutes, so the client is notified early
        let due = RECONNECT_FROM_MS + spread;
        (age + 300_000 >= due).then(|| u64::try_from(due - age).unwrap_or(0))
    }
}

/// The name of a shard of the broadcast topic.
pub fn broadcast_topic(number: u8) -> String {
    format!("everyone.{number:02}")
}

/// A SignalR connection with stateful reconnect: it outlives its sockets and keeps what is not acknowledged (realtime,
/// section 8.7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HubConnection {
    #[serde(flatten)]
    pub member: ConnectionUser,
    /// When it was negotiated, in milliseconds. It expires a day later.
    pub since: i64,
    /// Whether the client requested stateful reconnect.
    pub stateful: bool,
    /// The id of the WebSocket connection that carries it now.
    #[serde(default)]
    pub connection: Option<String>,
    /// When that socket opened or closed, in milliseconds.
    pub at: i64,
    /// Whether the handshake is done. A socket that resumes the connection makes none.
    #[serde(default)]
    #[serde(rename = "shaken")]
    pub handshake_done: bool,
    /// Whether a new socket waits for the client's Sequence message. Nothing is sent before it.
    #[serde(default)]
    pub resuming: bool,
    /// Number of our messages sent, and of those that the client has acknowledged.
    #[serde(default)]
    pub sent: u64,
    #[serde(default)]
    pub acked: u64,
    /// Number of the client's messages received, and of those that were handled. They are acknowledged only when both
    /// are equal.
    #[serde(default)]
    pub received: u64,
    #[serde(default)]
    pub handled: u64,
    /// Digests of the last handled messages, and of those that may be repeated on this socket and are skipped then.
    /// Counting does not suffice, because messages of one socket are handled concurrently.
    #[serde(default)]
    #[serde(rename = "known")]
    pub handled_digests: Vec<u64>,
    #[serde(default)]
    #[serde(rename = "again")]
    pub replayable_digests: Vec<u64>,
    /// The current sender and the end of its lease, in milliseconds: messages are sent in order.
    #[serde(default)]
    pub sending: Option<(String, i64)>,
    /// Version for optimistic locking.
    #[serde(default)]
    pub revision: u64,
    /// Writer of the last change: two writers of the same change differ.
    #[serde(default)]
    pub writer: String,
}

impl HubConnection {
    /// A negotiated connection that no socket carries yet.
    pub fn new(member: ConnectionUser, stateful: bool, now_ms: i64) -> Self {
        Self {
            member,
            since: now_ms,
            stateful,
            connection: None,
            at: now_ms,
            handshake_done: false,
            resuming: false,
            sent: 0,
            acked: 0,
            received: 0,
            handled: 0,
            handled_digests: Vec::new(),
            replayable_digests: Vec::new(),
            sending: None,
            revision: 0,
            writer: String::new(),
        }
    }

    /// Whether a new socket may attach: the first one within a minute of the negotiation, a later one only with
    /// stateful reconnect.
    pub fn may_attach(&self, now_ms: i64) -> bool {
        if now_ms - self.since > MAX_HUB_AGE_MS {
            return false; // the client negotiates again, and authenticates again
        }
        if self.handshake_done {
            self.stateful && (self.connection.is_some() || now_ms - self.at < RESUMABLE_MS)
        } else {
            now_ms - self.at < RESUMABLE_MS
        }
    }

    /// A new socket carries the connection.
    pub fn attach(&mut self, connection: &str, now_ms: i64) {
        (self.connection, self.at) = (Some(connection.to_owned()), now_ms);
        (self.resuming, self.sending) = (self.handshake_done, None);
    }

    /// Its socket closed.
    pub fn detach(&mut self, now_ms: i64) {
        (self.connection, self.at) = (None, now_ms);
        (self.resuming, self.sending) = (self.handshake_done, None);
    }

    /// The client's Sequence message on a new socket: its messages before `next` are acknowledged, the others are
    /// repeated, and those of them that were handled are skipped. A number beyond those that were handled counts as the
    /// last of these, since nothing more was acknowledged. Returns the number of the first of our messages that it gets,
    /// possibly again.
    pub fn resume(&mut self, next: u64) -> u64 {
        self.resuming = false;
        let acked = next.saturating_sub(1).min(self.handled);
        // only complete prefixes are acknowledged: what was handled since then is not acknowledged
        let handled_count = usize::try_from(self.handled.saturating_sub(acked)).unwrap_or(usize::MAX);
        self.replayable_digests =
            self.handled_digests.split_off(self.handled_digests.len().saturating_sub(handled_count));
        self.handled_digests.clear();
        (self.received, self.handled) = (acked, acked);
        self.sent = self.acked;
        self.acked + 1
    }

    /// Receives messages of the client. Returns which of them are new.
    pub fn receive(&mut self, digests: &[u64]) -> Vec<bool> {
        self.received += digests.len() as u64;
        let is_new =
            digests.iter().map(|digest| match self.replayable_digests.iter().position(|known| known == digest) {
                Some(index) => {
                    self.replayable_digests.remove(index);
                    false
                }
                None => true,
            });
        is_new.collect()
    }

    /// Whether this socket carries the connection, and is not waiting for the client's Sequence message.
    pub fn is_carried_by(&self, connection: &str) -> bool {
        self.connection.as_deref() == Some(connection) && !self.resuming
    }

    /// Messages of the client were handled, now or before. Returns the number up to which they may be acknowledged, if
    /// no earlier message is still in progress.
    pub fn complete(&mut self, digests: &[u64]) -> Option<u64> {
        self.handled += digests.len() as u64;
        self.handled_digests.extend(digests);
        self.handled_digests.drain(..self.handled_digests.len().saturating_sub(MAX_HANDLED_DIGESTS));
        (self.handled == self.received).then_some(self.handled)
    }

    /// The client acknowledges our messages up to a number. Numbers that were never sent are ignored. While a new
    /// socket waits for the client's Sequence message, our number must not change.
    pub fn ack(&mut self, number: u64) {
        if !self.resuming {
            self.acked = self.acked.max(number.min(self.sent));
        }
    }
}

#[cfg(test)]
mod tests;
