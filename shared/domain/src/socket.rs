//! Sockets: who is connected, by which protocol, and what each is to be told.

use serde::{Deserialize, Serialize};

use crate::AppId;
use crate::notification::Stream;

/// API Gateway cuts a connection after two hours; a little later its rows expire by themselves.
pub const MAX_CONNECTION_MS: i64 = 7_200_000;
/// When a client is asked to connect again: 100 to 115 minutes after it did, so that not all do at once (AWS, 2.6).
const RECONNECT_FROM_MS: i64 = 6_000_000;
const RECONNECT_SPREAD_MS: i64 = 900_000;
/// A connection is not open before its `$connect` was answered: until then it seems to be gone.
const OPENING_MS: i64 = 10_000;
/// A lost connection of SignalR's stateful reconnect can be taken up again for so long; its client tries once, at once.
pub const RESUMABLE_MS: i64 = 60_000;
/// A negotiation is good for a day at most, as a token is.
const MAX_HUB_AGE_MS: i64 = 86_400_000;
/// What everyone is told goes to so many partitions.
pub const BROADCAST_SHARDS: u8 = 16;
/// Records of a SignalR client that are known again: a client waits for us to acknowledge them, which we do at once.
const MAX_HANDLED_DIGESTS: usize = 32;
/// Groups of one connection.
pub const MAX_GROUPS: usize = 20;

/// What is spoken on a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Ours: JSON frames with an `action` or a `type`.
    Native,
    /// The seed's: JSON arrays of notifications, one way.
    Seed,
    /// SignalR's JSON hub protocol (realtime, section 8).
    SignalR,
}

/// Who may connect: a user of an application, with the groups that the application put it in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionUser {
    pub app: AppId,
    pub user: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
}

/// A socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// API Gateway's id of it.
    pub id: String,
    #[serde(flatten)]
    pub member: ConnectionUser,
    pub protocol: Protocol,
    /// When it connected, in milliseconds.
    pub since: i64,
    /// The SignalR connection that outlives sockets, by the SHA-256 of its token, if the client asked for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub: Option<String>,
}

/// One line of a channel: who is told what is told there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscriber {
    pub connection: String,
    pub protocol: Protocol,
    pub since: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub: Option<String>,
}

impl Subscriber {
    /// What names it among the receivers of a channel.
    pub fn key(&self) -> &str {
        self.hub.as_deref().unwrap_or(&self.connection)
    }

    /// Whether it may not be open yet.
    pub fn may_be_opening(&self, now_ms: i64) -> bool {
        now_ms - self.since < OPENING_MS
    }
}

impl Connection {
    /// The streams that it hears.
    pub fn streams(&self) -> Vec<Stream> {
        let groups = self.member.groups.iter().map(|it| Stream::Group(it.clone()));
        [Stream::User(self.member.user.clone())].into_iter().chain(groups).chain([Stream::Everyone]).collect()
    }

    /// The channels that it receives on: its streams, of which everyone's is split into shards.
    pub fn topics(&self) -> Vec<String> {
        let topic = |it: Stream| match it {
            Stream::Everyone => {
                broadcast_topic(self.subscriber().key().bytes().fold(0, |sum, it| sum ^ it) % BROADCAST_SHARDS)
            }
            other => other.to_string(),
        };
        self.streams().into_iter().map(topic).collect()
    }

    pub fn subscriber(&self) -> Subscriber {
        let (connection, hub) = (self.id.clone(), self.hub.clone());
        Subscriber { connection, protocol: self.protocol, since: self.since, hub }
    }

    /// How long until its client should connect again, in milliseconds, once it is time for that.
    pub fn reconnect_after(&self, now_ms: i64) -> Option<u64> {
        let spread = self.id.bytes().fold(0_i64, |sum, it| (sum * 31 + i64::from(it)) % RECONNECT_SPREAD_MS);
        let age = now_ms - self.since;
        // pings come every five minutes: whoever is told early waits for its turn
        let due = RECONNECT_FROM_MS + spread;
        (age + 300_000 >= due).then(|| u64::try_from(due - age).unwrap_or(0))
    }
}

/// The name of a shard of everyone's channel.
pub fn broadcast_topic(number: u8) -> String {
    format!("everyone.{number:02}")
}

/// A SignalR connection with stateful reconnect: it outlives its sockets, and keeps what is not acknowledged (realtime,
/// section 8.7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HubConnection {
    #[serde(flatten)]
    pub member: ConnectionUser,
    /// When it was negotiated, in milliseconds: whoever was let in then is not let in for ever.
    pub since: i64,
    /// Whether the client asked for stateful reconnect.
    pub stateful: bool,
    /// The socket that carries it now.
    #[serde(default)]
    pub connection: Option<String>,
    /// When that socket came or went, in milliseconds.
    pub at: i64,
    /// Whether the handshake was made: a socket that takes up the connection makes none.
    #[serde(default)]
    #[serde(rename = "shaken")]
    pub handshake_done: bool,
    /// Whether a new socket waits for the client's Sequence record: nothing is sent before it.
    #[serde(default)]
    pub resuming: bool,
    /// Our records that were sent on the socket, and those that the client has acknowledged.
    #[serde(default)]
    pub sent: u64,
    #[serde(default)]
    pub acked: u64,
    /// The client's records that have come on the sockets until now, and those of them that were handled: only when both
    /// are equal may they be acknowledged.
    #[serde(default)]
    pub received: u64,
    #[serde(default)]
    pub handled: u64,
    /// The last ones that were handled, by their digests, and those of them that may come again on this socket: what was
    /// handled is passed over then. Not by counting, since messages of one socket are handled side by side.
    #[serde(default)]
    #[serde(rename = "known")]
    pub handled_digests: Vec<u64>,
    #[serde(default)]
    pub again: Vec<u64>,
    /// Who sends now, until when, in milliseconds: records go out in order.
    #[serde(default)]
    pub sending: Option<(String, i64)>,
    /// Counts changes.
    #[serde(default)]
    pub revision: u64,
    /// Who made the last change: two that make the same one are still two.
    #[serde(default)]
    pub writer: String,
}

impl HubConnection {
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
            again: Vec::new(),
            sending: None,
            revision: 0,
            writer: String::new(),
        }
    }

    /// Whether a new socket may carry it: the first one within a minute of the negotiation, a later one only if both
    /// sides keep what is not acknowledged.
    pub fn may_attach(&self, now_ms: i64) -> bool {
        if now_ms - self.since > MAX_HUB_AGE_MS {
            return false; // its client negotiates anew, and proves again who it is
        }
        if self.handshake_done {
            self.stateful && (self.connection.is_some() || now_ms - self.at < RESUMABLE_MS)
        } else {
            now_ms - self.at < RESUMABLE_MS
        }
    }

    /// A new socket carries it.
    pub fn attach(&mut self, connection: &str, now_ms: i64) {
        (self.connection, self.at) = (Some(connection.to_owned()), now_ms);
        (self.resuming, self.sending) = (self.handshake_done, None);
    }

    /// Its socket went.
    pub fn detach(&mut self, now_ms: i64) {
        (self.connection, self.at) = (None, now_ms);
        (self.resuming, self.sending) = (self.handshake_done, None);
    }

    /// The client says which of its records comes next on a new socket: those before it are acknowledged, those from it on
    /// come again, and those of them that were handled are passed over. Answers the number of our first record that it
    /// gets, again if need be.
    pub fn resume(&mut self, next: u64) -> u64 {
        self.resuming = false;
        let acked = next.saturating_sub(1);
        // we acknowledge only when all before was handled: what was handled since is what is not acknowledged
        let handled_count = usize::try_from(self.handled.saturating_sub(acked)).unwrap_or(usize::MAX);
        self.again = self.handled_digests.split_off(self.handled_digests.len().saturating_sub(handled_count));
        self.handled_digests.clear();
        (self.received, self.handled) = (acked, acked);
        self.sent = self.acked;
        self.acked + 1
    }

    /// Records of the client have come. Answers which of them are new.
    pub fn receive(&mut self, digests: &[u64]) -> Vec<bool> {
        self.received += digests.len() as u64;
        let is_new = digests.iter().map(|it| match self.again.iter().position(|known| known == it) {
            Some(index) => {
                self.again.remove(index);
                false
            }
            None => true,
        });
        is_new.collect()
    }

    /// Whether what happens on a socket counts: not on one that another has followed.
    pub fn is_carried_by(&self, connection: &str) -> bool {
        self.connection.as_deref() == Some(connection) && !self.resuming
    }

    /// Records of the client were handled, now or before. Answers up to which number they may be acknowledged: never beyond
    /// one that came before and is still under way.
    pub fn complete(&mut self, digests: &[u64]) -> Option<u64> {
        self.handled += digests.len() as u64;
        self.handled_digests.extend(digests);
        self.handled_digests.drain(..self.handled_digests.len().saturating_sub(MAX_HANDLED_DIGESTS));
        (self.handled == self.received).then_some(self.handled)
    }

    /// The client has what we sent up to a number. One that was never sent is nonsense; while a new socket waits for the
    /// client's Sequence, the number that we say must not move.
    pub fn ack(&mut self, number: u64) {
        if !self.resuming {
            self.acked = self.acked.max(number.min(self.sent));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hub() -> HubConnection {
        let member = ConnectionUser { app: AppId::random([1; 16]), user: "jane".into(), groups: Vec::new() };
        HubConnection::new(member, true, 0)
    }

    #[test]
    fn a_connection_hears_its_user_its_groups_and_everyone() {
        let member = ConnectionUser { app: AppId::random([1; 16]), user: "7".into(), groups: vec!["news".into()] };
        let it = Connection { id: "abc=".into(), member, protocol: Protocol::Native, since: 0, hub: None };
        let channels = it.topics();
        assert_eq!(channels[..2], ["user:7", "group:news"]);
        assert!(channels[2].starts_with("everyone."), "{channels:?}");
    }

    #[test]
    fn reconnects_are_spread_and_come_before_the_cut() {
        for id in ["a=", "b=", "TjZ1neeXAAMCJZw="] {
            let member = ConnectionUser { app: AppId::random([1; 16]), user: "7".into(), groups: Vec::new() };
            let it = Connection { id: id.into(), member, protocol: Protocol::Native, since: 0, hub: None };
            assert_eq!(it.reconnect_after(RECONNECT_FROM_MS - 300_001), None);
            for age in (RECONNECT_FROM_MS + RECONNECT_SPREAD_MS - 300_000..MAX_CONNECTION_MS).step_by(60_000) {
                let at = age + i64::try_from(it.reconnect_after(age).unwrap()).unwrap();
                assert!((RECONNECT_FROM_MS..MAX_CONNECTION_MS).contains(&at), "{id} {age} {at}");
            }
        }
    }

    #[test]
    fn only_a_stateful_connection_is_taken_up_again_and_only_soon() {
        let mut it = hub();
        assert!(it.may_attach(RESUMABLE_MS - 1) && !it.may_attach(RESUMABLE_MS));
        it.attach("one", 5);
        it.handshake_done = true;
        assert!(!it.resuming && it.may_attach(MAX_HUB_AGE_MS), "its socket may be dead without a word");
        assert!(!it.may_attach(MAX_HUB_AGE_MS + 1), "not for ever");
        it.detach(100);
        assert!(it.may_attach(100 + RESUMABLE_MS - 1) && !it.may_attach(100 + RESUMABLE_MS));
        it.attach("two", 200);
        assert!(it.resuming);
        it.stateful = false;
        assert!(!it.may_attach(201));
    }

    proptest! {
        /// Whatever is lost on the way, dies half-way or comes in another order: what is acknowledged was handled, once, and
        /// the rest comes again.
        #[test]
        fn what_is_acknowledged_was_handled_once(steps in proptest::collection::vec((0_u8..6, 0_u64..5), 1..60)) {
            let mut hub = hub();
            // records by number: how often each was handled
            let (mut handled, mut acked, mut next) = (vec![0_u32], 0_u64, 1_u64);
            for (step, count) in steps {
                let count = if next + count - acked > MAX_HANDLED_DIGESTS as u64 { 0 } else { count };
                let mut numbers: Vec<u64> = (next..next + count).collect();
                next += count;
                handled.resize(next as usize, 0);
                let mut handle = |hub: &mut HubConnection, numbers: &[u64]| {
                    let new = hub.receive(numbers);
                    numbers.iter().zip(new).filter(|it| it.1).for_each(|it| handled[*it.0 as usize] += 1);
                    hub.complete(numbers)
                };
                match step {
                    0 | 1 => acked = handle(&mut hub, &numbers).unwrap_or(acked),
                    2 => drop(handle(&mut hub, &numbers)), // the acknowledgement is lost
                    3 => drop(hub.receive(&numbers)), // a function died over them
                    _ => {
                        // these never came; on a new socket the client sends all that is not acknowledged
                        hub.detach(0);
                        hub.attach("next", 0);
                        hub.resume(acked + 1);
                        numbers = (acked + 1..next).collect();
                        if step == 4 {
                            numbers.reverse();
                        }
                        acked = numbers.chunks(2).map(|it| handle(&mut hub, it).unwrap_or(acked)).max().unwrap_or(acked);
                        prop_assert_eq!(acked, next - 1);
                    }
                }
                prop_assert!((1..=acked).all(|it| handled[it as usize] == 1), "{} {:?}", acked, handled);
            }
        }

        /// Our own records are sent again from the first that the client has not acknowledged.
        #[test]
        fn what_is_not_acknowledged_is_sent_again(sent in 0_u64..50, acked in 0_u64..80) {
            let mut hub = HubConnection { sent, ..hub() };
            hub.ack(acked);
            prop_assert_eq!(hub.resume(1), acked.min(sent) + 1);
            prop_assert_eq!(hub.sent, acked.min(sent));
        }
    }
}
