//! Filters on the content of notifications, in the syntax of EventBridge event patterns: field names as in the
//! notification, and at the leaves a list of accepted values.
//! `{"type":[{"prefix":"item."}],"data":{"item":{"size":[{"numeric":[">",1000]}]}}}`

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::notification::Notification;

/// Maximum size of a filter in bytes, and its maximum depth.
const MAX_BYTES: usize = 4_096;
const MAX_DEPTH: usize = 8;

/// The texts that a publisher has given an event and that a pattern may name.
const ATTRIBUTES: [&str; 4] = ["correlationId", "orderingKey", "source", "subject"];

/// A validated event pattern.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct Filter(Map<String, Value>);

/// Why a value is not a valid filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFilter {
    #[error("a filter is an object of objects, with a list at each leaf")]
    NotAnObject,
    #[error("a filter has at most 4096 bytes and 8 levels")]
    TooLarge,
    #[error("a number of a filter is 0, or from 1e-130 to 9.9e125, with either sign")]
    NumberOutOfRange,
    #[error("the list of `{0}` is empty: it would match nothing")]
    Empty(String),
    #[error(
        "a list holds texts, numbers, flags, null, or one of {{\"prefix\"}}, {{\"suffix\"}}, {{\"anything-but\"}}, {{\"exists\"}}, {{\"numeric\"}}"
    )]
    UnknownMatcher,
}

impl TryFrom<Value> for Filter {
    type Error = InvalidFilter;
    fn try_from(value: Value) -> Result<Self, InvalidFilter> {
        if value.to_string().len() > MAX_BYTES {
            return Err(InvalidFilter::TooLarge);
        }
        let Value::Object(pattern) = value else { return Err(InvalidFilter::NotAnObject) };
        validate_object(&pattern, 0)?;
        if !pattern.values().all(has_storable_numbers) {
            return Err(InvalidFilter::NumberOutOfRange);
        }
        Ok(Self(pattern))
    }
}

impl From<Filter> for Value {
    fn from(filter: Filter) -> Self {
        Self::Object(filter.0)
    }
}

impl Filter {
    /// Whether a notification matches. All fields of the pattern must match.
    pub fn matches(&self, notification: &Notification) -> bool {
        let (id, kind) = (Value::String(notification.id.to_string()), Value::String(notification.kind.clone()));
        let attributes = self.attributes_of(notification);
        object_matches(&self.0, &|name| match name {
            "id" => Some(&id),
            "type" => Some(&kind),
            "data" => Some(&notification.data), // not copied: it may be large, and has a filter per channel
            name => attributes.get(name),
        })
    }

    /// Those of the [`ATTRIBUTES`] that the pattern names and the notification has.
    fn attributes_of(&self, notification: &Notification) -> Map<String, Value> {
        let Some(attributes) = &notification.attributes else { return Map::new() };
        let cloud_event = attributes.cloud_event.as_ref();
        let value_of = |name: &str| match name {
            "correlationId" => attributes.correlation_id.clone(),
            "orderingKey" => attributes.ordering_key.clone(),
            "source" => cloud_event.map(|it| it.source.clone()),
            _ => cloud_event.and_then(|it| it.subject.clone()),
        };
        let named = ATTRIBUTES.into_iter().filter(|name| self.0.contains_key(*name));
        named.filter_map(|name| Some((name.to_owned(), Value::String(value_of(name)?)))).collect()
    }
}

fn validate_object(pattern: &Map<String, Value>, depth: usize) -> Result<(), InvalidFilter> {
    if depth == MAX_DEPTH {
        return Err(InvalidFilter::TooLarge);
    }
    for (name, value) in pattern {
        match value {
            Value::Object(inner) => validate_object(inner, depth + 1)?,
            Value::Array(all) if all.is_empty() => return Err(InvalidFilter::Empty(name.clone())),
            Value::Array(all) => all.iter().try_for_each(validate_matcher)?,
            _ => return Err(InvalidFilter::NotAnObject),
        }
    }
    Ok(())
}

fn validate_matcher(value: &Value) -> Result<(), InvalidFilter> {
    let Value::Object(matcher) = value else {
        return if value.is_array() { Err(InvalidFilter::UnknownMatcher) } else { Ok(()) };
    };
    let mut parts = matcher.iter();
    let valid = match (parts.next(), parts.next()) {
        (Some((name, value)), None) => match name.as_str() {
            "prefix" | "suffix" => value.is_string(),
            "anything-but" => !value.is_object() && value.as_array().is_none_or(|it| it.iter().all(is_scalar)),
            "exists" => value.is_boolean(),
            "numeric" => value.as_array().is_some_and(|it| comparisons(it).is_some()),
            _ => false,
        },
        _ => false,
    };
    if valid { Ok(()) } else { Err(InvalidFilter::UnknownMatcher) }
}

/// Whether a row can keep the numbers of a value (DynamoDB, naming rules and data types: magnitudes from 1E-130 to 9.99E+125).
fn has_storable_numbers(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.as_f64().is_some_and(|it| it == 0.0 || (1e-130..=9.9e125).contains(&it.abs())),
        Value::Array(all) => all.iter().all(has_storable_numbers),
        Value::Object(members) => members.values().all(has_storable_numbers),
        Value::Null | Value::Bool(_) | Value::String(_) => true,
    }
}

fn is_scalar(value: &Value) -> bool {
    !value.is_object() && !value.is_array()
}

/// Parses `[">", 1, "<=", 5]` into pairs.
fn comparisons(list: &[Value]) -> Option<Vec<(&str, f64)>> {
    let pairs = list.chunks(2).map(|pair| match pair {
        [Value::String(operator), number] if matches!(operator.as_str(), "<" | "<=" | "=" | ">=" | ">") => {
            Some((operator.as_str(), number.as_f64()?))
        }
        _ => None,
    });
    pairs.collect::<Option<Vec<_>>>().filter(|it| !it.is_empty())
}

fn object_matches<'a>(pattern: &Map<String, Value>, member: &dyn Fn(&str) -> Option<&'a Value>) -> bool {
    pattern.iter().all(|(name, expected)| {
        let value = member(name);
        match expected {
            Value::Object(inner) => object_matches(inner, &|name| value.and_then(|it| it.get(name))),
            Value::Array(all) => all.iter().any(|matcher| value_matches(matcher, value)),
            _ => false,
        }
    })
}

/// Whether a matcher accepts a field. For an array one matching element is enough, as in EventBridge.
fn value_matches(matcher: &Value, value: Option<&Value>) -> bool {
    let matcher = Matcher::parse(matcher);
    match (&matcher, value) {
        (Matcher::Exists(exists), _) => *exists == value.is_some(),
        (_, None) => false,
        (_, Some(Value::Array(all))) => all.iter().any(|it| matcher.matches(it)),
        (_, Some(it)) => matcher.matches(it),
    }
}

/// One matcher of a leaf, parsed once for all elements of an array.
enum Matcher<'a> {
    Equals(&'a Value),
    Prefix(&'a str),
    Suffix(&'a str),
    AnythingBut(&'a [Value]),
    Exists(bool),
    Numeric(Vec<(&'a str, f64)>),
    /// Not a valid matcher; matches nothing.
    Unknown,
}

impl<'a> Matcher<'a> {
    fn parse(matcher: &'a Value) -> Self {
        let Value::Object(object) = matcher else { return Self::Equals(matcher) };
        let Some((name, expected)) = object.iter().next() else { return Self::Unknown };
        match (name.as_str(), expected) {
            ("prefix", Value::String(it)) => Self::Prefix(it),
            ("suffix", Value::String(it)) => Self::Suffix(it),
            ("anything-but", Value::Array(all)) => Self::AnythingBut(all),
            ("anything-but", one) => Self::AnythingBut(std::slice::from_ref(one)),
            ("exists", Value::Bool(it)) => Self::Exists(*it),
            ("numeric", Value::Array(all)) => comparisons(all).map_or(Self::Unknown, Self::Numeric),
            _ => Self::Unknown,
        }
    }

    fn matches(&self, value: &Value) -> bool {
        match self {
            Self::Equals(expected) => *expected == value,
            Self::Prefix(prefix) => value.as_str().is_some_and(|it| it.starts_with(prefix)),
            Self::Suffix(suffix) => value.as_str().is_some_and(|it| it.ends_with(suffix)),
            Self::AnythingBut(all) => !all.contains(value),
            Self::Numeric(all) => value.as_f64().is_some_and(|value| {
                all.iter().all(|(operator, number)| match *operator {
                    "<" => value < *number,
                    "<=" => value <= *number,
                    ">" => value > *number,
                    ">=" => value >= *number,
                    _ => value == *number,
                })
            }),
            Self::Exists(_) | Self::Unknown => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::event::EventAttributes;
    use crate::notification::{NewNotification, NotificationId, Stream};

    fn notification() -> Notification {
        let data = json!({ "item": { "key": "news/a.jpg", "size": 1200, "tags": ["a", "b"] }, "error": null });
        let id = NotificationId { stream: Stream::App, epoch: 1, sequence: 1 };
        NewNotification::new("item.completed", data).published(id, time::OffsetDateTime::UNIX_EPOCH)
    }

    #[track_caller]
    fn check(pattern: Value, want: bool) {
        assert_eq!(Filter::try_from(pattern.clone()).unwrap().matches(&notification()), want, "{pattern}");
    }

    #[test]
    fn follows_the_table() {
        check(json!({}), true);
        check(json!({ "type": ["item.completed"] }), true);
        check(json!({ "type": ["scan.completed", { "prefix": "item." }] }), true);
        check(json!({ "type": [{ "anything-but": ["item.completed", "item.found"] }] }), false);
        check(json!({ "data": { "item": { "key": [{ "suffix": ".jpg" }] } } }), true);
        check(json!({ "data": { "item": { "size": [{ "numeric": [">", 1000, "<=", 1200] }] } } }), true);
        check(json!({ "data": { "item": { "size": [{ "numeric": ["<", 1200] }] } } }), false);
        check(json!({ "data": { "item": { "tags": ["b"] } } }), true);
        check(json!({ "data": { "item": { "tags": ["c"] } } }), false);
        check(json!({ "data": { "item": { "size": [{ "anything-but": 1200 }] } } }), false);
        check(json!({ "data": { "item": { "tags": [{ "anything-but": "a" }] } } }), true);
        check(json!({ "id": [notification().id.to_string()], "data": { "item": [{ "exists": true }] } }), true);
        check(json!({ "data": { "error": [null] } }), true);
        check(json!({ "data": { "other": [{ "exists": false }] } }), true);
        check(json!({ "data": { "other": { "deep": [1] } } }), false);
        check(json!({ "type": ["item.completed"], "data": { "item": { "size": [1] } } }), false);
    }

    #[test]
    fn a_pattern_may_name_what_a_publisher_said_beside_the_data() {
        let attributes = EventAttributes { ordering_key: Some("order-7".into()), ..EventAttributes::default() };
        let event = Notification { attributes: Some(Box::new(attributes)), ..notification() };
        let matches = |pattern: Value| Filter::try_from(pattern).unwrap().matches(&event);
        assert!(matches(json!({ "orderingKey": [{ "prefix": "order-" }] })));
        assert!(!matches(json!({ "orderingKey": ["order-8"] })));
        assert!(matches(json!({ "correlationId": [{ "exists": false }] })));
        check(json!({ "orderingKey": ["order-7"] }), false);
    }

    #[test]
    fn a_number_is_read_back_as_it_was_stored() {
        for number in [1.222_222_222_222_222_1e33, 0.1, 1e-130, -9.9e125, 9_007_199_254_740_993.0] {
            let filter =
                Filter::try_from(json!({ "data": { "size": [number, { "numeric": ["=", number] }] } })).unwrap();
            let stored = serde_json::to_string(&filter).unwrap();
            assert_eq!(serde_json::from_str::<Filter>(&stored).unwrap(), filter, "{stored}");
        }
    }

    #[test]
    fn what_is_no_filter_says_why() {
        let deep = (0..9).fold(json!(["x"]), |it, _| json!({ "a": it }));
        for (bad, error) in [
            (json!([]), InvalidFilter::NotAnObject),
            (json!({ "type": "item" }), InvalidFilter::NotAnObject),
            (json!({ "type": [] }), InvalidFilter::Empty("type".into())),
            (json!({ "type": [["x"]] }), InvalidFilter::UnknownMatcher),
            (json!({ "type": [{ "regex": "x" }] }), InvalidFilter::UnknownMatcher),
            (json!({ "type": [{ "prefix": "a", "suffix": "b" }] }), InvalidFilter::UnknownMatcher),
            (json!({ "size": [{ "numeric": [">"] }] }), InvalidFilter::UnknownMatcher),
            (deep, InvalidFilter::TooLarge),
            (json!({ "a": ["x".repeat(5_000)] }), InvalidFilter::TooLarge),
            (json!({ "a": { "b": [5e-324] } }), InvalidFilter::NumberOutOfRange),
            (json!({ "a": [{ "anything-but": [1, -1e126] }] }), InvalidFilter::NumberOutOfRange),
            (json!({ "a": [{ "numeric": [">", f64::MAX] }] }), InvalidFilter::NumberOutOfRange),
        ] {
            assert_eq!(Filter::try_from(bad.clone()), Err(error), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_strangers_filter_never_panics(text in "[\\[\\]{}\",:a-z0-9<>=-]{0,80}") {
            if let Ok(value) = serde_json::from_str::<Value>(&text)
                && let Ok(filter) = Filter::try_from(value)
            {
                filter.matches(&notification());
            }
        }
    }
}
