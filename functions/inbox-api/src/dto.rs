//! What goes over the wire.

use domain::AppId;
use domain::inbox::{Counts, Marks};
use domain::notification::{News, Notification, Place, Stream};
use domain::{cursor, rfc3339};
use entry::http::Problem;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

/// The largest `data` of a notification, in bytes of JSON.
const MOST_DATA: usize = 32 * 1024;

/// A notification to send.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NotificationIn {
    /// Dotted words of letters, digits, `_` and `-`; by default `notification`
    #[serde(default, rename = "type")]
    #[schema(example = "message.received")]
    kind: Option<String>,
    /// 1 to 200 characters
    #[schema(example = "New Message Received")]
    pub(crate) title: String,
    /// At most 4,000 characters
    #[serde(default)]
    pub(crate) description: String,
    /// A category of the sender's own, at most 100 characters
    #[serde(default)]
    #[schema(example = "MESSAGE")]
    pub(crate) identifier: String,
    /// Anything more, at most 32 KB
    #[serde(default)]
    #[schema(value_type = Object)]
    data: Option<Value>,
    /// Where it leads to, at most ten
    #[serde(default)]
    links: Vec<Link>,
    /// 1 to 10, by default 5
    #[serde(default)]
    priority: Option<u8>,
}

/// A link of a notification.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Link {
    /// An `https:` address, or a path that begins with `/`
    href: String,
    #[serde(default)]
    title: Option<String>,
}

impl NotificationIn {
    /// A notification of the seed's: title, description and identifier.
    pub(crate) fn plain(title: String, description: String, identifier: String) -> Self {
        Self { kind: None, title, description, identifier, data: None, links: Vec::new(), priority: None }
    }

    /// What is told.
    pub(crate) fn news(&self) -> Result<News, Problem> {
        let kind = self.kind.as_deref().unwrap_or("notification");
        let word =
            |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'-'));
        if kind.len() > 100 || !kind.split('.').all(word) {
            return Err(Problem::invalid("type", "dotted words of letters, digits, underlines and hyphens"));
        }
        for (field, text, least, most) in [
            ("title", &self.title, 1, 200),
            ("description", &self.description, 0, 4_000),
            ("identifier", &self.identifier, 0, 100),
        ] {
            if !(least..=most).contains(&text.chars().count()) {
                return Err(Problem::invalid(field, format!("{least} to {most} characters")));
            }
        }
        let target =
            |it: &Link| it.href.len() <= 2_048 && (it.href.starts_with("https://") || it.href.starts_with('/'));
        if self.links.len() > 10 || !self.links.iter().all(target) {
            return Err(Problem::invalid("links", "at most ten, each to an https address or a path"));
        }
        if self.priority.is_some_and(|it| !(1..=10).contains(&it)) {
            return Err(Problem::invalid("priority", "1 to 10"));
        }
        let mut data = json!({ "title": self.title, "description": self.description, "identifier": self.identifier });
        if let Some(more) = &self.data {
            if !more.is_object() || more.to_string().len() > MOST_DATA {
                return Err(Problem::invalid("data", "an object of at most 32 KB"));
            }
            data["data"] = more.clone();
        }
        if !self.links.is_empty() {
            data["links"] = json!(self.links);
        }
        if let Some(priority) = self.priority {
            data["priority"] = json!(priority);
        }
        Ok(News::new(kind, data))
    }
}

/// A notification in its inbox.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NotificationOut {
    id: String,
    /// Without a gap inside an inbox
    pub(crate) sequence: u64,
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
    pub(crate) fn new(app: AppId, it: &Notification, marks: &Marks) -> Self {
        let number = it.id.sequence;
        Self {
            id: it.id.to_string(),
            sequence: number,
            cursor: Cursor::at(app, &it.id.stream, it.id.epoch, number),
            kind: it.kind.clone(),
            created_at: rfc3339(it.timestamp),
            data: it.data.clone(),
            seen: marks.seen.contains(number),
            read: marks.read.contains(number),
            archived: marks.archived.contains(number),
        }
    }
}

/// A place in an inbox. It names whose it is, so that it is good for no other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cursor {
    app: AppId,
    stream: String,
    pub(crate) epoch: i64,
    pub(crate) sequence: u64,
}

impl Cursor {
    pub(crate) fn at(app: AppId, stream: &Stream, epoch: i64, sequence: u64) -> String {
        cursor::write(&Self { app, stream: stream.to_string(), epoch, sequence })
    }

    /// Reads a cursor of this inbox; another's is none.
    pub(crate) fn read(field: &str, token: &str, app: AppId, stream: &Stream) -> Result<Self, Problem> {
        let it: Self = cursor::read(token).map_err(|it| Problem::invalid(field, it.to_string()))?;
        if it.app == app && it.stream == stream.to_string() {
            Ok(it)
        } else {
            Err(Problem::invalid(field, "this is no cursor of this inbox"))
        }
    }
}

/// Counts, exact at their version.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(crate) struct CountsOut {
    /// Grows with every notification and every change; drop counts whose version is not above the ones you have
    version: u64,
    /// In the inbox: neither archived nor deleted
    total: u64,
    unread: u64,
    unseen: u64,
}

impl From<Counts> for CountsOut {
    fn from(it: Counts) -> Self {
        Self { version: it.version, total: it.total, unread: it.unread, unseen: it.unseen }
    }
}

/// Where a write went.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Sent {
    /// 201, or 422 with `error`
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Sent {
    pub(crate) fn done(app: AppId, stream: &Stream, place: Place) -> Self {
        let id = domain::notification::NotificationId {
            stream: stream.clone(),
            epoch: place.epoch,
            sequence: place.sequence,
        };
        let user = if let Stream::User(it) = stream { Some(it.clone()) } else { None };
        Self {
            status: 201,
            id: Some(id.to_string()),
            sequence: Some(place.sequence),
            cursor: Some(Cursor::at(app, stream, place.epoch, place.sequence)),
            user,
            error: None,
        }
    }

    pub(crate) fn refused(user: &str, why: &Problem) -> Self {
        let field = why.field.as_ref().map(|it| format!("{it}: ")).unwrap_or_default();
        let error = Some(format!("{field}{}", why.title));
        Self { status: why.status, id: None, sequence: None, cursor: None, user: Some(user.to_owned()), error }
    }
}
