//! What the publisher of an event says beside its type and its data. The attributes of CloudEvents 1.0 keep their values,
//! so that a channel with that format gets the event as it was published.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;

use crate::ChannelId;

/// The first words of the types that the system publishes itself. Applications cannot publish these.
const RESERVED_WORDS: [&str; 10] =
    ["billing", "bucket", "channel", "delivery", "iconik", "item", "notification", "scan", "task", "tasks"];

/// The first word of a type, with its dot, if only the system publishes types that begin so.
pub fn reserved_prefix(kind: &str) -> Option<String> {
    let first = kind.split('.').next().unwrap_or_default();
    RESERVED_WORDS.contains(&first).then(|| format!("{first}."))
}

/// The attributes of a published event.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventAttributes {
    /// When it happened, if the publisher says so; the notification's own time is that of its acceptance.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<OffsetDateTime>,
    /// The only channels that get it; empty means all that accept it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<ChannelId>,
    /// A newer event with the same key ends the retries of this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collapse_key: Option<String>,
    /// From this time on it is neither delivered nor listed, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// Channels with `ordering=key` get the events of one key one after the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordering_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_event: Option<Box<CloudEventContext>>,
}

/// The context attributes of an event that was published as a CloudEvent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CloudEventContext {
    pub id: String,
    pub source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataschema: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datacontenttype: Option<String>,
    /// Extension attributes: texts, whole numbers, flags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extensions: BTreeMap<String, Value>,
    #[serde(default)]
    pub payload: Payload,
}

/// How the data of a CloudEvent is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Payload {
    /// As JSON.
    #[default]
    Json,
    /// Bytes, as a JSON text in base64.
    Base64,
    /// There is no data, which is not the same as `null` (JSON event format, section 3.1.1).
    Absent,
}
