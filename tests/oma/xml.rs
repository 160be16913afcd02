//! XML as the OMA APIs write it, to and from the values that the same documents have in JSON. Written by hand: it takes
//! what the specification allows and no more, and shares no parser with the product.

use serde_json::{Map, Value, json};

const NC: (&str, &str) = ("nc", "urn:oma:xml:rest:netapi:notificationchannel:1");
const NMS: (&str, &str) = ("nms", "urn:oma:xml:rest:netapi:nms:1");
const COMMON: (&str, &str) = ("common", "urn:oma:xml:rest:netapi:common:1");
const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// Roots of the notification channel; all others but the fault are NMS's.
const NC_ROOTS: &[&str] = &[
    "notificationChannel",
    "notificationChannelList",
    "notificationChannelLifetime",
    "notificationList",
    "longPollingRequestParameters",
    "connCheck",
    "connAck",
];

/// What may occur several times, with the element that it is in.
const LISTS: &[(&str, &str)] = &[
    ("notificationChannelList", "notificationChannel"),
    ("nmsSubscriptionList", "subscription"),
    ("nmsEventList", "nmsEvent"),
    ("nmsEventList", "link"),
    ("requestError", "link"),
    ("bulkResponseList", "response"),
    ("objectList", "object"),
    ("objectReferenceList", "objectReference"),
    ("objects", "objectReference"),
    ("subFolders", "folderReference"),
    ("folderList", "folder"),
    ("serviceException", "variables"),
    ("policyException", "variables"),
    ("flags", "flag"),
    ("flagList", "flag"),
    ("attributes", "attribute"),
    ("attribute", "value"),
    ("filter", "criterion"),
    ("searchCriteria", "criterion"),
    ("object", "payloadPart"),
];

const NUMBERS: &[&str] = &[
    "code",
    "channelLifetime",
    "newChannelLifetime",
    "checkInterval",
    "maxNotifications",
    "maxWaitTime",
    "duration",
    "index",
    "lastModSeq",
    "maxEvents",
    "size",
];

fn namespace(root: &str) -> (&'static str, &'static str) {
    match root {
        "requestError" => COMMON,
        it if NC_ROOTS.contains(&it) => NC,
        _ => NMS,
    }
}

/// The document of a value with one member, its root.
pub(crate) fn write(document: &Value) -> String {
    let (root, value) = document.as_object().and_then(|it| it.iter().next()).expect("a root");
    let (prefix, name) = namespace(root);
    let inside = children(value);
    format!("<{prefix}:{root} xmlns:{prefix}=\"{name}\" xmlns:xsi=\"{XSI}\">{inside}</{prefix}:{root}>")
}

fn children(value: &Value) -> String {
    let members = match value {
        Value::Object(members) => members,
        Value::Null => return String::new(),
        Value::String(text) => return escape(text),
        other => return other.to_string(),
    };
    let mut xml = String::new();
    for (name, value) in members {
        let kind = match (name.as_str(), members.get("channelType").and_then(Value::as_str)) {
            ("channelData", Some(kind)) => format!(" xsi:type=\"nc:{kind}Data\""),
            _ => String::new(),
        };
        let all = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        xml.extend(all.iter().map(|it| format!("<{name}{kind}>{}</{name}>", children(it))));
    }
    xml
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn unescape(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'");
    text.replace("&amp;", "&")
}

#[derive(Debug, Default)]
struct Node {
    /// With its prefix.
    name: String,
    attributes: Vec<(String, String)>,
    children: Vec<Node>,
    text: String,
}

impl Node {
    fn local(&self) -> &str {
        self.name.split_once(':').map_or(self.name.as_str(), |it| it.1)
    }
}

/// The value that a document has in JSON; fails if it is not well-formed or its namespaces are wrong.
pub(crate) fn read(text: &str) -> Value {
    let mut rest = text.trim_start_matches('\u{feff}').trim();
    if let Some(declaration) = rest.strip_prefix("<?xml") {
        rest = declaration.split_once("?>").expect("the declaration ends").1.trim_start();
    }
    let root = element(&mut rest);
    assert!(rest.is_empty(), "something is behind the root: {text}");
    json!({ (root.local()): as_root(&root) })
}

fn element(rest: &mut &str) -> Node {
    let here = *rest;
    let tag = here.strip_prefix('<').and_then(|it| it.split_once('>'));
    let (tag, after) = tag.unwrap_or_else(|| panic!("no element: {here}"));
    let (tag, empty) = tag.strip_suffix('/').map_or((tag, false), |it| (it, true));
    let (name, attributes) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
    assert!(!name.starts_with(['/', '!', '?']), "no element: {here}");
    let mut node = Node { name: name.to_owned(), attributes: attributes_of(attributes), ..Node::default() };
    *rest = after;
    if empty {
        return node;
    }
    let end = format!("</{name}>");
    loop {
        let here = *rest;
        let (text, markup) = here.split_at(here.find('<').unwrap_or_else(|| panic!("no {end}: {here}")));
        node.text += &unescape(text);
        *rest = markup;
        if let Some(after) = markup.strip_prefix(end.as_str()) {
            *rest = after;
            return node;
        }
        node.children.push(element(rest));
    }
}

fn attributes_of(mut text: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    while let Some((name, value)) = text.split_once("=\"") {
        let (value, after) = value.split_once('"').expect("a closing quote");
        all.push((name.trim().to_owned(), unescape(value)));
        text = after;
    }
    assert!(text.trim().is_empty(), "no attribute: {text}");
    all
}

/// A root's content: it alone is qualified, with a prefix.
fn as_root(node: &Node) -> Value {
    let prefix = node.name.split_once(':').unwrap_or_else(|| panic!("{} is not qualified", node.name)).0;
    let declared = node.attributes.iter().find(|it| it.0 == format!("xmlns:{prefix}"));
    assert_eq!(declared.map(|it| it.1.as_str()), Some(namespace(node.local()).1), "{}", node.name);
    if node.local() != "notificationList" {
        return content(node);
    }
    let list: Vec<Value> = node.children.iter().map(|it| json!({ (it.local()): as_root(it) })).collect();
    if list.is_empty() { Value::Null } else { list.into() }
}

fn content(node: &Node) -> Value {
    let mut members = Map::new();
    for (name, value) in node.attributes.iter().filter(|it| !it.0.starts_with("xmlns") && !it.0.contains(':')) {
        members.insert(name.clone(), value.as_str().into());
    }
    for child in &node.children {
        assert!(!child.name.contains(':'), "{} is qualified within {}", child.name, node.name);
        let value = content(child);
        if LISTS.contains(&(node.local(), child.local())) {
            let list = members.entry(child.name.clone()).or_insert_with(|| json!([]));
            list.as_array_mut().expect("a list").push(value);
        } else {
            let twice = members.insert(child.name.clone(), value);
            assert!(twice.is_none(), "{} is twice in {}", child.name, node.name);
        }
    }
    match (members.is_empty(), node.text.trim()) {
        (false, _) => members.into(),
        (true, "") => Value::Null,
        (true, number) if NUMBERS.contains(&node.local()) => number.parse::<u64>().expect("a number").into(),
        (true, _) => node.text.clone().into(),
    }
}
