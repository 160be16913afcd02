//! Wire shapes of sending, and their validation.

use domain::inbox::is_change_type;
use domain::notification::{NewNotification, NotificationId, Position, Stream, TYPE_RULE, is_type_name};
use domain::{AppId, rfc3339};
use entry::http::Problem;
use inbox::Cursor;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;

/// The largest `data` of a notification, in bytes of JSON.
const MAX_DATA: usize = 32 * 1024;

/// A notification to send.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NotificationIn {
    /// Words of letters, digits, `_` and `-`, separated by dots; by default `notification`
    #[serde(default, rename = "type")]
    #[schema(example = "message.received", max_length = 100, pattern = "^[A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+)*$")]
    kind: Option<String>,
    /// 1 to 200 characters
    #[schema(example = "New Message Received", min_length = 1, max_length = 200)]
    pub(crate) title: String,
    /// At most 4,000 characters
    #[serde(default)]
    #[schema(max_length = 4_000)]
    pub(crate) description: String,
    /// The sender's own category, at most 100 characters
    #[serde(default)]
    #[schema(example = "MESSAGE", max_length = 100)]
    pub(crate) identifier: String,
    /// Any JSON object, at most 32 KB
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    data: Option<Value>,
    /// Links of the notification, at most ten
    #[serde(default)]
    #[schema(max_items = 10)]
    links: Vec<Link>,
    /// 1 to 10, by default 5
    #[serde(default)]
    #[schema(minimum = 1, maximum = 10)]
    priority: Option<u8>,
    /// RFC 3339, within 30 days. From then on the notification is in no list and no count
    #[serde(default)]
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// The notification replaces the previous one with the same key, at most 100 characters: for progress reports
    #[serde(default)]
    #[schema(example = "render 17", min_length = 1, max_length = 100)]
    collapse_key: Option<String>,
    /// Whether the application's channels get it, too, as `notification.created`, if they accept that type
    #[serde(default)]
    also_notify: bool,
}

/// A link of a notification.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Link {
    /// An `https:` URL, or a path that begins with `/`
    #[schema(max_length = 2_048, pattern = "^(https://|/)", example = "/news/17")]
    href: String,
    #[serde(default)]
    #[schema(max_length = 200)]
    title: Option<String>,
}

impl NotificationIn {
    /// A notification of the legacy service: title, description and identifier.
    pub(crate) fn from_legacy(title: String, description: String, identifier: String) -> Self {
        let (kind, data, links, priority, expires_at, collapse_key, also_notify) = Default::default();
        Self { kind, title, description, identifier, data, links, priority, expires_at, collapse_key, also_notify }
    }

    /// Whether the sender named a type.
    pub(crate) fn has_type(&self) -> bool {
        self.kind.is_some()
    }

    /// Whether it has fields that only users' inboxes support: expiry and collapse keys change lists and counts.
    pub(crate) fn is_inbox_only(&self) -> bool {
        self.expires_at.is_some() || self.collapse_key.is_some()
    }

    /// Whether channels get it, too.
    pub(crate) fn is_for_channels(&self) -> bool {
        self.also_notify
    }

    /// Its type, or the default one.
    pub(crate) fn kind(&self) -> &str {
        self.kind.as_deref().unwrap_or("notification")
    }

    /// What the schema of its type validates; an empty object if there is none.
    pub(crate) fn data(&self) -> Value {
        self.data.clone().unwrap_or_else(|| json!({}))
    }

    /// The notification to store.
    ///
    /// # Errors
    /// 422 with the field that is not valid.
    pub(crate) fn to_new_notification(&self, now: OffsetDateTime) -> Result<NewNotification, Problem> {
        let kind = self.kind();
        if !is_type_name(kind) {
            return Err(Problem::invalid("type", TYPE_RULE));
        }
        if is_change_type(kind) {
            return Err(Problem::invalid("type", "this type tells of changes, which have routes of their own"));
        }
        for (field, text, min, max) in [
            ("title", &self.title, 1, 200),
            ("description", &self.description, 0, 4_000),
            ("identifier", &self.identifier, 0, 100),
        ] {
            if !(min..=max).contains(&text.chars().count()) {
                return Err(Problem::invalid(field, format!("{min} to {max} characters")));
            }
        }
        let is_valid_link = |link: &Link| {
            link.href.chars().count() <= 2_048
                && (link.href.starts_with("https://") || link.href.starts_with('/'))
                && link.title.as_ref().is_none_or(|title| title.chars().count() <= 200)
        };
        if self.links.len() > 10 || !self.links.iter().all(is_valid_link) {
            let detail = "at most ten, each to an https address or a path, with a title of at most 200 characters";
            return Err(Problem::invalid("links", detail));
        }
        if self.priority.is_some_and(|it| !(1..=10).contains(&it)) {
            return Err(Problem::invalid("priority", "1 to 10"));
        }
        let mut data = json!({ "title": self.title, "description": self.description, "identifier": self.identifier });
        if let Some(more) = &self.data {
            if !more.is_object() || more.to_string().len() > MAX_DATA {
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
        if let Some(at) = &self.expires_at {
            let is_soon = |at: &OffsetDateTime| *at > now && *at <= now + Duration::days(30);
            let at = OffsetDateTime::parse(at, &Rfc3339).ok().filter(is_soon);
            let at =
                at.ok_or_else(|| Problem::invalid("expiresAt", "a time within 30 days, such as 2026-11-22T12:00:00Z"))?;
            data["expiresAt"] = json!(rfc3339(at));
        }
        if let Some(key) = &self.collapse_key {
            if !(1..=100).contains(&key.chars().count()) {
                return Err(Problem::invalid("collapseKey", "1 to 100 characters"));
            }
            data["collapseKey"] = json!(key);
        }
        Ok(NewNotification::new(kind, data))
    }
}

/// The position of a cursor in a field.
///
/// # Errors
/// 422 with the field if the text is no cursor of this stream.
pub(crate) fn read_position(field: &str, token: &str, app: AppId, stream: &Stream) -> Result<Position, Problem> {
    Cursor::decode(token, app, stream).map_err(|it| Problem::invalid(field, it.to_string()))
}

/// The result of one notification of a request.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Sent)]
pub(crate) struct SendResult {
    /// 201 stored; 200 not stored, by the user's preferences; 422 not valid, with `error`
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

impl SendResult {
    /// The notification was stored at a position.
    pub(crate) fn stored(app: AppId, stream: &Stream, position: Position) -> Self {
        let id = NotificationId::new(stream.clone(), position);
        let user = if let Stream::User(user) = stream { Some(user.clone()) } else { None };
        Self {
            status: 201,
            id: Some(id.to_string()),
            sequence: Some(position.sequence),
            cursor: Some(Cursor::encode(app, stream, position)),
            user,
            error: None,
        }
    }

    /// Whether the notification was stored.
    pub(crate) fn is_stored(&self) -> bool {
        self.status == 201
    }

    /// The user's preferences exclude this type from the inbox.
    pub(crate) fn suppressed(user: &str) -> Self {
        Self { status: 200, id: None, sequence: None, cursor: None, user: Some(user.to_owned()), error: None }
    }

    /// The notification is not valid.
    pub(crate) fn rejected(user: &str, problem: &Problem) -> Self {
        let error = Some(problem.detail.clone());
        Self { status: problem.status, id: None, sequence: None, cursor: None, user: Some(user.to_owned()), error }
    }
}
