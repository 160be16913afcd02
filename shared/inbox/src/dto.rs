//! What a notification and counts look like.

use domain::inbox::{InboxCounts, ReadState, is_change_type};
use domain::notification::{Notification, NotificationId, Stream};
use domain::{AppId, rfc3339};
use serde::Serialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use utoipa::ToSchema;

use crate::Cursor;

/// As the seed writes a time in its answers: ISO 8601 without a zone, UTC.
pub const LEGACY_TIME: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
/// As the seed writes a time on its socket.
pub const LEGACY_SOCKET_TIME: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");

/// A notification in its inbox.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotificationOut {
    id: String,
    /// Without a gap inside an inbox
    pub sequence: u64,
    /// Give it as `after` to read what follows
    cursor: String,
    #[serde(rename = "type")]
    kind: String,
    created_at: String,
    #[serde(flatten)]
    #[schema(value_type = Object)]
    data: Value,
    seen: bool,
    read: bool,
    archived: bool,
}

impl NotificationOut {
    pub fn new(app: AppId, it: &Notification, marks: &ReadState) -> Self {
        let number = it.id.sequence;
        Self {
            id: it.id.to_string(),
            sequence: number,
            cursor: Cursor::encode(app, &it.id.stream, it.id.position()),
            kind: it.kind.clone(),
            created_at: rfc3339(it.timestamp),
            data: it.data.clone(),
            seen: marks.seen.contains(number),
            read: marks.read.contains(number),
            archived: marks.archived.contains(number),
        }
    }

    /// To whoever catches up: what was deleted or has expired says so and no more, since numbers have no gaps.
    pub fn as_of(app: AppId, it: &Notification, marks: &ReadState, now: OffsetDateTime) -> Self {
        let shown = Self::new(app, it, marks);
        // a change stands under a number that counts as deleted; it goes with what it changed
        let of = it.data.get("updates").and_then(Value::as_str).and_then(|it| it.parse::<NotificationId>().ok());
        let number = if is_change_type(&it.kind) { of.map(|it| it.sequence) } else { Some(it.id.sequence) };
        let gone = it.has_expired(now) || number.is_some_and(|it| marks.is_deleted_or_expired(it, domain::millis(now)));
        if gone { Self { data: json!({ "deleted": true }), ..shown } } else { shown }
    }

    /// The same without what it says, but with where to read it: for transports whose messages are small.
    #[must_use]
    pub fn reference(&self, stream: &Stream) -> Self {
        let path = resource_path(stream, Some(&self.id));
        Self { data: json!({ "href": path }), ..self.clone() }
    }
}

/// Where a stream, or a notification in it, is read over HTTP.
pub fn resource_path(stream: &Stream, id: Option<&str>) -> String {
    let encoded = |it: &str| -> String {
        let plain = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_' | b'.' | b'~');
        it.bytes().map(|it| if plain(it) { char::from(it).to_string() } else { format!("%{it:02X}") }).collect()
    };
    let base = match stream {
        Stream::User(user) => format!("/api/v1/Inbox/{}/Notifications", encoded(user)),
        Stream::Group(name) => format!("/api/v1/Groups/{}/Notifications", encoded(name)),
        Stream::Everyone => "/api/v1/Everyone/Notifications".to_owned(),
        Stream::App => "/api/v1/Notifications".to_owned(),
    };
    id.map_or(base.clone(), |id| format!("{base}/{id}"))
}

/// Counts, exact at their version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct CountsOut {
    /// Grows with every notification and every change; drop counts whose version is not above the ones you have
    version: u64,
    /// In the inbox: neither archived nor deleted
    total: u64,
    unread: u64,
    unseen: u64,
}

impl From<InboxCounts> for CountsOut {
    fn from(it: InboxCounts) -> Self {
        Self { version: it.version, total: it.total, unread: it.unread, unseen: it.unseen }
    }
}

/// A notification, as the seed's clients read it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SeedOut {
    id: String,
    title: Value,
    description: Value,
    identifier: Value,
    #[schema(value_type = i64)]
    user_id: Value,
    created_at: String,
    updated_at: String,
    is_read: bool,
}

impl SeedOut {
    pub fn new(it: &Notification, marks: &ReadState, time: &[BorrowedFormatItem<'_>]) -> Self {
        let at = it.timestamp.to_offset(time::UtcOffset::UTC).format(time).unwrap_or_default();
        Self {
            id: it.id.to_string(),
            title: it.data["title"].clone(),
            description: it.data["description"].clone(),
            identifier: it.data["identifier"].clone(),
            user_id: user_id_value(&it.id.stream),
            created_at: at.clone(),
            updated_at: at,
            is_read: marks.read.contains(it.id.sequence),
        }
    }
}

/// Users that are numbers stay numbers in answers.
fn user_id_value(stream: &Stream) -> Value {
    let Stream::User(id) = stream else { return Value::Null };
    id.parse::<i64>().ok().filter(|it| it.to_string() == *id).map_or_else(|| json!(id), |it| json!(it))
}
