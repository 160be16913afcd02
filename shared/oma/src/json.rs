//! Reads documents in JSON, in any of the dialects that clients speak.

use serde_json::{Map, Value};

use crate::canonical;
use crate::document::Document;
use crate::error::ReadError;
use crate::schema::{NC_LIST_COMPLETE, NOTIFICATION_LIST};

/// Reads a JSON body whose root is one of `expected` (REST_NetAPI_Common 5.6.1 and 5.6.2).
///
/// Numbers and booleans may be texts, a single value may stand for an array, null or `{}` for empty, and unknown members are
/// ignored. Where a `notificationList` is expected, a bare notification is a list of one (NC App. D.15), and
/// `ncListComplete` may stand beside the list.
///
/// # Errors
/// If the body is no such document.
pub fn read_json(bytes: &[u8], expected: &[&str]) -> Result<Document, ReadError> {
    from_members(members(parse(bytes)?)?, expected)
}

/// Reads a JSON body that may also be the content of `root` without the root, or nothing: for documents such as
/// `longPollingRequestParameters` (NC 5.2.2.11), which clients send as `{}` or as an empty body.
///
/// # Errors
/// If the body is no such document.
pub fn read_json_bare(bytes: &[u8], root: &str) -> Result<Document, ReadError> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Document::from_value(root, Value::Null);
    }
    let value = parse(bytes)?;
    if value.get(root).is_some() { from_members(members(value)?, &[root]) } else { Document::from_value(root, value) }
}

/// Reads the JSON body of a notification of any enabler.
pub(crate) fn read_notification(bytes: &[u8]) -> Result<Document, ReadError> {
    notification(members(parse(bytes)?)?)
}

fn parse(bytes: &[u8]) -> Result<Value, ReadError> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    serde_json::from_slice(bytes).map_err(|error| ReadError::Malformed(error.to_string()))
}

fn members(value: Value) -> Result<Map<String, Value>, ReadError> {
    match value {
        Value::Object(members) => Ok(members),
        _ => Err(ReadError::Malformed("it is not an object".to_owned())),
    }
}

fn from_members(mut members: Map<String, Value>, expected: &[&str]) -> Result<Document, ReadError> {
    let mut roots = expected.iter().filter(|name| members.contains_key(**name));
    match (roots.next(), roots.next()) {
        (Some(&NOTIFICATION_LIST), None) => {
            let list = members.remove(NOTIFICATION_LIST).unwrap_or_default();
            list_of(list, members.remove(NC_LIST_COMPLETE))
        }
        (Some(name), None) => Document::from_value(name, members.remove(*name).unwrap_or_default()),
        (None, _) if expected.contains(&NOTIFICATION_LIST) => {
            let complete = members.remove(NC_LIST_COMPLETE);
            let mut entries = vec![notification(members)?.into_entry()];
            if let Some(complete) = complete
                && let Value::Array(last) =
                    canonical::notifications(canonical::member(NC_LIST_COMPLETE.to_owned(), complete))?
            {
                entries.extend(last);
            }
            Ok(Document::list(entries))
        }
        _ => Err(ReadError::root(expected, members.keys().next().map_or("", String::as_str))),
    }
}

fn list_of(list: Value, complete: Option<Value>) -> Result<Document, ReadError> {
    let mut entries = match list {
        Value::Array(all) => all,
        Value::Null => Vec::new(),
        single => vec![single],
    };
    entries.extend(complete.map(|it| canonical::member(NC_LIST_COMPLETE.to_owned(), it)));
    Document::from_value(NOTIFICATION_LIST, Value::Array(entries))
}

fn notification(members: Map<String, Value>) -> Result<Document, ReadError> {
    let mut members = members.into_iter();
    let (Some((name, value)), None) = (members.next(), members.next()) else {
        return Err(ReadError::Malformed("a notification is an object with one member".to_owned()));
    };
    let single = match value {
        Value::Array(mut all) if all.len() == 1 => all.remove(0),
        Value::Array(_) => return Err(ReadError::invalid(&name, "it is one notification")),
        other => other,
    };
    let value = canonical::notification(&name, single)?;
    Ok(Document { root: name, namespace: None, value })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(expected: &[&str], text: &str, want: Value) {
        assert_eq!(read_json(text.as_bytes(), expected).unwrap().value, want, "{text}");
    }

    #[test]
    fn one_notification_may_be_bare() {
        let event = r#"{"nmsEventList":{"nmsEvent":[{"resetBox":null}],"index":"7"}}"#;
        let want = json!({ "nmsEventList": { "nmsEvent": [{ "resetBox": null }], "index": 7 } });
        let list = &["notificationList"][..];
        check(list, event, json!([want]));
        check(list, &format!("{{\"notificationList\":{event}}}"), json!([want]));
        check(list, &format!("{{\"notificationList\":[{event}]}}"), json!([want]));
        check(
            list,
            &format!("{{\"ncListComplete\":true,\"notificationList\":[{event}]}}"),
            json!([want, { "ncListComplete": true }]),
        );
        check(list, "{\"ncListComplete\":true,\"notificationList\":null}", json!([{ "ncListComplete": true }]));
        check(list, "\u{FEFF}{\"notificationList\":null}", json!(null));
        check(list, "{\"notificationList\":[]}", json!(null));
        check(&["connCheck", "connAck"], "{\"connAck\":null,\"unknown\":1}", json!(null));
    }

    #[test]
    fn another_root_is_an_error() {
        for (text, expected) in [
            ("{\"connAck\":null}", &["connCheck"][..]),
            ("{\"ConnCheck\":null}", &["connCheck"]),
            ("{\"connAck\":null,\"connCheck\":null}", &["connCheck", "connAck"]),
            ("{}", &["connCheck"]),
            ("{\"connAck\":null}", &["notificationList"]),
        ] {
            let error = read_json(text.as_bytes(), expected).unwrap_err();
            assert!(matches!(error, ReadError::Root { .. }), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_not_json_is_malformed() {
        let deep = "[".repeat(100_000);
        for text in ["", "null", "[]", "<a/>", "{", "{\"connCheck\":null,}", "{}{}", &deep] {
            let error = read_json(text.as_bytes(), &["connCheck"]).unwrap_err();
            assert!(matches!(error, ReadError::Malformed(_)), "{text}: {error}");
        }
    }

    #[test]
    fn a_poll_may_say_nothing() {
        let root = "longPollingRequestParameters";
        for text in [
            "",
            " \r\n",
            "{}",
            "{\"longPollingRequestParameters\":null}",
            "{\"longPollingRequestParameters\":{}}",
            "{\"a\":1}",
        ] {
            let document = read_json_bare(text.as_bytes(), root).unwrap();
            assert_eq!(document, Document { root: root.into(), namespace: None, value: json!(null) }, "{text}");
        }
        assert!(read_json_bare(b"{", root).is_err());
    }
}
