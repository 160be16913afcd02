//! Messages to a socket, in each of the protocols.

use domain::inbox::{InboxCounts, ReadState, SequenceRanges, is_change_type};
use domain::notification::{Notification, Stream};
use domain::socket::Protocol;
use domain::{AppId, rfc3339};
use serde::Serialize;
use serde_json::{Value, json};

use crate::dto::{CountsOut, LEGACY_SOCKET_TIME, LegacyNotification, NotificationOut, resource_path};
use crate::hub_protocol;

/// The longest message, in bytes. API Gateway meters messages by 32 KB, which is also its limit of a frame (AWS, 1.4); the
/// rest is for the envelope.
const MAX_MESSAGE: usize = 30_000;
/// A notification of more bytes is sent by reference.
const MAX_NOTIFICATION: usize = 24_000;

/// A message to a client. Its JSON has the variant's name as `type`.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Frame {
    /// Notifications of one stream, oldest first.
    Notifications { stream: String, items: Vec<NotificationOut> },
    /// Everything after the given cursors has been sent, unless `more`: then the client resumes again from these cursors.
    /// `refused` are cursors of streams that the connection does not have, such as a group that the user has left.
    Resumed {
        cursors: Vec<String>,
        more: bool,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        refused: Vec<String>,
    },
    /// Some notifications after a cursor are no longer stored. Everything after `from` is; the list is at `href`.
    Gap { stream: String, from: Option<String>, href: String },
    /// The read state of the inbox, changed on any device. It replaces an earlier one if `revision` is higher.
    #[serde(rename = "marks")]
    ReadState {
        revision: u64,
        seen: SequenceRanges,
        read: SequenceRanges,
        archived: SequenceRanges,
        deleted: SequenceRanges,
        counts: CountsOut,
    },
    /// The read state has too many ranges for a message: the client reads the list and the counts again.
    #[serde(rename = "marksChanged")]
    ReadStateChanged { revision: u64, counts: CountsOut, href: String },
    /// A message of the application to this connection alone. It is in no stream.
    Message { target: String, arguments: Vec<Value> },
    /// The answer to a ping. It has the newest cursor of each stream: a client that is behind resumes.
    Pong { cursors: Vec<String>, time: String },
    /// The client connects again within this time and resumes from its last cursor.
    Reconnect { after_ms: u64 },
    /// An action succeeded.
    Done { action: String, counts: Option<CountsOut> },
    /// An action failed; `refused` are the cursors that were not accepted.
    Error {
        action: Option<String>,
        message: String,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        refused: Vec<String>,
    },
}

impl Frame {
    /// Notifications of one stream. Their read state is in `read_state`; `ReadState::default()` for new ones.
    pub fn notifications(
        app: AppId,
        stream: &Stream,
        notifications: &[Notification],
        read_state: &ReadState,
        now: time::OffsetDateTime,
    ) -> Self {
        let items = notifications.iter().map(|it| NotificationOut::as_of(app, it, read_state, now)).collect();
        Self::Notifications { stream: stream.to_string(), items }
    }

    /// The read state of a user's inbox, or where to read it if it has more than 500 ranges.
    pub fn read_state(user: &str, read_state: &ReadState, counts: InboxCounts) -> Self {
        let ReadState { revision, seen, read, archived, deleted, .. } = read_state.clone();
        let ranges = seen.len() + read.len() + archived.len() + deleted.len();
        let counts = counts.into();
        if ranges > 500 {
            let href = resource_path(&Stream::User(user.to_owned()), None);
            return Self::ReadStateChanged { revision, counts, href };
        }
        Self::ReadState { revision, seen, read, archived, deleted, counts }
    }

    /// A pong at `now` with the newest cursor of each stream.
    pub fn pong(cursors: Vec<String>, now: time::OffsetDateTime) -> Self {
        Self::Pong { cursors, time: rfc3339(now) }
    }

    /// The messages of a frame in a protocol, none longer than a frame of API Gateway. Empty for legacy clients, which read
    /// [`encode_legacy`].
    pub fn encode(&self, protocol: Protocol) -> Vec<String> {
        match self {
            _ if protocol == Protocol::Legacy => Vec::new(),
            Self::Notifications { stream, items } => {
                let stream: Stream = stream.parse().unwrap_or(Stream::App);
                let value_of = |item: &NotificationOut| {
                    let value = json!(item);
                    if value.to_string().len() > MAX_NOTIFICATION { json!(item.reference(&stream)) } else { value }
                };
                let values: Vec<Value> = items.iter().map(value_of).collect();
                let chunks = domain::split_by_size(&values, MAX_MESSAGE, usize::MAX, entry_length);
                chunks.into_iter().map(|it| encode_notifications(protocol, &stream, it.to_vec())).collect()
            }
            Self::Message { target, arguments } if protocol == Protocol::SignalR => {
                vec![hub_protocol::invocation(target, arguments)]
            }
            other if protocol == Protocol::SignalR => {
                let mut value = json!(other);
                let kind = value.as_object_mut().and_then(|it| it.remove("type"));
                let target = capitalized(kind.as_ref().and_then(Value::as_str).unwrap_or_default());
                vec![hub_protocol::invocation(&target, &[value])]
            }
            other => vec![json!(other).to_string()],
        }
    }
}

fn encode_notifications(protocol: Protocol, stream: &Stream, items: Vec<Value>) -> String {
    if protocol == Protocol::SignalR {
        hub_protocol::invocation("Notifications", &[Value::Array(items)])
    } else {
        json!({ "type": "notifications", "stream": stream.to_string(), "items": items }).to_string()
    }
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|it| it.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
}

/// The messages to legacy clients: JSON arrays of notifications in the legacy shape, without changes and expired ones. At
/// least one message, since its clients wait for a first one.
pub fn encode_legacy(notifications: &[Notification], read_state: &ReadState, now: time::OffsetDateTime) -> Vec<String> {
    let current = notifications.iter().filter(|it| !is_change_type(&it.kind) && !it.has_expired(now));
    let out: Vec<Value> =
        current.map(|it| json!(LegacyNotification::new(it, read_state, LEGACY_SOCKET_TIME))).collect();
    if out.is_empty() {
        return vec!["[]".to_owned()];
    }
    let chunks = domain::split_by_size(&out, 4 * MAX_MESSAGE, usize::MAX, entry_length);
    chunks.into_iter().map(|it| Value::Array(it.to_vec()).to_string()).collect()
}

/// The length of a list's entry in JSON, with its comma.
fn entry_length(it: &Value) -> usize {
    it.to_string().len() + 1
}

#[cfg(test)]
mod tests {
    use domain::notification::{NewNotification, NotificationId};

    use super::*;

    fn notification(sequence: u64, length: usize) -> Notification {
        let id = NotificationId { stream: Stream::User("a b".into()), epoch: 1, sequence };
        let data = json!({ "title": "t", "description": "é".repeat(length) });
        NewNotification::new("tick", data).published(id, time::OffsetDateTime::UNIX_EPOCH)
    }

    #[test]
    fn no_message_is_longer_than_a_frame_and_nothing_is_left_out() {
        let app = AppId::random([1; 16]);
        let all: Vec<Notification> = (1..60).map(|it| notification(it, (it as usize * 397) % 20_000)).collect();
        let now = time::OffsetDateTime::UNIX_EPOCH;
        let frame = Frame::notifications(app, &Stream::User("a b".into()), &all, &ReadState::default(), now);
        for protocol in [Protocol::Native, Protocol::SignalR] {
            let texts = frame.encode(protocol);
            assert!(texts.len() > 1 && texts.iter().all(|it| it.len() <= 32_768), "{protocol:?}");
            let mut numbers = Vec::new();
            for text in texts {
                let message: Value = serde_json::from_str(text.trim_end_matches('\u{1e}')).unwrap();
                let items = if protocol == Protocol::Native { &message["items"] } else { &message["arguments"][0] };
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
            frame.encode(Protocol::Native).remove(0)
        };
        assert!(text(999).contains("\"title\":\"t\"") && !text(999).contains("deleted"));
        assert!(text(1_000).contains("\"deleted\":true") && !text(1_000).contains("title"));
        assert_eq!(encode_legacy(&[brief], &ReadState::default(), at(1_000)), ["[]"]);
    }

    #[test]
    fn signalr_calls_what_native_names() {
        let frame = Frame::Reconnect { after_ms: 5 };
        assert_eq!(frame.encode(Protocol::Native), [r#"{"afterMs":5,"type":"reconnect"}"#]);
        assert_eq!(
            frame.encode(Protocol::SignalR),
            ["{\"arguments\":[{\"afterMs\":5}],\"target\":\"Reconnect\",\"type\":1}\u{1e}"]
        );
        assert!(frame.encode(Protocol::Legacy).is_empty());
    }

    #[test]
    fn the_seed_reads_arrays_and_an_empty_one_first() {
        let now = time::OffsetDateTime::UNIX_EPOCH;
        assert_eq!(encode_legacy(&[], &ReadState::default(), now), ["[]"]);
        let message: Value =
            serde_json::from_str(&encode_legacy(&[notification(1, 2)], &ReadState::default(), now)[0]).unwrap();
        assert_eq!((&message[0]["created_at"], &message[0]["is_read"]), (&json!("1970-01-01 00:00:00"), &json!(false)));
    }
}
