//! What a socket is told, in each of the protocols.

use domain::inbox::{InboxCounts, ReadState, SequenceRanges, is_change_type};
use domain::notification::{Notification, Stream};
use domain::socket::Protocol;
use domain::{AppId, rfc3339};
use serde::Serialize;
use serde_json::{Value, json};

use crate::dto::{LEGACY_SOCKET_TIME, resource_path};
use crate::{CountsOut, NotificationOut, SeedOut, hub_protocol};

/// A message is billed by 32 KB, and a client's frames are at most that long (AWS, 1.4); a little is left for the frame.
const MAX_MESSAGE: usize = 30_000;
/// A notification beyond this is told by reference.
const MAX_NOTIFICATION: usize = 24_000;

/// One thing to tell.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Frame {
    /// Notifications of one stream, oldest first.
    Notifications { stream: String, items: Vec<NotificationOut> },
    /// Everything that followed the cursors that were given has been told, unless `more`: resume again from these.
    /// `refused` are those that are of no stream of this connection, such as a group that the user has left.
    Resumed {
        cursors: Vec<String>,
        more: bool,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        refused: Vec<String>,
    },
    /// What follows a cursor is not all kept. Everything behind `from` is; what came before is read at `href`.
    Gap { stream: String, from: Option<String>, href: String },
    /// What was done with the inbox, on whatever device: these sets replace the ones before, if `revision` is higher.
    Marks {
        revision: u64,
        seen: SequenceRanges,
        read: SequenceRanges,
        archived: SequenceRanges,
        deleted: SequenceRanges,
        counts: CountsOut,
    },
    /// Marks that are too many to be told: read the list and the counts.
    MarksChanged { revision: u64, counts: CountsOut, href: String },
    /// A word of the application's to this connection alone, which is in no stream.
    Message { target: String, arguments: Vec<Value> },
    /// A sign of life. A cursor per stream says how far it is: whoever is behind missed something, and resumes.
    Pong { cursors: Vec<String>, time: String },
    /// Connect again within this time, and resume from the last cursor.
    Reconnect { after_ms: u64 },
    /// How an action went that gives no other answer.
    Done { action: String, counts: Option<CountsOut> },
    /// An action that could not be, or not with these cursors.
    Error {
        action: Option<String>,
        message: String,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        refused: Vec<String>,
    },
}

impl Frame {
    /// Notifications of one stream, none of them marked yet unless `marks` says so.
    pub fn notifications(
        app: AppId,
        stream: &Stream,
        all: &[Notification],
        marks: &ReadState,
        now: time::OffsetDateTime,
    ) -> Self {
        let items = all.iter().map(|it| NotificationOut::as_of(app, it, marks, now)).collect();
        Self::Notifications { stream: stream.to_string(), items }
    }

    pub fn read_state(user: &str, marks: &ReadState, counts: InboxCounts) -> Self {
        let ReadState { revision, seen, read, archived, deleted, .. } = marks.clone();
        let ranges = seen.len() + read.len() + archived.len() + deleted.len();
        let counts = counts.into();
        if ranges > 500 {
            return Self::MarksChanged { revision, counts, href: resource_path(&Stream::User(user.to_owned()), None) };
        }
        Self::Marks { revision, seen, read, archived, deleted, counts }
    }

    pub fn pong(cursors: Vec<String>, now: time::OffsetDateTime) -> Self {
        Self::Pong { cursors, time: rfc3339(now) }
    }

    /// The messages that say this, none longer than what a client takes.
    pub fn texts(&self, protocol: Protocol) -> Vec<String> {
        match self {
            _ if protocol == Protocol::Seed => Vec::new(), // see `seed`
            Self::Notifications { stream, items } => {
                let stream: Stream = stream.parse().unwrap_or(Stream::App);
                let whole = |it: &NotificationOut| {
                    let value = json!(it);
                    if value.to_string().len() > MAX_NOTIFICATION { json!(it.reference(&stream)) } else { value }
                };
                let values: Vec<Value> = items.iter().map(whole).collect();
                let parts = domain::split_by_size(&values, MAX_MESSAGE, usize::MAX, entry_length);
                parts.into_iter().map(|it| encode_notifications(protocol, &stream, it.to_vec())).collect()
            }
            Self::Message { target, arguments } if protocol == Protocol::SignalR => {
                vec![hub_protocol::call(target, arguments)]
            }
            other if protocol == Protocol::SignalR => {
                let mut value = json!(other);
                let target = value.as_object_mut().and_then(|it| it.remove("type"));
                vec![hub_protocol::invocation(
                    &capitalized(target.as_ref().and_then(Value::as_str).unwrap_or_default()),
                    &value,
                )]
            }
            other => vec![json!(other).to_string()],
        }
    }
}

fn encode_notifications(protocol: Protocol, stream: &Stream, items: Vec<Value>) -> String {
    if protocol == Protocol::SignalR {
        hub_protocol::invocation("Notifications", &Value::Array(items))
    } else {
        json!({ "type": "notifications", "stream": stream.to_string(), "items": items }).to_string()
    }
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|it| it.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
}

/// What the seed's clients are told, and nothing else: JSON arrays of notifications in its shape.
pub fn encode_legacy(all: &[Notification], marks: &ReadState, now: time::OffsetDateTime) -> Vec<String> {
    // its clients know no changes
    let all = all.iter().filter(|it| !is_change_type(&it.kind) && !it.has_expired(now));
    let shown: Vec<Value> = all.map(|it| json!(SeedOut::new(it, marks, LEGACY_SOCKET_TIME))).collect();
    if shown.is_empty() {
        return vec!["[]".to_owned()]; // the seed's clients wait for a first message
    }
    let parts = domain::split_by_size(&shown, 4 * MAX_MESSAGE, usize::MAX, entry_length);
    parts.into_iter().map(|it| Value::Array(it.to_vec()).to_string()).collect()
}

/// An entry of a list, with its comma.
fn entry_length(it: &Value) -> usize {
    it.to_string().len() + 1
}

#[cfg(test)]
mod tests {
    use domain::notification::NotificationId;

    use super::*;

    fn notification(sequence: u64, length: usize) -> Notification {
        let id = NotificationId { stream: Stream::User("a b".into()), epoch: 1, sequence };
        let data = json!({ "title": "t", "description": "é".repeat(length) });
        Notification { id, kind: "tick".into(), timestamp: time::OffsetDateTime::UNIX_EPOCH, data }
    }

    #[test]
    fn no_message_is_longer_than_a_frame_and_nothing_is_left_out() {
        let app = AppId::random([1; 16]);
        let all: Vec<Notification> = (1..60).map(|it| notification(it, (it as usize * 397) % 20_000)).collect();
        let now = time::OffsetDateTime::UNIX_EPOCH;
        let frame = Frame::notifications(app, &Stream::User("a b".into()), &all, &ReadState::default(), now);
        for protocol in [Protocol::Native, Protocol::SignalR] {
            let texts = frame.texts(protocol);
            assert!(texts.len() > 1 && texts.iter().all(|it| it.len() <= 32_768), "{protocol:?}");
            let mut numbers = Vec::new();
            for text in texts {
                let it: Value = serde_json::from_str(text.trim_end_matches('\u{1e}')).unwrap();
                let items = if protocol == Protocol::Native { &it["items"] } else { &it["arguments"][0] };
                for item in items.as_array().unwrap() {
                    numbers.push(item["sequence"].as_u64().unwrap());
                    let href = item["href"].as_str();
                    assert!(href.is_none_or(|it| it.starts_with("/api/v1/Inbox/a%20b/Notifications/ntf_")), "{href:?}");
                }
            }
            assert_eq!(numbers, (1..60).collect::<Vec<u64>>());
        }
    }

    #[test]
    fn what_expired_on_its_way_is_told_as_deleted() {
        let mut brief = notification(1, 2);
        brief.data["expiresAt"] = json!("1970-01-01T00:00:01Z");
        let at = |ms: i64| domain::from_millis(ms);
        let (app, stream) = (AppId::random([1; 16]), Stream::User("a b".into()));
        let text = |ms: i64| {
            let frame = Frame::notifications(app, &stream, std::slice::from_ref(&brief), &ReadState::default(), at(ms));
            frame.texts(Protocol::Native).remove(0)
        };
        assert!(text(999).contains("\"title\":\"t\"") && !text(999).contains("deleted"));
        assert!(text(1_000).contains("\"deleted\":true") && !text(1_000).contains("title"));
        assert_eq!(encode_legacy(&[brief], &ReadState::default(), at(1_000)), ["[]"]);
    }

    #[test]
    fn signalr_calls_what_native_names() {
        let frame = Frame::Reconnect { after_ms: 5 };
        assert_eq!(frame.texts(Protocol::Native), [r#"{"afterMs":5,"type":"reconnect"}"#]);
        assert_eq!(
            frame.texts(Protocol::SignalR),
            ["{\"arguments\":[{\"afterMs\":5}],\"target\":\"Reconnect\",\"type\":1}\u{1e}"]
        );
        assert!(frame.texts(Protocol::Seed).is_empty());
    }

    #[test]
    fn the_seed_reads_arrays_and_an_empty_one_first() {
        let now = time::OffsetDateTime::UNIX_EPOCH;
        assert_eq!(encode_legacy(&[], &ReadState::default(), now), ["[]"]);
        let it: Value =
            serde_json::from_str(&encode_legacy(&[notification(1, 2)], &ReadState::default(), now)[0]).unwrap();
        assert_eq!((&it[0]["created_at"], &it[0]["is_read"]), (&json!("1970-01-01 00:00:00"), &json!(false)));
    }
}
