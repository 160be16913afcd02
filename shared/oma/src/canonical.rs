//! One form for the content of a document, whatever dialect it came in: numbers and booleans are native, what may repeat is an
//! array, empty is null, and members that the schema does not have are left out (REST_NetAPI_Common 5.6.2).

use serde_json::{Map, Value};

use crate::error::ReadError;
use crate::generic;
use crate::schema::{self, Field, Kind, NC_LIST_COMPLETE, Occurs, Root, Type};
use crate::xml_text;

const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// The content of a root element.
pub(crate) fn root(root: &Root, value: Value) -> Result<Value, ReadError> {
    let empty = if matches!(root.kind, Kind::Text) { Value::String(String::new()) } else { Value::Null };
    match content(root.kind, value, "") {
        Ok(content) => Ok(content.unwrap_or(empty)),
        // parts are named without the root, except for the root itself
        Err(ReadError::Invalid { part, reason }) if part.is_empty() => Err(ReadError::invalid(root.name, &reason)),
        Err(error) => Err(error),
    }
}

/// The entries of a notification list in JSON: an array of single-member objects, or null.
pub(crate) fn notifications(value: Value) -> Result<Value, ReadError> {
    let entries = match value {
        Value::Null => Vec::new(),
        Value::Array(all) => all,
        single => vec![single],
    };
    let (mut list, mut complete) = (Vec::new(), None);
    for entry in entries {
        let Value::Object(members) = entry else {
            return Err(ReadError::invalid(schema::NOTIFICATION_LIST, "its entries are objects"));
        };
        for (name, value) in members {
            if name == NC_LIST_COMPLETE {
                complete = content(Kind::Bool, value, NC_LIST_COMPLETE)?;
                continue;
            }
            // several of one kind
            let all = if let Value::Array(all) = value { all } else { vec![value] };
            for value in all {
                list.push(member(name.clone(), notification(&name, value)?));
            }
        }
    }
    list.extend(complete.map(|it| member(NC_LIST_COMPLETE.to_owned(), it)));
    Ok(if list.is_empty() { Value::Null } else { Value::Array(list) })
}

/// The content of a notification in JSON.
pub(crate) fn notification(name: &str, value: Value) -> Result<Value, ReadError> {
    match schema::notification(name) {
        Some(known) => root(known, value),
        None if is_notification(name) => Ok(generic::from_json(value)),
        None => Err(ReadError::root(&["a notification"], name)),
    }
}

/// Whether a root element may be an enabler's notification: it is none of the other documents of these APIs.
pub(crate) fn is_notification(name: &str) -> bool {
    let other = schema::root(name).is_some() && schema::notification(name).is_none();
    xml_text::is_name(name) && name != NC_LIST_COMPLETE && !other
}

/// An object with one member.
pub(crate) fn member(name: String, value: Value) -> Value {
    Value::Object(Map::from_iter([(name, value)]))
}

fn content(kind: Kind, value: Value, part: &str) -> Result<Option<Value>, ReadError> {
    Ok(match kind {
        Kind::Text => text(value, part)?.map(Value::String),
        Kind::Uri => text(value, part)?.map(|it| Value::String(it.trim().to_owned())),
        Kind::Number => number(value, part)?.map(Value::from),
        Kind::Bool => boolean(value, part)?.map(Value::Bool),
        Kind::Empty => Some(Value::Null),
        Kind::Type(of) => Some(object(of, value, part)?),
        // resolved by the type around it
        Kind::ChannelData => None,
        Kind::Notifications => Some(notifications(value)?),
    })
}

/// The only element of an array; null if there is none.
fn only(all: Vec<Value>, part: &str) -> Result<Value, ReadError> {
    let mut all = all.into_iter();
    match (all.next(), all.next()) {
        (None, _) => Ok(Value::Null),
        (Some(one), None) => Ok(one),
        _ => Err(ReadError::invalid(part, "it occurs more than once")),
    }
}

fn text(value: Value, part: &str) -> Result<Option<String>, ReadError> {
    match value {
        Value::Null => Ok(None),
        Value::String(it) => Ok(Some(it)),
        Value::Number(it) => Ok(Some(it.to_string())),
        Value::Bool(it) => Ok(Some(it.to_string())),
        Value::Array(all) => text(only(all, part)?, part),
        Value::Object(members) if members.is_empty() => Ok(None),
        Value::Object(mut members) => match members.remove(generic::TEXT) {
            Some(inner) => text(inner, part),
            None => Err(ReadError::invalid(part, "it is a text")),
        },
    }
}

fn number(value: Value, part: &str) -> Result<Option<u64>, ReadError> {
    let wrong = || ReadError::invalid(part, "it is an unsigned integer");
    if let Value::Number(number) = &value {
        let exact = number.as_u64().or_else(|| whole(number.as_f64()?));
        return exact.map(Some).ok_or_else(wrong);
    }
    match text(value, part)? {
        Some(digits) => digits.trim().parse().map(Some).map_err(|_| wrong()),
        None => Ok(None),
    }
}

/// `5.0` is an integer too.
fn whole(number: f64) -> Option<u64> {
    let exact = number.fract() == 0.0 && (0.0..=MAX_EXACT).contains(&number);
    if exact { format!("{number:.0}").parse().ok() } else { None }
}

fn boolean(value: Value, part: &str) -> Result<Option<bool>, ReadError> {
    let Some(text) = text(value, part)? else { return Ok(None) };
    match text.trim() {
        "true" | "1" => Ok(Some(true)),
        "false" | "0" => Ok(Some(false)),
        _ => Err(ReadError::invalid(part, "it is `true` or `false`")),
    }
}

fn object(of: &Type, value: Value, part: &str) -> Result<Value, ReadError> {
    let mut given = members(of, value, part)?;
    // it may come behind the data whose type it selects
    let channel_type = match given.get("channelType") {
        Some(name) => text(name.clone(), "channelType")?,
        None => None,
    };
    let mut known = Map::new();
    for field in of.fields {
        let kind = match (field.kind, &channel_type) {
            (Kind::ChannelData, None) => continue,
            (Kind::ChannelData, Some(name)) => match schema::channel_data(name) {
                Some(of) => Kind::Type(of),
                None => continue,
            },
            (kind, _) => kind,
        };
        let value = match given.remove(field.name) {
            Some(value) => field_content(field, kind, value, part)?,
            None => None,
        };
        let empty = || (field.occurs == Occurs::List).then(|| Value::Array(Vec::new()));
        if let Some(value) = value.or_else(empty) {
            known.insert(field.name.to_owned(), value);
        }
    }
    Ok(if known.is_empty() { Value::Null } else { Value::Object(known) })
}

fn field_content(field: &Field, kind: Kind, value: Value, parent: &str) -> Result<Option<Value>, ReadError> {
    let part = if parent.is_empty() { field.name.to_owned() } else { format!("{parent}.{}", field.name) };
    if field.occurs == Occurs::Optional {
        return content(kind, value, &part);
    }
    let elements = match value {
        Value::Null => Vec::new(),
        Value::Object(members) if members.is_empty() => Vec::new(),
        Value::Array(all) => all,
        single => vec![single],
    };
    let mut all = Vec::new();
    for element in elements {
        match (kind, content(kind, element, &part)?) {
            (Kind::Text | Kind::Uri, None) => all.push(Value::String(String::new())),
            // nothing in it that is known
            (_, None | Some(Value::Null)) => {}
            (_, Some(value)) => all.push(value),
        }
    }
    Ok(if all.is_empty() { None } else { Some(Value::Array(all)) })
}

/// The members of a complex type. Where the type has one field that repeats, its values may stand there alone.
fn members(of: &Type, value: Value, part: &str) -> Result<Map<String, Value>, ReadError> {
    let mut repeated = of.fields.iter().filter(|field| field.occurs != Occurs::Optional);
    let sole = match (repeated.next(), repeated.next()) {
        (Some(field), None) => Some(field),
        _ => None,
    };
    match value {
        Value::Null => Ok(Map::new()),
        Value::Object(members) => Ok(members),
        Value::String(blank) if blank.trim().is_empty() => Ok(Map::new()),
        Value::String(single) => match sole {
            Some(field) if matches!(field.kind, Kind::Text) => {
                Ok(Map::from_iter([(field.name.to_owned(), Value::String(single))]))
            }
            _ => Err(ReadError::invalid(part, "it is an object")),
        },
        Value::Array(all) => match sole {
            Some(field) if !is_wrapped(&all, of) => Ok(Map::from_iter([(field.name.to_owned(), Value::Array(all))])),
            _ => members(of, only(all, part)?, part),
        },
        Value::Bool(_) | Value::Number(_) => Err(ReadError::invalid(part, "it is an object")),
    }
}

/// Whether the only element of an array is the object of the type itself.
fn is_wrapped(all: &[Value], of: &Type) -> bool {
    match all {
        [Value::Object(members)] => {
            of.fields.iter().any(|field| field.occurs != Occurs::Optional && members.contains_key(field.name))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(name: &str, given: Value, want: Value) {
        let known = schema::root(name).unwrap();
        assert_eq!(root(known, given.clone()).unwrap(), want, "{given}");
        assert_eq!(root(known, want.clone()).unwrap(), want, "{want}");
    }

    #[test]
    fn reads_anything() {
        let lifetime = json!({ "channelLifetime": 7200 });
        for given in [json!("7200"), json!(7200), json!(" 7200 "), json!(7200.0), json!([7200]), json!(["7200"])] {
            check(
                "notificationChannelLifetime",
                json!({ "channelLifetime": given, "unknown": [{}] }),
                lifetime.clone(),
            );
        }
        for given in [json!(null), json!({}), json!({ "unknown": 1 }), json!({ "channelLifetime": null })] {
            check("notificationChannelLifetime", given.clone(), json!(null));
            check("empty", given.clone(), json!(null));
            check("longPollingRequestParameters", given, json!(null));
        }
        for (given, want) in [
            (json!("true"), true),
            (json!("1"), true),
            (json!(1), true),
            (json!(true), true),
            (json!("false"), false),
            (json!("0"), false),
        ] {
            check("nmsSubscription", json!({ "inlineImdn": given }), json!({ "inlineImdn": want }));
        }
    }

    #[test]
    fn what_repeats_is_an_array() {
        let flags = json!({ "flag": ["\\Seen"] });
        for given in [
            json!({ "flag": ["\\Seen"] }),
            json!({ "flag": "\\Seen" }),
            json!([{ "flag": "\\Seen" }]),
            json!(["\\Seen"]),
            json!("\\Seen"),
        ] {
            check("flagList", given, flags.clone());
        }
        for empty in [json!(null), json!({}), json!([]), json!(""), json!({ "flag": [] }), json!({ "flag": null })] {
            check("flagList", empty, json!(null));
        }
        let attributes = json!({ "attributes": { "attribute": [{ "name": "To", "value": ["a"] }] } });
        for given in [
            json!({ "attribute": { "name": "To", "value": "a" } }),
            json!([{ "name": "To", "value": ["a"] }]),
            json!([{ "attribute": [{ "name": "To", "value": "a" }] }]),
        ] {
            check("object", json!({ "attributes": given }), attributes.clone());
        }
        for empty in [json!(null), json!({}), json!([]), json!({ "attribute": [] })] {
            check("object", json!({ "attributes": empty }), json!({ "attributes": { "attribute": [] } }));
        }
        check("notificationChannelList", json!(null), json!({ "notificationChannel": [] }));
        check("nmsSubscriptionList", json!({ "subscription": null }), json!({ "subscription": [] }));
    }

    #[test]
    fn the_data_has_the_members_of_its_channel_type() {
        let data = json!({
            "appId": "a", "channelSubType": "GCM", "channelURL": " https://example.com ", "maxNotifications": "1",
            "maxWaitTime": 2, "registrationToken": "r", "channelSubTypeVersion": 1,
            "largeDataPolling": { "pollingEnabled": "true" },
        });
        let polling = json!({ "pollingEnabled": true });
        for (name, want) in [
            ("LongPolling", json!({ "channelURL": "https://example.com", "maxNotifications": 1, "maxWaitTime": 2 })),
            ("WebSockets", json!({ "channelURL": "https://example.com", "maxNotifications": 1 })),
            ("OMAPush", json!({ "appId": "a", "maxNotifications": 1, "largeDataPolling": polling })),
            (
                "NativeChannel",
                json!({
                    "channelSubType": "GCM", "registrationToken": "r", "channelSubTypeVersion": "1",
                    "maxNotifications": 1, "largeDataPolling": polling,
                }),
            ),
        ] {
            let given = json!({ "channelData": data, "channelType": name });
            check("notificationChannel", given, json!({ "channelData": want, "channelType": name }));
        }
        let unknown = json!({ "channelData": data, "channelType": "Carrier" });
        check("notificationChannel", unknown, json!({ "channelType": "Carrier" }));
    }

    #[test]
    fn a_list_of_notifications_has_single_member_objects() {
        let event = |index: u64| json!({ "nmsEventList": { "nmsEvent": [{ "resetBox": null }], "index": index } });
        for (given, want) in [
            (json!([]), json!(null)),
            (json!({}), json!(null)),
            (event(1), json!([event(1)])),
            (json!([event(1), event(2)]), json!([event(1), event(2)])),
            (
                json!({ "nmsEventList": [event(1)["nmsEventList"], event(2)["nmsEventList"]] }),
                json!([event(1), event(2)]),
            ),
            (json!([{ "ncListComplete": "true" }, event(1)]), json!([event(1), { "ncListComplete": true }])),
            (json!([{ "chat": { "@id": 1, "text": "a" } }]), json!([{ "chat": { "@@id": 1, "text": "a" } }])),
        ] {
            assert_eq!(notifications(given.clone()).unwrap(), want, "{given}");
        }
        for bad in [json!("a"), json!([1]), json!([{ "connCheck": null }]), json!([{ "a b": null }])] {
            assert!(notifications(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_error_names_its_part() {
        for (name, given, part) in [
            ("connAck", json!(5), "connAck"),
            ("connAck", json!({ "channelLifetime": -1 }), "channelLifetime"),
            ("connAck", json!({ "channelLifetime": 1.5 }), "channelLifetime"),
            ("connAck", json!({ "channelLifetime": "" }), "channelLifetime"),
            ("connAck", json!({ "channelLifetime": [1, 2] }), "channelLifetime"),
            ("connAck", json!({ "channelLifetime": { "a": 1 } }), "channelLifetime"),
            ("nmsSubscription", json!({ "filter": 1 }), "filter"),
            ("nmsSubscription", json!({ "filter": { "criterion": [{ "type": {"a": 1} }] } }), "filter.criterion.type"),
            ("nmsSubscription", json!({ "inlineImdn": "yes" }), "inlineImdn"),
        ] {
            let error = root(schema::root(name).unwrap(), given).unwrap_err();
            assert_eq!(error.part(), part, "{error}");
        }
    }
}
