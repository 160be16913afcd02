//! Wire shapes of notifications and counts.

use domain::inbox::{InboxCounts, ReadState, is_change_type};
use domain::notification::{Notification, NotificationId, Stream};
use domain::{AppId, rfc3339};
use serde::Serialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use utoipa::ToSchema;

use crate::cursor::Cursor;

/// Times in responses of the legacy routes: ISO 8601 in UTC without a zone.
pub const LEGACY_TIME: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
/// Times on legacy sockets: the same with a blank for the `T`.
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
    /// A notification as it was sent.
    pub fn new(app: AppId, notification: &Notification, read_state: &ReadState) -> Self {
        let sequence = notification.id.sequence;
        Self {
            id: notification.id.to_string(),
            sequence,
            cursor: Cursor::encode(app, &notification.id.stream, notification.id.position()),
            kind: notification.kind.clone(),
            created_at: rfc3339(notification.timestamp),
            data: match notification.id.stream {
                // of an event the data may be any JSON, and stands in a member of its own
                Stream::App => json!({ "timestamp": rfc3339(notification.happened_at()), "data": notification.data }),
                _ => notification.data.clone(),
            },
            seen: read_state.seen.contains(sequence),
            read: read_state.read.contains(sequence),
            archived: read_state.archived.contains(sequence),
        }
    }

    /// A notification as it is at `now`, for clients that catch up: a deleted or expired one has `"deleted": true` in place
    /// of its data, so that sequence numbers have no gaps.
    pub fn as_of(app: AppId, notification: &Notification, read_state: &ReadState, now: OffsetDateTime) -> Self {
        let out = Self::new(app, notification, read_state);
        // the number of a change always counts as deleted: what it changed decides
        let updated = || notification.data.get("updates").and_then(Value::as_str)?.parse::<NotificationId>().ok();
        let id = if is_change_type(&notification.kind) { updated() } else { Some(notification.id.clone()) };
        let is_deleted = |id: NotificationId| read_state.is_deleted_or_expired(id.sequence, domain::millis(now));
        if notification.has_expired(now) || id.is_some_and(is_deleted) {
            Self { data: json!({ "deleted": true }), ..out }
        } else {
            out
        }
    }

    /// The notification with `href` in place of its data, for transports that limit the size of messages.
    #[must_use]
    pub fn reference(&self, stream: &Stream) -> Self {
        let path = resource_path(stream, Some(&self.id));
        Self { data: json!({ "href": path }), ..self.clone() }
    }
}

/// The HTTP path of a stream's notifications, or of one of them.
pub fn resource_path(stream: &Stream, id: Option<&str>) -> String {
    let percent_encoded = |text: &str| -> String {
        // RFC 3986, section 2.3
        let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
        text.bytes().map(|it| if unreserved(it) { char::from(it).to_string() } else { format!("%{it:02X}") }).collect()
    };
    let base = match stream {
        Stream::User(user) => format!("/api/v1/Inbox/{}/Notifications", percent_encoded(user)),
        Stream::Group(name) => format!("/api/v1/Groups/{}/Notifications", percent_encoded(name)),
        Stream::Everyone => "/api/v1/Everyone/Notifications".to_owned(),
        Stream::Box(_) => "/nms/v1".to_owned(), // no socket of ours gets them
        Stream::App => "/api/v1/Notification/Messages".to_owned(),
    };
    id.map_or(base.clone(), |id| format!("{base}/{id}"))
}

/// Counts of an inbox, exact at their version.
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

/// A notification as clients of the legacy service read it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = SeedOut)]
pub struct LegacyNotification {
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

impl LegacyNotification {
    /// A notification with times in a format: [`LEGACY_TIME`] or [`LEGACY_SOCKET_TIME`].
    pub fn new(notification: &Notification, read_state: &ReadState, time: &[BorrowedFormatItem<'_>]) -> Self {
        let at = notification.timestamp.to_offset(time::UtcOffset::UTC).format(time).unwrap_or_default();
        Self {
            id: notification.id.to_string(),
            title: notification.data["title"].clone(),
            description: notification.data["description"].clone(),
            identifier: notification.data["identifier"].clone(),
            user_id: user_id_value(&notification.id.stream),
            created_at: at.clone(),
            updated_at: at,
            is_read: read_state.read.contains(notification.id.sequence),
        }
    }
}

/// The user of a stream: a JSON number if the user's name is a whole number.
fn user_id_value(stream: &Stream) -> Value {
    let Stream::User(id) = stream else { return Value::Null };
    id.parse::<i64>().ok().filter(|it| it.to_string() == *id).map_or_else(|| json!(id), |it| json!(it))
}
