//! Notifications, their streams, and positions in a stream.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;

use crate::ChannelId;
use crate::event::EventAttributes;
use crate::trace_context::TraceContext;

/// A recipient's ordered sequence of notifications.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stream {
    /// The application's own stream.
    App,
    /// A user's inbox. User ids are texts, unique inside an application; numeric ids are kept in decimal.
    User(String),
    /// Notifications to all connections of a group.
    Group(String),
    /// Notifications to all connections of the application.
    Everyone,
    /// The changes of a box of the message store (NMS): its store and its name.
    Box(String),
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::App => f.write_str("app"),
            Self::User(id) => write!(f, "user:{id}"),
            Self::Group(name) => write!(f, "group:{name}"),
            Self::Everyone => f.write_str("everyone"),
            Self::Box(names) => write!(f, "box:{names}"),
        }
    }
}

impl FromStr for Stream {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        match text.split_once(':') {
            None if text == "app" => Ok(Self::App),
            None if text == "everyone" => Ok(Self::Everyone),
            // stored names may be older than the rule for names
            Some(("user", id)) if !id.is_empty() => Ok(Self::User(id.to_owned())),
            Some(("box", names)) if !names.is_empty() => Ok(Self::Box(names.to_owned())),
            Some(("group", name)) if !name.is_empty() => Ok(Self::Group(name.to_owned())),
            _ => Err(()),
        }
    }
}

/// The rule for names of users and groups, as error messages state it.
pub const NAME_RULE: &str =
    "1 to 128 characters without slashes, control characters and U+FFFD, and neither `.` nor `..`";

/// Whether a text is a valid name of a user or a group ([`NAME_RULE`]). A name is a path segment: a slash would end it,
/// URL parsers remove `.` and `..` (RFC 3986, section 5.2.4), and U+FFFD replaces bytes that are not UTF-8. The rule
/// also holds for sockets and tokens.
pub fn is_valid_name(id: &str) -> bool {
    let is_allowed = |it: char| !it.is_control() && !matches!(it, '/' | char::REPLACEMENT_CHARACTER);
    (1..=128).contains(&id.chars().count()) && id.chars().all(is_allowed) && !matches!(id, "." | "..")
}

/// Upper bound of sequence numbers. No stream reaches it at any rate, so a caller's greater number is invalid.
/// Arithmetic up to it never overflows.
pub const MAX_SEQUENCE: u64 = 1 << 53;

/// Maximum length of an id's text in bytes: a name of 128 four-byte characters in base64, and two numbers.
const MAX_ID_BYTES: usize = 1_024;

/// A position in a stream. Sequence numbers start at 1 and have no gaps within an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    pub epoch: i64,
    pub sequence: u64,
}

/// The last position assigned in a stream, and when the row at that position expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    pub last: Position,
    pub expires: OffsetDateTime,
}

/// The position of a stream's next notification. If even the newest row has expired, a new epoch begins; reading after
/// an older cursor then reports a gap.
pub fn next_position(now: OffsetDateTime, head: Option<Head>) -> Position {
    match head {
        Some(it) if it.expires > now => Position { sequence: it.last.sequence + 1, ..it.last },
        other => Position { epoch: now.unix_timestamp(), sequence: other.map_or(1, |it| it.last.sequence + 1) },
    }
}

/// A notification to publish; it has no position yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewNotification {
    /// Dotted type name: `item.completed`.
    #[serde(rename = "type")]
    pub kind: String,
    pub data: Value,
    /// What the publisher of an event says beside; `None` for the system's own and those of inboxes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<Box<EventAttributes>>,
    /// The trace of the request that publishes it, for its receivers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Box<TraceContext>>,
}

impl NewNotification {
    pub fn new(kind: &str, data: Value) -> Self {
        Self { kind: kind.to_owned(), data, attributes: None, trace: None }
    }

    /// The notification at its position. `at` is the time of its acceptance.
    pub fn published(self, id: NotificationId, at: OffsetDateTime) -> Notification {
        let Self { kind, data, attributes, trace } = self;
        Notification { id, kind, timestamp: at, data, attributes, trace }
    }
}

/// Notifications that were published together, at their positions: the first at `first`, the others behind it. `at` is the
/// time of their acceptance.
pub fn published_from(
    stream: &Stream,
    first: Position,
    new: impl IntoIterator<Item = NewNotification>,
    at: OffsetDateTime,
) -> Vec<Notification> {
    let published = |(sequence, content): (u64, NewNotification)| {
        content.published(NotificationId::new(stream.clone(), Position { sequence, ..first }), at)
    };
    (first.sequence..).zip(new).map(published).collect()
}

impl From<Notification> for NewNotification {
    /// What was published, without its position and time.
    fn from(published: Notification) -> Self {
        let Notification { id: _, kind, timestamp: _, data, attributes, trace } = published;
        Self { kind, data, attributes, trace }
    }
}

/// A published notification.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notification {
    pub id: NotificationId,
    #[serde(rename = "type")]
    pub kind: String,
    /// When it was published, not when it is sent.
    #[serde(with = "time::serde::rfc3339")]
    pub timestamp: OffsetDateTime,
    pub data: Value,
    /// As in [`NewNotification`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<Box<EventAttributes>>,
    /// As in [`NewNotification`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Box<TraceContext>>,
}

impl Notification {
    /// When the event happened: as its publisher says, or else when it was accepted.
    pub fn happened_at(&self) -> OffsetDateTime {
        self.attributes.as_ref().and_then(|it| it.timestamp).unwrap_or(self.timestamp)
    }

    /// Its collapse key: the publisher's, or the one that the system's own notifications have in their data.
    pub fn collapse_key(&self) -> Option<&str> {
        match &self.attributes {
            Some(attributes) => attributes.collapse_key.as_deref(),
            None => self.data.get("collapseKey").and_then(Value::as_str),
        }
    }

    /// The key within which it is ordered.
    pub fn ordering_key(&self) -> Option<&str> {
        self.attributes.as_ref()?.ordering_key.as_deref()
    }

    /// Whether its publisher sends it to a channel.
    pub fn is_addressed_to(&self, channel: ChannelId) -> bool {
        self.attributes.as_ref().is_none_or(|it| it.channels.is_empty() || it.channels.contains(&channel))
    }
}

/// The rule for types, as error messages state it.
pub const TYPE_RULE: &str = "dotted words of letters, digits, underlines and hyphens";

/// Whether a text is a type's name: words of letters, digits, `_` and `-`, separated by dots, at most 100 bytes.
pub fn is_type_name(kind: &str) -> bool {
    kind.len() <= 100 && kind.split('.').all(is_type_word)
}

/// Whether a text is one word of a type.
pub(crate) fn is_type_word(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// A write of notifications: its time in milliseconds since 1970, and its id with its stream (one request may write to
/// several).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct WriteKey {
    pub at: i64,
    pub id: String,
}

impl WriteKey {
    pub fn new(at: i64, write_id: &str, stream: &Stream) -> Self {
        Self { at, id: format!("{write_id}|{stream}") }
    }
}

/// Whether a pattern matches a type: the exact type, `*`, or `item.*` for all types that begin with `item.`.
pub fn type_matches(pattern: &str, kind: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => kind.starts_with(prefix),
        None => pattern == kind,
    }
}

/// The id of a notification: its position as text, so that the row is found without an index. The text has no `.`,
/// which would break the signed content of a webhook.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NotificationId {
    pub stream: Stream,
    pub epoch: i64,
    pub sequence: u64,
}

impl NotificationId {
    /// The id of the notification at a position of a stream.
    pub fn new(stream: Stream, position: Position) -> Self {
        Self { stream, epoch: position.epoch, sequence: position.sequence }
    }

    /// The position in the stream.
    pub fn position(&self) -> Position {
        Position { epoch: self.epoch, sequence: self.sequence }
    }
}

impl fmt::Display for NotificationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stream = URL_SAFE_NO_PAD.encode(self.stream.to_string());
        write!(f, "ntf_{stream}_{}_{}", self.epoch, self.sequence)
    }
}

impl FromStr for NotificationId {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        if text.len() > MAX_ID_BYTES {
            return Err(()); // ids come from callers; a longer one would exceed the size of a key
        }
        let mut parts = text.strip_prefix("ntf_").ok_or(())?.rsplitn(3, '_');
        let (sequence, epoch, stream) = (parts.next().ok_or(())?, parts.next().ok_or(())?, parts.next().ok_or(())?);
        let stream = String::from_utf8(URL_SAFE_NO_PAD.decode(stream).map_err(|_| ())?).map_err(|_| ())?;
        let id = Self {
            stream: stream.parse()?,
            epoch: epoch.parse().map_err(|_| ())?,
            sequence: sequence.parse().map_err(|_| ())?,
        };
        // only the canonical text is accepted
        if id.to_string() == text && id.sequence <= MAX_SEQUENCE { Ok(id) } else { Err(()) }
    }
}

impl Serialize for NotificationId {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for NotificationId {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(|()| serde::de::Error::custom("not a notification id"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    #[test]
    fn numbers_go_on_and_a_new_epoch_begins_when_all_has_expired() {
        let now = datetime!(2026-11-21 12:00 UTC);
        let last = Position { epoch: 5, sequence: 41 };
        assert_eq!(next_position(now, None), Position { epoch: now.unix_timestamp(), sequence: 1 });
        assert_eq!(
            next_position(now, Some(Head { last, expires: now + time::Duration::SECOND })),
            Position { epoch: 5, sequence: 42 }
        );
        assert_eq!(
            next_position(now, Some(Head { last, expires: now })),
            Position { epoch: now.unix_timestamp(), sequence: 42 }
        );
    }

    proptest! {
        #[test]
        fn an_id_is_read_back_and_nothing_else_is(
            epoch in any::<i64>(), sequence in 0..=MAX_SEQUENCE, kind in 0..4, name in "[^\\p{Cc}]{1,128}", junk in ".{0,40}",
        ) {
            let stream = match kind { 0 => Stream::App, 1 => Stream::Everyone, 2 => Stream::Group(name), _ => Stream::User(name) };
            let id = NotificationId { stream, epoch, sequence };
            prop_assert!(!id.to_string().contains('.'));
            prop_assert_eq!(id.to_string().parse(), Ok(id));
            prop_assert!(junk.parse::<NotificationId>().is_err());
        }
    }
}
