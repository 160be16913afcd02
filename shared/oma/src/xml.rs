//! Reads documents in XML. Prefixes are not significant; the namespace of the root element is.

use serde_json::{Map, Value};

use crate::canonical;
use crate::document::Document;
use crate::error::ReadError;
use crate::generic;
use crate::schema::{self, Kind, NC_LIST_COMPLETE, NOTIFICATION_LIST};
use crate::xml_tree::{self, Element};

/// Reads an XML body whose root element is one of `expected` (NC 6, NMS 6). Where a `notificationList` is expected, a bare
/// notification is a list of one (NC App. D.15). Unknown elements are ignored. The caller bounds the size.
///
/// # Errors
/// If the body is no such document.
pub fn read_xml(bytes: &[u8], expected: &[&str]) -> Result<Document, ReadError> {
    let element = xml_tree::parse(bytes)?;
    match schema::root(&element.name) {
        Some(root) if expected.contains(&root.name) => {
            if element.namespace.as_deref() != Some(root.namespace.uri) {
                let found = element.namespace.unwrap_or_default();
                let expected = format!("{} of {}", root.name, root.namespace.uri);
                return Err(ReadError::root(&[expected.as_str()], &format!("{} of `{found}`", root.name)));
            }
            match root.kind {
                Kind::Notifications => list(element),
                _ => Document::from_value(root.name, typed(element)),
            }
        }
        _ if expected.contains(&NOTIFICATION_LIST) => Ok(Document::list(vec![notification(element)?.into_entry()])),
        _ => Err(ReadError::root(expected, &element.name)),
    }
}

/// Reads the XML body of a notification of any enabler.
pub(crate) fn read_notification(bytes: &[u8]) -> Result<Document, ReadError> {
    notification(xml_tree::parse(bytes)?)
}

fn list(element: Element) -> Result<Document, ReadError> {
    let (mut entries, mut complete) = (Vec::new(), None);
    for child in element.children {
        if child.name == NC_LIST_COMPLETE && (child.namespace.is_none() || child.namespace == element.namespace) {
            complete = Some(canonical::member(NC_LIST_COMPLETE.to_owned(), typed(child)));
        } else {
            entries.push(notification(child)?.into_entry());
        }
    }
    if let Some(complete) = complete {
        let Value::Array(last) = canonical::notifications(complete)? else { return Ok(Document::list(entries)) };
        entries.extend(last);
    }
    Ok(Document::list(entries))
}

fn notification(element: Element) -> Result<Document, ReadError> {
    let own = match (schema::root(&element.name), &element.namespace) {
        (Some(root), Some(namespace)) => root.namespace.uri == namespace,
        (known, None) => known.is_some(),
        (None, Some(_)) => false,
    };
    let name = element.name.clone();
    if own || name == NC_LIST_COMPLETE {
        let value = canonical::notification(&name, typed(element))?;
        return Ok(Document { root: name, namespace: None, value });
    }
    let namespace = element.namespace.clone();
    Ok(Document { root: name, namespace, value: generic::from_xml(element) })
}

/// An element as a JSON dialect would have it: attributes beside children, a single child plain, an empty element as "".
fn typed(element: Element) -> Value {
    if element.children.is_empty() && element.attributes.is_empty() {
        return Value::String(element.text);
    }
    let mut members: Map<String, Value> =
        element.attributes.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
    // text between children means nothing, so a text with children is none
    if element.children.is_empty() && !element.text.trim().is_empty() {
        members.insert(generic::TEXT.to_owned(), Value::String(element.text));
    }
    for mut child in element.children {
        let name = std::mem::take(&mut child.name);
        generic::add(&mut members, name, typed(child));
    }
    Value::Object(members)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NC: &str = "urn:oma:xml:rest:netapi:notificationchannel:1";
    const NMS: &str = "urn:oma:xml:rest:netapi:nms:1";

    #[track_caller]
    fn check(root: &str, text: &str, want: Value) {
        assert_eq!(read_xml(text.as_bytes(), &[root]).unwrap().value, want, "{text}");
    }

    #[test]
    fn follows_the_table() {
        check("notificationList", &format!("<x:notificationList xmlns:x='{NC}'/>"), json!(null));
        check("notificationList", &format!("<notificationList xmlns='{NC}'>\n</notificationList>"), json!(null));
        check("connCheck", &format!("<nc:connCheck xmlns:nc='{NC}'/>"), json!(null));
        check(
            "connCheck",
            &format!("<nc:connCheck xmlns:nc='{NC}'><new>1</new><checkInterval> 60 </checkInterval></nc:connCheck>"),
            json!({ "checkInterval": 60 }),
        );
        check("flag", &format!("<nms:flag xmlns:nms='{NMS}'>\\Seen</nms:flag>"), json!("\\Seen"));
        check("name", &format!("<nms:name xmlns:nms='{NMS}'/>"), json!(""));
        check("empty", &format!("<nms:empty xmlns:nms='{NMS}'/>"), json!(null));
        check(
            "object",
            &format!("<nms:object xmlns:nms='{NMS}'><flags/><attributes/></nms:object>"),
            json!({ "attributes": { "attribute": [] }, "flags": null }),
        );
    }

    #[test]
    fn addresses_have_no_white_space_around_them() {
        check(
            "nmsSubscription",
            &format!(
                "<nms:nmsSubscription xmlns:nms='{NMS}'><callbackReference><notifyURL>\n https://example.com \
                 </notifyURL><callbackData> a </callbackData></callbackReference></nms:nmsSubscription>"
            ),
            json!({ "callbackReference": { "notifyURL": "https://example.com", "callbackData": " a " } }),
        );
    }

    #[test]
    fn the_type_of_the_channel_selects_the_data() {
        let data = "<channelData><maxWaitTime>5</maxWaitTime><maxNotifications>3</maxNotifications></channelData>";
        for (name, want) in [
            ("LongPolling", json!({ "maxNotifications": 3, "maxWaitTime": 5 })),
            ("WebSockets", json!({ "maxNotifications": 3 })),
        ] {
            check(
                "notificationChannel",
                &format!(
                    "<nc:notificationChannel xmlns:nc='{NC}'>{data}<channelType>{name}</channelType>\
                     </nc:notificationChannel>"
                ),
                json!({ "channelType": name, "channelData": want }),
            );
        }
    }

    #[test]
    fn a_list_takes_notifications_of_any_enabler() {
        let text = format!(
            "<nc:notificationList xmlns:nc='{NC}'><ncListComplete>1</ncListComplete>\
             <p:presenceNotification xmlns:p='urn:example:p'><status since='5'>on</status></p:presenceNotification>\
             <n:nmsEventList xmlns:n='{NMS}'><nmsEvent><resetBox/></nmsEvent></n:nmsEventList></nc:notificationList>"
        );
        check(
            "notificationList",
            &text,
            json!([
                { "@xmlns": "urn:example:p", "presenceNotification": { "status": { "@since": "5", "$t": "on" } } },
                { "nmsEventList": { "nmsEvent": [{ "resetBox": null }] } },
                { "ncListComplete": true },
            ]),
        );
    }

    #[test]
    fn another_root_or_namespace_is_an_error() {
        for (text, expected) in [
            (format!("<nc:connAck xmlns:nc='{NC}'/>"), &["connCheck"][..]),
            (format!("<nc:connAck xmlns:nc='{NC}'/>"), &["notificationList"]),
            (format!("<nc:connAck xmlns:nc='{NMS}'/>"), &["connAck"]),
            ("<connAck/>".to_owned(), &["connAck"]),
            ("<ConnAck/>".to_owned(), &["connAck"]),
        ] {
            let error = read_xml(text.as_bytes(), expected).unwrap_err();
            assert!(matches!(error, ReadError::Root { .. }), "{text}: {error}");
        }
    }

    #[test]
    fn a_text_has_no_elements() {
        let text = format!("<nc:connAck xmlns:nc='{NC}'><channelLifetime>1<a/></channelLifetime></nc:connAck>");
        let error = read_xml(text.as_bytes(), &["connAck"]).unwrap_err();
        assert_eq!(error.part(), "channelLifetime");
    }
}
