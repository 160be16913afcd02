//! A document: a root element and its content.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use serde_path_to_error::Segment;

use crate::canonical;
use crate::error::ReadError;
use crate::schema::{self, Kind, NC_LIST_COMPLETE, NOTIFICATION_LIST};

/// The member beside an entry of a notification list that holds the namespace of another enabler.
pub(crate) const XMLNS: &str = "@xmlns";

/// A root element and its content, in one form whatever format and dialect it came in: numbers and booleans are native, what
/// may repeat is an array, empty is null, and unknown members are left out (REST_NetAPI_Common 5.6.2).
///
/// The content of `notificationList` is an array of single-member objects, or null (NC 5.2.2.8). Beside a notification of an
/// enabler other than NMS, the member `@xmlns` keeps its namespace, and members that begin with `@` are XML attributes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// The local name of the root element.
    pub root: String,
    /// The namespace of the root element, if it is the notification of an enabler other than NMS and came in XML.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    pub value: Value,
}

impl Document {
    /// A document of one of the protocols' root elements.
    ///
    /// # Errors
    /// If the root element is unknown, or the content is not that of its type.
    pub fn new(root: &str, content: &impl Serialize) -> Result<Self, ReadError> {
        let value = serde_json::to_value(content).map_err(|error| ReadError::invalid(root, &error.to_string()))?;
        Self::from_value(root, value)
    }

    /// A document of a root element and its content in any JSON dialect.
    ///
    /// # Errors
    /// If the root element is unknown, or the content is not that of its type.
    pub fn from_value(root: &str, value: Value) -> Result<Self, ReadError> {
        let known = schema::root(root).ok_or_else(|| ReadError::root(&["a known root element"], root))?;
        Ok(Self { root: root.to_owned(), namespace: None, value: canonical::root(known, value)? })
    }

    /// The `notificationList` of some notifications, in their order. `complete` adds `ncListComplete`, for the last list of a
    /// large-data polling URL (NC 5.2.2.8).
    pub fn notification_list(notifications: Vec<Self>, complete: bool) -> Self {
        let mut entries: Vec<Value> = notifications.into_iter().map(Self::into_entry).collect();
        if complete {
            entries.push(canonical::member(NC_LIST_COMPLETE.to_owned(), Value::Bool(true)));
        }
        Self::list(entries)
    }

    pub(crate) fn list(entries: Vec<Value>) -> Self {
        let value = if entries.is_empty() { Value::Null } else { Value::Array(entries) };
        Self { root: NOTIFICATION_LIST.to_owned(), namespace: None, value }
    }

    pub(crate) fn into_entry(self) -> Value {
        let namespace = self.namespace.map(|uri| (XMLNS.to_owned(), Value::String(uri)));
        Value::Object(Map::from_iter([(self.root, self.value)].into_iter().chain(namespace)))
    }

    /// The notifications of a `notificationList`, without `ncListComplete`. None for any other document.
    pub fn notifications(&self) -> Vec<Self> {
        let entries = if self.root == NOTIFICATION_LIST { self.value.as_array() } else { None };
        entries.into_iter().flatten().filter_map(entry).collect()
    }

    /// Whether this is a `notificationList` with `ncListComplete` = true.
    pub fn is_list_complete(&self) -> bool {
        let last = self.value.as_array().and_then(|all| all.last());
        self.root == NOTIFICATION_LIST && last.and_then(|it| it.get(NC_LIST_COMPLETE)) == Some(&Value::Bool(true))
    }

    /// The content as a struct of its type.
    ///
    /// # Errors
    /// If a mandatory member is missing, or a value is not one that its type has.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, ReadError> {
        let complex = schema::root(&self.root).is_some_and(|root| matches!(root.kind, Kind::Type(_)));
        let value = if complex && self.value.is_null() { Value::Object(Map::new()) } else { self.value.clone() };
        serde_path_to_error::deserialize(value).map_err(|error| self.error(&error))
    }

    fn error(&self, error: &serde_path_to_error::Error<serde_json::Error>) -> ReadError {
        let names = error.path().iter().filter_map(|segment| match segment {
            Segment::Map { key } => Some(key.as_str()),
            Segment::Enum { variant } => Some(variant.as_str()),
            Segment::Seq { .. } | Segment::Unknown => None,
        });
        let (mut names, reason) = (names.collect::<Vec<&str>>(), error.inner().to_string());
        let missing = reason.strip_prefix("missing field `").and_then(|it| it.split_once('`'));
        names.extend(missing.map(|it| it.0));
        let part = if names.is_empty() { self.root.clone() } else { names.join(".") };
        if reason.starts_with("unknown variant")
            && let Some((_, allowed)) = reason.rsplit_once("expected ")
        {
            let allowed = allowed.trim_start_matches("one of ").replace('`', "").replace(" or ", ", ");
            return ReadError::Enumeration { part, allowed };
        }
        ReadError::Invalid { part, reason }
    }
}

/// The notification of an entry; `None` for `ncListComplete`.
fn entry(entry: &Value) -> Option<Document> {
    let members = entry.as_object()?;
    let (root, value) = members.iter().find(|(name, _)| *name != XMLNS && *name != NC_LIST_COMPLETE)?;
    let namespace = members.get(XMLNS).and_then(Value::as_str).map(str::to_owned);
    Some(Document { root: root.clone(), namespace, value: value.clone() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{NmsSubscription, NotificationChannel};

    fn event_list(index: u64) -> Document {
        Document::from_value("nmsEventList", json!({ "nmsEvent": [{ "resetBox": null }], "index": index })).unwrap()
    }

    #[test]
    fn a_list_keeps_its_notifications_and_their_order() {
        let presence = Document {
            root: "presenceNotification".into(),
            namespace: Some("urn:example:presence".into()),
            value: json!({ "resourceStatus": "Active" }),
        };
        let all = vec![event_list(1), presence, event_list(2)];
        let list = Document::notification_list(all.clone(), false);
        assert_eq!(list.notifications(), all);
        assert!(!list.is_list_complete());
        let last = Document::notification_list(all.clone(), true);
        assert_eq!((last.notifications(), last.is_list_complete()), (all, true));
        assert_eq!(Document::notification_list(Vec::new(), false).value, Value::Null);
    }

    #[track_caller]
    fn check<T: DeserializeOwned + std::fmt::Debug>(root: &str, value: Value, part: &str) {
        let error = Document::from_value(root, value).and_then(|it| it.parse::<T>()).unwrap_err();
        assert_eq!(error.part(), part, "{error}");
    }

    #[test]
    fn an_error_names_the_part_of_the_message() {
        check::<NotificationChannel>("notificationChannel", json!(null), "channelType");
        check::<NotificationChannel>("notificationChannel", json!({ "channelType": "Carrier" }), "channelType");
        check::<NotificationChannel>(
            "notificationChannel",
            json!({ "channelType": "WebSockets", "channelLifetime": -1 }),
            "channelLifetime",
        );
        check::<NotificationChannel>(
            "notificationChannel",
            json!({ "channelType": "WebSockets", "channelData": { "maxNotifications": "x" } }),
            "channelData.maxNotifications",
        );
        check::<NmsSubscription>("nmsSubscription", json!({ "callbackReference": {} }), "callbackReference");
        check::<NmsSubscription>(
            "nmsSubscription",
            json!({ "callbackReference": { "callbackData": "a" } }),
            "callbackReference.notifyURL",
        );
        let filter = json!({ "criterion": [{ "type": "Colour", "value": "red" }] });
        let subscription = json!({ "callbackReference": { "notifyURL": "https://example.com" }, "filter": filter });
        let document = Document::from_value("nmsSubscription", subscription).unwrap();
        let allowed = "Date, Attribute, AllTextAttributes, Flag, WholeWord, VanishedObjects, CreatedObjects, PresetSearch, \
                       Conversation";
        let error = ReadError::Enumeration { part: "filter.criterion.type".into(), allowed: allowed.into() };
        assert_eq!(document.parse::<NmsSubscription>().unwrap_err(), error);
    }

    #[test]
    fn an_unknown_root_is_an_error() {
        let error = Document::from_value("Object", json!(null)).unwrap_err();
        assert_eq!(error, ReadError::root(&["a known root element"], "Object"));
    }
}
