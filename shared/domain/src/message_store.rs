//! The message store of OMA's Network Message Storage API (NMS): boxes, what is in them, subscriptions.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::AppId;
use crate::notification::{Position, Stream};
use crate::notification_channel::NotificationChannelId;

/// The type of the notification in a box's stream that tells of a change.
pub const BOX_CHANGED: &str = "box.changed";
/// The type of the notification in a box's stream that tells that all before it is gone.
pub const BOX_RESET: &str = "box.reset";
/// The folder that holds everything; it has no row.
pub const ROOT_FOLDER: u64 = 0;
/// The duration of a subscription in seconds: by default and at most a day, as deployed clients ask for.
pub const MAX_DURATION: u64 = 86_400;
/// Events of a list, by default and at most: a list has to fit into a message of a WebSocket.
pub const DEFAULT_EVENTS: u64 = 100;
pub const MAX_EVENTS: u64 = 200;
/// Lists that wait for another server's `notifyURL` at a time. What changes beyond stands in the box, and is told when they are
/// gone (NMS 5.1.4.3.1: no unbounded storage of notifications).
pub const MAX_WAITING_LISTS: u64 = 20;

/// A box of a store (NMS 6: `storeName` and `boxId`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BoxId {
    pub app: AppId,
    pub store: String,
    #[serde(rename = "box")]
    pub name: String,
}

impl BoxId {
    /// The stream of the box's changes. Neither name has a slash.
    pub fn stream(&self) -> Stream {
        Stream::Box(format!("{}/{}", self.store, self.name))
    }

    /// The box of a stream.
    pub fn of_stream(app: AppId, stream: &Stream) -> Option<Self> {
        let Stream::Box(names) = stream else { return None };
        let (store, name) = names.split_once('/')?;
        Some(Self { app, store: store.to_owned(), name: name.to_owned() })
    }
}

/// What became of a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoredState {
    Live,
    /// A user has deleted it.
    Deleted,
}

/// An attribute: its name and its values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredAttribute {
    pub name: String,
    pub values: Vec<String>,
}

/// The payload of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayloadInfo {
    pub content_type: String,
    /// In bytes.
    pub size: u64,
    /// The first-level parts of a multipart payload.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PayloadPart>,
}

/// A part of a multipart payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayloadPart {
    pub content_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_location: Option<String>,
    /// In bytes.
    pub size: u64,
}

/// An object or a folder (NMS 5.3.2). What is deleted stays as a tombstone, for replays and their filters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    #[serde(flatten)]
    pub in_box: BoxId,
    /// Unique in the box, and never used again.
    pub id: u64,
    /// The name of a folder; an object has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder_name: Option<String>,
    pub parent: u64,
    pub attributes: Vec<StoredAttribute>,
    pub flags: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_tag: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<PayloadInfo>,
    pub state: StoredState,
    /// When it was created, in milliseconds since 1970.
    pub created_at: i64,
    /// The numbers of its creation and of its latest change in the box's stream: `lastModSeq`.
    pub created_seq: u64,
    pub changed_seq: u64,
    pub revision: u64,
}

impl Stored {
    /// A new object in a folder, without anything; with a `folder_name` it is a folder.
    pub fn new(in_box: &BoxId, id: u64, parent: u64, created_at: i64) -> Self {
        Self {
            in_box: in_box.clone(),
            id,
            folder_name: None,
            parent,
            attributes: Vec::new(),
            flags: Vec::new(),
            correlation_id: None,
            correlation_tag: None,
            payload: None,
            state: StoredState::Live,
            created_at,
            created_seq: 0,
            changed_seq: 0,
            revision: 1,
        }
    }

    pub fn is_folder(&self) -> bool {
        self.folder_name.is_some()
    }

    pub fn is_live(&self) -> bool {
        self.state == StoredState::Live
    }

    /// Whether it has a flag; names are case-insensitive (NMS 5.3.2, `FlagList`).
    pub fn has_flag(&self, name: &str) -> bool {
        self.flags.iter().any(|it| it.eq_ignore_ascii_case(name))
    }

    /// The values of an attribute; names are case-insensitive (NMS 5.3.2, `Attribute`).
    pub fn attribute(&self, name: &str) -> &[String] {
        self.attributes.iter().find(|it| it.name.eq_ignore_ascii_case(name)).map_or(&[], |it| &it.values)
    }
}

/// A set of flags: duplicates are left out, whatever their case, and the first spelling stays.
pub fn flag_set(flags: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut set: Vec<String> = Vec::new();
    for flag in flags {
        if !set.iter().any(|it| it.eq_ignore_ascii_case(&flag)) {
            set.push(flag);
        }
    }
    set
}

/// Whether two sets of flags are the same.
pub fn same_flags(one: &[String], other: &[String]) -> bool {
    one.len() == other.len() && one.iter().all(|it| other.iter().any(|flag| flag.eq_ignore_ascii_case(it)))
}

/// A subscription to a box's changes (NMS 5.3.2, `NmsSubscription`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BoxSubscription {
    #[serde(flatten)]
    pub in_box: BoxId,
    pub id: u64,
    pub notify_url: String,
    /// The notification channel of its `notifyURL`; none if that is another server's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<NotificationChannelId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback_data: Option<String>,
    /// As the request spelled it: `XML` or `JSON`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notification_format: Option<String>,
    /// `SearchCriteria`, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_correlator: Option<String>,
    /// Members of later editions that were given, as JSON: they are returned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_events: Option<u64>,
    /// When it ends, in milliseconds since 1970.
    pub expires_at: i64,
    /// The index of the next list.
    pub next_index: u64,
    /// Up to where the box's changes are told.
    pub told: Position,
    /// Changes up to this number are a replay.
    pub replay_to: u64,
    /// The number of the box's latest change when it was created.
    pub created_seq: u64,
    /// The root of URLs in its lists.
    pub root: String,
    pub revision: u64,
}

impl BoxSubscription {
    pub fn has_expired(&self, now_ms: i64) -> bool {
        self.expires_at <= now_ms
    }
}

/// The duration that is granted, in seconds: 0 and none leave it to the server.
pub fn granted_duration(requested: Option<u64>) -> u64 {
    requested.filter(|it| *it > 0).unwrap_or(MAX_DURATION).clamp(60, MAX_DURATION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_a_set_whatever_their_case() {
        let flags = |all: &[&str]| flag_set(all.iter().map(|it| (*it).to_owned()));
        assert_eq!(flags(&["\\Seen", "\\seen", "$MDNSent"]), ["\\Seen", "$MDNSent"]);
        assert!(same_flags(&flags(&["\\Seen", "a"]), &flags(&["A", "\\seen"])));
        assert!(!same_flags(&flags(&["\\Seen"]), &flags(&["\\Seen", "a"])));
    }

    #[test]
    fn a_box_has_a_stream_of_its_own() {
        let id = BoxId { app: AppId::random([1; 16]), store: "myStore".into(), name: "tel:+1958".into() };
        assert_eq!(BoxId::of_stream(id.app, &id.stream()), Some(id.clone()));
        assert_eq!(id.stream().to_string().parse(), Ok(id.stream()));
        assert_eq!(BoxId::of_stream(id.app, &Stream::App), None);
    }
}
