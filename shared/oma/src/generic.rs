//! The content of notifications whose schema is not known here: it passes from a POST to the client as it came.
//!
//! An element is an object of its children; a child that repeats is an array; an element without children and attributes is
//! its text, or null. Attributes are members whose name begins with `@`, and text beside attributes is the member `$t`; JSON
//! leaves out the `@`. A member of a JSON body that itself begins with `@` gets a second one. The order of children with
//! different names is not kept.

use serde_json::{Map, Value};

use crate::xml_tree::Element;

/// The text of an element that also has attributes (REST_NetAPI_Common 5.6.2).
pub(crate) const TEXT: &str = "$t";

/// The longest name of a member, in bytes: XML repeats it for each element of an array, twice.
pub(crate) const MAX_NAME_BYTES: usize = 256;

/// Whether any name in it is longer than one may be.
pub(crate) fn has_long_name(value: &Value) -> bool {
    match value {
        Value::Object(members) => {
            members.iter().any(|(name, value)| name.len() > MAX_NAME_BYTES || has_long_name(value))
        }
        Value::Array(all) => all.iter().any(has_long_name),
        _ => false,
    }
}

/// The content of a JSON member.
pub(crate) fn from_json(value: Value) -> Value {
    match value {
        Value::Object(members) if members.is_empty() => Value::Null,
        Value::Object(members) => {
            let escaped = |name: String| if name.starts_with('@') { format!("@{name}") } else { name };
            Value::Object(members.into_iter().map(|(name, value)| (escaped(name), from_json(value))).collect())
        }
        Value::Array(all) => Value::Array(all.into_iter().map(from_json).collect()),
        scalar => scalar,
    }
}

/// The content of an XML element.
pub(crate) fn from_xml(element: Element) -> Value {
    let blank = element.text.trim().is_empty();
    if element.children.is_empty() && element.attributes.is_empty() {
        return if blank { Value::Null } else { Value::String(element.text) };
    }
    let attributes = element.attributes.into_iter().map(|(name, value)| (format!("@{name}"), Value::String(value)));
    let mut members: Map<String, Value> = attributes.collect();
    if !blank {
        members.insert(TEXT.to_owned(), Value::String(element.text));
    }
    for mut child in element.children {
        let name = std::mem::take(&mut child.name);
        add(&mut members, name, from_xml(child));
    }
    Value::Object(members)
}

/// Adds a member; one that is there already becomes an array.
pub(crate) fn add(members: &mut Map<String, Value>, name: String, value: Value) {
    match members.get_mut(&name) {
        Some(Value::Array(all)) => all.push(value),
        Some(first) => *first = Value::Array(vec![first.take(), value]),
        None => {
            members.insert(name, value);
        }
    }
}
