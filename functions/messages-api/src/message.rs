//! Wire shapes of publishing, and their validation.

use domain::event::{EventAttributes, reserved_prefix};
use domain::notification::{NewNotification, NotificationId, Position, Stream, TYPE_RULE, is_type_name};
use domain::{AppId, ChannelId, millis};
use entry::http::Problem;
use inbox::Cursor;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;

/// The largest `data`, in bytes of JSON: as EventBridge's and SNS's messages.
const MAX_DATA_BYTES: usize = 256 * 1024;
/// The most characters of a key or of the correlation id.
const MAX_KEY_CHARS: usize = 128;
/// The most channels that one event names.
const MAX_CHANNELS: usize = 50;
/// The latest expiry: notifications are kept for 30 days.
const MAX_LIFETIME: Duration = Duration::days(30);

/// An event to publish.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct MessageIn {
    /// Words of letters, digits, `_` and `-`, separated by dots. The first word is none of the system's own, such as
    /// `item` or `channel`
    #[serde(rename = "type")]
    #[schema(example = "order.paid", max_length = 100, pattern = "^[A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+)*$")]
    pub(crate) kind: String,
    /// Any JSON, at most 256 KB; by default `{}`
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Value, example = json!({ "order": 7 }))]
    pub(crate) data: Option<Value>,
    /// When it happened, RFC 3339; by default now
    #[serde(default)]
    #[schema(format = DateTime)]
    pub(crate) timestamp: Option<String>,
    /// A newer event with the same key ends the retries of this one; 1 to 128 characters
    #[serde(default)]
    #[schema(example = "order 7", min_length = 1, max_length = 128)]
    pub(crate) collapse_key: Option<String>,
    /// Only these channels (ids of configurations) get it, if they accept its type; at most 50
    #[serde(default)]
    #[schema(max_items = 50)]
    pub(crate) channels: Option<Vec<String>>,
    /// RFC 3339, within 30 days. From then on it is neither delivered nor listed
    #[serde(default)]
    #[schema(format = DateTime)]
    pub(crate) expires_at: Option<String>,
    /// Passed on; 1 to 128 characters
    #[serde(default)]
    #[schema(min_length = 1, max_length = 128)]
    pub(crate) correlation_id: Option<String>,
    /// A channel with `ordering=key` gets the events of one key one after the other; 1 to 128 characters
    #[serde(default)]
    #[schema(min_length = 1, max_length = 128)]
    pub(crate) ordering_key: Option<String>,
}

/// Distinguishes `null` from an absent member.
fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

impl MessageIn {
    /// The notification to store.
    ///
    /// # Errors
    /// 422 with the field that is not valid.
    pub(crate) fn into_new_notification(self, now: OffsetDateTime) -> Result<NewNotification, Problem> {
        check_type(&self.kind)?;
        let data = self.data.unwrap_or_else(|| json!({}));
        if data.to_string().len() > MAX_DATA_BYTES {
            return Err(Problem::invalid("data", format!("at most {MAX_DATA_BYTES} bytes of JSON")));
        }
        for (field, text) in [
            ("collapseKey", &self.collapse_key),
            ("correlationId", &self.correlation_id),
            ("orderingKey", &self.ordering_key),
        ] {
            if text.as_ref().is_some_and(|it| !(1..=MAX_KEY_CHARS).contains(&it.chars().count())) {
                return Err(Problem::invalid(field, format!("1 to {MAX_KEY_CHARS} characters")));
            }
        }
        let channels = self.channels.unwrap_or_default();
        if channels.len() > MAX_CHANNELS {
            return Err(Problem::invalid("channels", format!("at most {MAX_CHANNELS}")));
        }
        let no_channel = |text: &str| {
            let shown: String = text.chars().take(64).collect();
            Problem::invalid("channels", format!("`{shown}` is no id of a channel's configuration"))
        };
        let id_of = |text: &String| text.parse::<ChannelId>().map_err(|_| no_channel(text));
        let attributes = EventAttributes {
            timestamp: self.timestamp.map(|it| read_time("timestamp", &it)).transpose()?,
            channels: channels.iter().map(id_of).collect::<Result<_, _>>()?,
            collapse_key: self.collapse_key,
            expires_at: self.expires_at.map(|it| read_expiry(&it, now)).transpose()?,
            correlation_id: self.correlation_id,
            ordering_key: self.ordering_key,
            cloud_event: None,
        };
        Ok(NewNotification { attributes: Some(Box::new(attributes)), ..NewNotification::new(&self.kind, data) })
    }
}

fn check_type(kind: &str) -> Result<(), Problem> {
    if !is_type_name(kind) {
        return Err(Problem::invalid("type", format!("{TYPE_RULE}, at most 100")));
    }
    match reserved_prefix(kind) {
        Some(prefix) => Err(Problem::invalid("type", format!("types that begin with `{prefix}` are the system's own"))),
        None => Ok(()),
    }
}

/// A time of the request.
///
/// # Errors
/// 422 with the field.
fn read_time(field: &str, text: &str) -> Result<OffsetDateTime, Problem> {
    let invalid = |_| Problem::invalid(field, "a time such as 2026-11-28T12:00:00Z");
    OffsetDateTime::parse(text, &Rfc3339).map_err(invalid)
}

fn read_expiry(text: &str, now: OffsetDateTime) -> Result<i64, Problem> {
    let at = read_time("expiresAt", text)?;
    if at > now && at <= now + MAX_LIFETIME {
        Ok(millis(at))
    } else {
        Err(Problem::invalid("expiresAt", "a time within 30 days from now"))
    }
}

/// What became of one event of a request.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct PublishResult {
    /// 202 accepted; 422 refused, with `error`
    status: u16,
    /// The id under which every receiver gets it
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// The number in the application's stream
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<u64>,
    /// Give it as `after` to read what follows
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    /// The field that is wrong
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl PublishResult {
    /// The event was stored at a position.
    pub(crate) fn accepted(app: AppId, position: Position) -> Self {
        let id = NotificationId::new(Stream::App, position);
        Self {
            status: 202,
            id: Some(id.to_string()),
            sequence: Some(position.sequence),
            cursor: Some(Cursor::encode(app, &Stream::App, position)),
            field: None,
            error: None,
        }
    }

    /// The event was refused.
    pub(crate) fn refused(problem: &Problem) -> Self {
        let (field, error) = (problem.field.clone(), Some(problem.detail.clone()));
        Self { status: problem.status, id: None, sequence: None, cursor: None, field, error }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn read(body: Value) -> Result<NewNotification, Problem> {
        entry::http::json::read::<MessageIn>(&body)?.into_new_notification(datetime!(2026-11-28 12:00 UTC))
    }

    #[test]
    fn any_json_is_data_and_null_is_not_absence() {
        for (body, want) in [
            (json!({ "type": "a.b", "data": [1, null] }), json!([1, null])),
            (json!({ "type": "a", "data": null }), Value::Null),
            (json!({ "type": "a-b" }), json!({})),
            (json!({ "type": "a", "data": "text" }), json!("text")),
        ] {
            assert_eq!(read(body).unwrap().data, want);
        }
    }

    #[test]
    fn what_is_refused_names_its_field() {
        let soon = "2026-11-29T12:00:00Z";
        assert!(read(json!({ "type": "a", "expiresAt": soon, "timestamp": "2001-01-01T00:00:00+02:00" })).is_ok());
        for (body, field) in [
            (json!({ "data": {} }), "type"),
            (json!({ "type": "a..b" }), "type"),
            (json!({ "type": "item.found" }), "type"),
            (json!({ "type": "channel" }), "type"),
            (json!({ "type": "a", "data": "x".repeat(MAX_DATA_BYTES) }), "data"),
            (json!({ "type": "a", "collapseKey": "" }), "collapseKey"),
            (json!({ "type": "a", "orderingKey": "x".repeat(129) }), "orderingKey"),
            (json!({ "type": "a", "channels": ["1"] }), "channels"),
            (json!({ "type": "a", "timestamp": "today" }), "timestamp"),
            (json!({ "type": "a", "expiresAt": "2026-11-28T11:00:00Z" }), "expiresAt"),
            (json!({ "type": "a", "expiresAt": "2027-11-28T11:00:00Z" }), "expiresAt"),
            (json!({ "type": "a", "colour": 1 }), "colour"),
        ] {
            let problem = read(body.clone()).unwrap_err();
            assert_eq!((problem.status, problem.field.as_deref()), (422, Some(field)), "{body}");
        }
        let problem = read(json!({ "type": "scan.mine" })).unwrap_err();
        assert!(problem.detail.contains("`scan.`"), "{}", problem.detail);
    }
}
