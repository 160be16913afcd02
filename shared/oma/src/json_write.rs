//! Writes documents in JSON.

use serde_json::{Map, Value};

use crate::canonical;
use crate::document::{Document, XMLNS};

/// A mapping of XML to JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum JsonDialect {
    /// Native numbers and booleans; arrays wherever the schema allows more than one (REST_NetAPI_Common 5.6.2).
    #[default]
    StructureAware,
    /// Numbers and booleans as texts; arrays where there is more than one (REST_NetAPI_Common 5.6.1).
    InstanceBased,
}

/// A document as JSON: an object with one member, named after the root element.
pub fn write_json(document: &Document, dialect: JsonDialect) -> String {
    let value = plain(&document.value);
    let value = match dialect {
        JsonDialect::StructureAware => value,
        JsonDialect::InstanceBased => instance(value),
    };
    canonical::member(document.root.clone(), value).to_string()
}

/// Without what only XML has: namespaces, and the sign of attributes.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut plain_members = Map::new();
            for (name, value) in members.iter().filter(|(name, _)| *name != XMLNS) {
                let plain_name = name.strip_prefix('@').unwrap_or(name);
                // an element wins over an attribute with its name
                if plain_name == name || !members.contains_key(plain_name) {
                    plain_members.insert(plain_name.to_owned(), plain(value));
                }
            }
            Value::Object(plain_members)
        }
        Value::Array(all) => Value::Array(all.iter().map(plain).collect()),
        scalar => scalar.clone(),
    }
}

fn instance(value: Value) -> Value {
    match value {
        Value::Number(it) => Value::String(it.to_string()),
        Value::Bool(it) => Value::String(it.to_string()),
        Value::Array(mut all) if all.len() == 1 => instance(all.remove(0)),
        Value::Array(all) => Value::Array(all.into_iter().map(instance).collect()),
        Value::Object(members) => {
            let present = members.into_iter().filter(|(_, value)| value.as_array().is_none_or(|all| !all.is_empty()));
            let members: Map<String, Value> = present.map(|(name, value)| (name, instance(value))).collect();
            if members.is_empty() { Value::Null } else { Value::Object(members) }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(root: &str, value: Value, structure: &str, instance: &str) {
        let document = Document::from_value(root, value).unwrap();
        assert_eq!(write_json(&document, JsonDialect::StructureAware), structure);
        assert_eq!(write_json(&document, JsonDialect::InstanceBased), instance);
    }

    #[test]
    fn follows_the_table() {
        check("notificationList", json!(null), r#"{"notificationList":null}"#, r#"{"notificationList":null}"#);
        check("empty", json!(null), r#"{"empty":null}"#, r#"{"empty":null}"#);
        check(
            "connAck",
            json!({ "channelLifetime": 3600 }),
            r#"{"connAck":{"channelLifetime":3600}}"#,
            r#"{"connAck":{"channelLifetime":"3600"}}"#,
        );
        check(
            "requestError",
            json!({ "policyException": { "messageId": "POL2006", "text": "%1", "variables": ["a"] } }),
            r#"{"requestError":{"policyException":{"messageId":"POL2006","text":"%1","variables":["a"]}}}"#,
            r#"{"requestError":{"policyException":{"messageId":"POL2006","text":"%1","variables":"a"}}}"#,
        );
        check(
            "object",
            json!({ "attributes": {}, "flags": {} }),
            r#"{"object":{"attributes":{"attribute":[]},"flags":null}}"#,
            r#"{"object":{"attributes":null,"flags":null}}"#,
        );
        check(
            "notificationChannelList",
            json!({}),
            r#"{"notificationChannelList":{"notificationChannel":[]}}"#,
            r#"{"notificationChannelList":null}"#,
        );
        check(
            "notificationList",
            json!([{ "nmsEventList": { "index": 7 } }]),
            r#"{"notificationList":[{"nmsEventList":{"index":7,"nmsEvent":[]}}]}"#,
            r#"{"notificationList":{"nmsEventList":{"index":"7"}}}"#,
        );
    }

    #[test]
    fn namespaces_and_attributes_are_for_xml() {
        let value =
            json!([{ "@xmlns": "urn:a", "chat": { "@id": "1", "@name": "x", "name": "y", "@@c": 1, "$t": "z" } }]);
        let document = Document { root: "notificationList".into(), namespace: None, value };
        let want = r#"{"notificationList":[{"chat":{"$t":"z","@c":1,"id":"1","name":"y"}}]}"#;
        assert_eq!(write_json(&document, JsonDialect::StructureAware), want);
    }
}
