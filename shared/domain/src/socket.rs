//! Sockets: who is connected, by which protocol, and what each is to be told.

use serde::{Deserialize, Serialize};

use crate::AppId;
use crate::notification::Stream;

/// API Gateway cuts a connection after two hours; a little later its rows expire by themselves.
pub const LIFETIME_MS: i64 = 7_200_000;
/// When a client is asked to connect again: 100 to 115 minutes after it did, so that not all do at once (AWS, 2.6).
const RECONNECT_FROM_MS: i64 = 6_000_000;
const RECONNECT_SPREAD_MS: i64 = 900_000;
/// A connection is not open before its `$connect` was answered: until then it seems to be gone.
const YOUNG_MS: i64 = 10_000;
/// A lost connection of SignalR's stateful reconnect can be taken up again for so long; its client tries once, at once.
pub const RESUMABLE_MS: i64 = 60_000;
/// What everyone is told goes to so many partitions.
pub const SHARDS: u8 = 16;
/// Groups of one connection.
pub const MOST_GROUPS: usize = 20;

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
pub struct Member {
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
    pub member: Member,
    pub protocol: Protocol,
    /// When it connected, in milliseconds.
    pub since: i64,
    /// The SignalR connection that outlives sockets, by the SHA-256 of its token, if the client asked for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub: Option<String>,
}

/// One line of a channel: who is told what is told there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receiver {
    pub connection: String,
    pub protocol: Protocol,
    pub since: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub: Option<String>,
}

impl Receiver {
    /// What names it among the receivers of a channel.
    pub fn key(&self) -> &str {
        self.hub.as_deref().unwrap_or(&self.connection)
    }

    /// Whether it may not be open yet.
    pub fn is_young(&self, now_ms: i64) -> bool {
        now_ms - self.since < YOUNG_MS
    }
}

impl Connection {
    /// The streams that it hears.
    pub fn streams(&self) -> Vec<Stream> {
        let groups = self.member.groups.iter().map(|it| Stream::Group(it.clone()));
        [Stream::User(self.member.user.clone())].into_iter().chain(groups).chain([Stream::Everyone]).collect()
    }

    /// The channels that it receives on: its streams, of which everyone's is split into shards.
    pub fn channels(&self) -> Vec<String> {
        let name = |it: Stream| match it {
            Stream::Everyone => shard(self.receiver().key().bytes().fold(0, |sum, it| sum ^ it) % SHARDS),
            other => other.to_string(),
        };
        self.streams().into_iter().map(name).collect()
    }

    pub fn receiver(&self) -> Receiver {
        let (connection, hub) = (self.id.clone(), self.hub.clone());
        Receiver { connection, protocol: self.protocol, since: self.since, hub }
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
pub fn shard(number: u8) -> String {
    format!("everyone.{number:02}")
}

/// A SignalR connection with stateful reconnect: it outlives its sockets, and keeps what is not acknowledged (realtime,
/// section 8.7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hub {
    #[serde(flatten)]
    pub member: Member,
    /// Whether the client asked for stateful reconnect.
    pub stateful: bool,
    /// The socket that carries it now.
    #[serde(default)]
    pub connection: Option<String>,
    /// When that socket came or went, in milliseconds.
    pub at: i64,
    /// Whether the handshake was made: a socket that takes up the connection makes none.
    #[serde(default)]
    pub shaken: bool,
    /// Whether a new socket waits for the client's Sequence record: nothing is sent before it.
    #[serde(default)]
    pub resuming: bool,
    /// Our records that were sent on the socket, and those that the client has acknowledged.
    #[serde(default)]
    pub sent: u64,
    #[serde(default)]
    pub acked: u64,
    /// The client's records that have come, those of them that were handled, and how many of the next are repeats.
    #[serde(default)]
    pub received: u64,
    #[serde(default)]
    pub handled: u64,
    #[serde(default)]
    pub skip: u64,
    /// Who sends now, until when, in milliseconds: records go out in order.
    #[serde(default)]
    pub sending: Option<(String, i64)>,
    /// Counts changes.
    #[serde(default)]
    pub revision: u64,
}

impl Hub {
    pub fn new(member: Member, stateful: bool, now_ms: i64) -> Self {
        Self {
            member,
            stateful,
            connection: None,
            at: now_ms,
            shaken: false,
            resuming: false,
            sent: 0,
            acked: 0,
            received: 0,
            handled: 0,
            skip: 0,
            sending: None,
            revision: 0,
        }
    }

    /// Whether a new socket may carry it: the first one within a minute of the negotiation, a later one only if both
    /// sides keep what is not acknowledged.
    pub fn may_attach(&self, now_ms: i64) -> bool {
        if self.shaken {
            self.stateful && (self.connection.is_some() || now_ms - self.at < RESUMABLE_MS)
        } else {
            now_ms - self.at < RESUMABLE_MS
        }
    }

    /// A new socket carries it.
    pub fn attach(&mut self, connection: &str, now_ms: i64) {
        (self.connection, self.at) = (Some(connection.to_owned()), now_ms);
        (self.resuming, self.sending) = (self.shaken, None);
    }

    /// Its socket went.
    pub fn detach(&mut self, now_ms: i64) {
        (self.connection, self.at) = (None, now_ms);
        (self.resuming, self.sending) = (self.shaken, None);
    }

    /// The client says which of its records comes next on a new socket: those that were handled are to be skipped; what came
    /// and was not handled, because a function died over it, comes again. Answers the number of our first record that it
    /// gets, again if need be.
    pub fn resume(&mut self, next: u64) -> u64 {
        self.resuming = false;
        self.received = self.handled;
        self.skip = (self.handled + 1).saturating_sub(next);
        self.sent = self.acked;
        self.acked + 1
    }

    /// Of so many records that came, how many are new: the last ones.
    pub fn receive(&mut self, records: u64) -> u64 {
        let skipped = self.skip.min(records);
        self.skip -= skipped;
        self.received += records - skipped;
        records - skipped
    }

    /// The client has what we sent up to a number. One that was never sent is nonsense.
    pub fn ack(&mut self, number: u64) {
        self.acked = self.acked.max(number.min(self.sent));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hub() -> Hub {
        let member = Member { app: AppId::random([1; 16]), user: "jane".into(), groups: Vec::new() };
        Hub::new(member, true, 0)
    }

    #[test]
    fn a_connection_hears_its_user_its_groups_and_everyone() {
        let member = Member { app: AppId::random([1; 16]), user: "7".into(), groups: vec!["news".into()] };
        let it = Connection { id: "abc=".into(), member, protocol: Protocol::Native, since: 0, hub: None };
        let channels = it.channels();
        assert_eq!(channels[..2], ["user:7", "group:news"]);
        assert!(channels[2].starts_with("everyone."), "{channels:?}");
    }

    #[test]
    fn reconnects_are_spread_and_come_before_the_cut() {
        for id in ["a=", "b=", "TjZ1neeXAAMCJZw="] {
            let member = Member { app: AppId::random([1; 16]), user: "7".into(), groups: Vec::new() };
            let it = Connection { id: id.into(), member, protocol: Protocol::Native, since: 0, hub: None };
            assert_eq!(it.reconnect_after(RECONNECT_FROM_MS - 300_001), None);
            for age in (RECONNECT_FROM_MS + RECONNECT_SPREAD_MS - 300_000..LIFETIME_MS).step_by(60_000) {
                let at = age + i64::try_from(it.reconnect_after(age).unwrap()).unwrap();
                assert!((RECONNECT_FROM_MS..LIFETIME_MS).contains(&at), "{id} {age} {at}");
            }
        }
    }

    #[test]
    fn only_a_stateful_connection_is_taken_up_again_and_only_soon() {
        let mut it = hub();
        assert!(it.may_attach(RESUMABLE_MS - 1) && !it.may_attach(RESUMABLE_MS));
        it.attach("one", 5);
        it.shaken = true;
        assert!(!it.resuming && it.may_attach(i64::MAX), "its socket may be dead without a word");
        it.detach(100);
        assert!(it.may_attach(100 + RESUMABLE_MS - 1) && !it.may_attach(100 + RESUMABLE_MS));
        it.attach("two", 200);
        assert!(it.resuming);
        it.stateful = false;
        assert!(!it.may_attach(201));
    }

    proptest! {
        /// Whatever is lost on the way, after each reconnect no record of the client is missing and none is handled twice.
        #[test]
        fn after_every_drop_each_record_counts_once(steps in proptest::collection::vec((0_u8..4, 0_u64..5), 1..60)) {
            let mut hub = hub();
            let (mut made, mut acked, mut handled) = (0_u64, 0_u64, 0_u64);
            let take = |hub: &mut Hub, count: u64| {
                let new = hub.receive(count);
                hub.handled += new;
                new
            };
            for (step, count) in steps {
                made += count;
                match step {
                    0 => handled += take(&mut hub, count),
                    1 => {
                        handled += take(&mut hub, count);
                        acked = hub.handled;
                    }
                    _ => {
                        // these never came, or a function died over them
                        if step == 3 {
                            hub.receive(count);
                        }
                        // on the new socket the client sends all that is not acknowledged
                        hub.detach(0);
                        hub.attach("next", 0);
                        hub.resume(acked + 1);
                        handled += take(&mut hub, made - acked);
                    }
                }
                prop_assert_eq!(handled, made);
            }
        }

        /// Our own records are sent again from the first that the client has not acknowledged.
        #[test]
        fn what_is_not_acknowledged_is_sent_again(sent in 0_u64..50, acked in 0_u64..80) {
            let mut hub = Hub { sent, ..hub() };
            hub.ack(acked);
            prop_assert_eq!(hub.resume(1), acked.min(sent) + 1);
            prop_assert_eq!(hub.sent, acked.min(sent));
        }
    }
}
