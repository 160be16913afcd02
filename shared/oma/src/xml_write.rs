//! Writes documents in XML.

use serde_json::{Map, Value};

use crate::document::{Document, XMLNS};
use crate::generic;
use crate::schema::{self, Kind, NC_LIST_COMPLETE, Root, Type, XSI};
use crate::xml_text::{escape, to_name};

/// A document as XML. Only the root element, and each notification in a list, is in a namespace; children come in the order
/// of the schema (NC 5.2, NMS 5.3).
pub fn write_xml(document: &Document) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let known = schema::root(&document.root).filter(|_| document.namespace.is_none());
    root_element(&document.root, known, document.namespace.as_deref(), &document.value, &mut out);
    out
}

fn root_element(name: &str, known: Option<&Root>, namespace: Option<&str>, value: &Value, out: &mut String) {
    match (known, namespace) {
        (Some(root), _) => {
            let (prefix, uri) = (root.namespace.prefix, root.namespace.uri);
            let (mut attributes, mut inner) = (format!(" xmlns:{prefix}=\"{uri}\""), String::new());
            content(root.kind, value, &mut attributes, &mut inner);
            if inner.contains(" xsi:type=\"") {
                attributes.push_str(&format!(" xmlns:xsi=\"{XSI}\""));
            }
            element(&format!("{prefix}:{name}"), &attributes, &inner, out);
        }
        (None, Some(uri)) => {
            let mut declaration = String::from(" xmlns:ns=\"");
            escape(uri, true, &mut declaration);
            declaration.push('"');
            generic_element(&format!("ns:{}", to_name(name)), &declaration, value, out);
        }
        (None, None) => generic_element(&to_name(name), "", value, out),
    }
}

/// The one way in which elements are written.
fn element(name: &str, attributes: &str, inner: &str, out: &mut String) {
    out.push('<');
    out.push_str(name);
    out.push_str(attributes);
    if inner.is_empty() {
        out.push_str("/>");
    } else {
        for part in [">", inner, "</", name, ">"] {
            out.push_str(part);
        }
    }
}

/// Writes the attributes and the content of an element.
fn content(kind: Kind, value: &Value, attributes: &mut String, inner: &mut String) {
    match kind {
        Kind::Text | Kind::Uri | Kind::Number | Kind::Bool => escape(&scalar(value), false, inner),
        Kind::Type(of) => complex(of, value, attributes, inner),
        Kind::Notifications => notifications(value, inner),
        Kind::Empty | Kind::ChannelData => {}
    }
}

fn complex(of: &Type, value: &Value, attributes: &mut String, inner: &mut String) {
    let Value::Object(members) = value else { return };
    for field in of.fields {
        let Some(value) = members.get(field.name) else { continue };
        if field.attribute {
            attribute(field.name, value, attributes);
            continue;
        }
        let (kind, own) = match field.kind {
            Kind::ChannelData => {
                match members.get("channelType").and_then(Value::as_str).and_then(schema::channel_data) {
                    Some(of) => (Kind::Type(of), format!(" xsi:type=\"nc:{}\"", of.name)),
                    None => continue,
                }
            }
            kind => (kind, String::new()),
        };
        for value in each(value) {
            let (mut attributes, mut text) = (own.clone(), String::new());
            content(kind, value, &mut attributes, &mut text);
            element(field.name, &attributes, &text, inner);
        }
    }
}

fn notifications(value: &Value, inner: &mut String) {
    for entry in each(value) {
        let Value::Object(members) = entry else { continue };
        let namespace = members.get(XMLNS).and_then(Value::as_str);
        for (name, value) in members.iter().filter(|(name, _)| *name != XMLNS) {
            if name == NC_LIST_COMPLETE {
                element(name, "", &scalar(value), inner);
                continue;
            }
            let known = schema::notification(name).filter(|_| namespace.is_none());
            root_element(name, known, namespace, value, inner);
        }
    }
}

/// An element whose schema is not known: see `generic`.
fn generic_element(name: &str, declaration: &str, value: &Value, out: &mut String) {
    let (mut attributes, mut inner) = (declaration.to_owned(), String::new());
    if let Value::Object(members) = value {
        let link = is_link(name, members);
        for (member, value) in members {
            match member.strip_prefix('@') {
                Some(plain) if !plain.starts_with('@') => attribute(&to_name(plain), value, &mut attributes),
                _ if link => attribute(member, value, &mut attributes),
                _ if member == generic::TEXT => escape(&scalar(value), false, &mut inner),
                _ => generic_elements(&to_name(member), value, &mut inner),
            }
        }
    } else {
        escape(&scalar(value), false, &mut inner);
    }
    element(name, &attributes, &inner, out);
}

/// An element for each value of an array, also of arrays in it.
fn generic_elements(name: &str, value: &Value, out: &mut String) {
    match value {
        Value::Array(all) => all.iter().for_each(|it| generic_elements(name, it, out)),
        single => generic_element(name, "", single, out),
    }
}

/// Whether this is a link of JSON, whose members XML has as attributes (REST_NetAPI_Common, `Link`).
fn is_link(name: &str, members: &Map<String, Value>) -> bool {
    let named = |member: &str| members.get(member).is_some_and(Value::is_string);
    name == "link" && members.len() == 2 && named("rel") && named("href")
}

fn attribute(name: &str, value: &Value, out: &mut String) {
    out.push(' ');
    out.push_str(name);
    out.push_str("=\"");
    escape(&scalar(value), true, out);
    out.push('"');
}

/// The elements of an array, or the value alone.
fn each(value: &Value) -> &[Value] {
    match value {
        Value::Array(all) => all,
        single => std::slice::from_ref(single),
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(it) => it.clone(),
        Value::Number(it) => it.to_string(),
        Value::Bool(it) => it.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NC: &str = "xmlns:nc=\"urn:oma:xml:rest:netapi:notificationchannel:1\"";
    const NMS: &str = "xmlns:nms=\"urn:oma:xml:rest:netapi:nms:1\"";

    #[track_caller]
    fn check(root: &str, value: Value, want: &str) {
        let written = write_xml(&Document::from_value(root, value).unwrap());
        assert_eq!(written, format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{want}"));
    }

    #[test]
    fn follows_the_table() {
        check("notificationList", json!(null), &format!("<nc:notificationList {NC}/>"));
        check("empty", json!(null), &format!("<nms:empty {NMS}/>"));
        check("name", json!("a < b"), &format!("<nms:name {NMS}>a &lt; b</nms:name>"));
        check(
            "connAck",
            json!({ "channelLifetime": 3600 }),
            &format!("<nc:connAck {NC}><channelLifetime>3600</channelLifetime></nc:connAck>"),
        );
        check(
            "requestError",
            json!({
                "link": [{ "rel": "NmsSubscription", "href": "https://example.com/?a=1&b=\"2\"" }],
                "serviceException": { "messageId": "SVC0004", "text": "part %1", "variables": ["a", "b\u{0}"] },
            }),
            "<common:requestError xmlns:common=\"urn:oma:xml:rest:netapi:common:1\">\
             <link rel=\"NmsSubscription\" href=\"https://example.com/?a=1&amp;b=&quot;2&quot;\"/>\
             <serviceException><messageId>SVC0004</messageId><text>part %1</text><variables>a</variables>\
             <variables>b\u{FFFD}</variables></serviceException></common:requestError>",
        );
    }

    #[test]
    fn the_data_of_a_channel_states_its_type() {
        check(
            "notificationChannel",
            json!({ "channelLifetime": 7200, "channelData": { "maxNotifications": 5 }, "channelType": "LongPolling" }),
            &format!(
                "<nc:notificationChannel {NC} xmlns:xsi=\"{XSI}\"><channelType>LongPolling</channelType>\
                 <channelData xsi:type=\"nc:LongPollingData\"><maxNotifications>5</maxNotifications></channelData>\
                 <channelLifetime>7200</channelLifetime></nc:notificationChannel>"
            ),
        );
        for (name, data) in
            [("OMAPush", "OMAPushData"), ("WebSockets", "WebSocketsData"), ("NativeChannel", "NativeChannelData")]
        {
            check(
                "notificationChannel",
                json!({ "channelData": {}, "channelType": name }),
                &format!(
                    "<nc:notificationChannel {NC} xmlns:xsi=\"{XSI}\"><channelType>{name}</channelType>\
                     <channelData xsi:type=\"nc:{data}\"/></nc:notificationChannel>"
                ),
            );
        }
    }

    #[test]
    fn each_notification_of_a_list_is_a_root_of_its_own() {
        check(
            "notificationList",
            json!([
                { "nmsEventList": { "nmsEvent": [{ "resetBox": null }], "index": 7 } },
                { "presence": { "link": { "rel": "a", "href": "b" }, "status": ["x", 1] } },
                { "ncListComplete": true },
            ]),
            &format!(
                "<nc:notificationList {NC}><nms:nmsEventList {NMS}><nmsEvent><resetBox/></nmsEvent><index>7</index>\
                 </nms:nmsEventList><presence><link href=\"b\" rel=\"a\"/><status>x</status><status>1</status></presence>\
                 <ncListComplete>true</ncListComplete></nc:notificationList>"
            ),
        );
    }
}
