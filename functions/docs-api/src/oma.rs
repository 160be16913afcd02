//! What OMA's APIs have in common and no handler repeats: documents in JSON and XML, faults, and the choice between formats.

mod samples;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::responses::text;

const SCHEMAS: &str = "#/components/schemas/";
const JSON: &str = "application/json";
const XML: &str = "application/xml";
/// Namespaces of the types, by the prefix of their names.
const NAMESPACES: [(&str, &str); 3] = [
    ("nc", "urn:oma:xml:rest:netapi:notificationchannel:1"),
    ("nms", "urn:oma:xml:rest:netapi:nms:1"),
    ("common", "urn:oma:xml:rest:netapi:common:1"),
];
/// The notification of any enabler, and the one that is known here.
const NOTIFICATION: &str = "nc.Notification";
const EVENT_LIST: &str = "nms.NmsEventList";
const FAULT: &str = "common.RequestError";
/// A change of a box.
const EVENT: &str = "nms.NmsEvent";
/// The flags of an object, which may be none.
const FLAGS: &str = "nms.FlagList";
/// What a search for vanished objects answers.
const REFERENCES: &str = "nms.ObjectReferenceList";

/// What a status says, in terms of the faults' ids. `%1` and `%2` are the variables of a fault.
const FAULTS: &[(&str, &str)] = &[
    ("400", "SVC0002: %1 names the part that cannot be"),
    ("401", "SVC2003: the credentials are missing or wrong"),
    ("403", "POL0001 with `scope` or `user`: the credentials are good, but not for this"),
    ("404", "SVC0004: there is no such thing"),
    ("406", "SVC0002 with `Accept`: neither JSON nor XML is accepted"),
    ("413", "SVC0002 with %1: it is too large; a body has at most 1,000,000 bytes"),
    ("415", "SVC0002 with `Content-Type`: the media type is not taken"),
    ("429", "SVC2001: too many wrong credentials; `Retry-After` says when to ask again"),
    ("500", "SVC0001: something went wrong on our side"),
    ("503", "SVC2001: not now; `Retry-After` says when to ask again"),
];

/// Whether a path belongs to OMA's APIs, or to the seed's dialect of them.
pub(crate) fn is_path(path: &str) -> bool {
    path.starts_with("/notificationchannel/") || path.starts_with("/nms/") || is_of_seed(path)
}

fn is_of_seed(path: &str) -> bool {
    path.starts_with("/{userId}/channels") || ["/proxy", "/replay"].contains(&path)
}

/// Completes the operations, and the schemas of OMA's types.
///
/// # Errors
///
/// A sample is not JSON.
pub(crate) fn complete(document: &mut Value) -> Result<(), serde_json::Error> {
    // the types whose documents are bodies
    let mut documents = BTreeSet::from([FAULT.to_owned()]);
    for (path, methods) in document["paths"].as_object_mut().into_iter().flatten().filter(|it| is_path(it.0)) {
        for (method, operation) in methods.as_object_mut().into_iter().flatten() {
            if is_of_seed(path) {
                complete_of_seed(operation);
            } else {
                complete_operation(path, operation, &mut documents);
            }
            samples::add(method, path, operation)?;
        }
    }
    let Some(schemas) = document["components"]["schemas"].as_object_mut() else { return Ok(()) };
    for (_, schema) in schemas.iter_mut().filter(|it| namespace(it.0).is_some()) {
        let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
        properties.into_iter().flat_map(|it| it.values_mut()).for_each(drop_null);
        // the part of a form that is a document
        if let Some(part) = schema.pointer_mut("/properties/root-fields")
            && let Some(name) = type_of(part)
        {
            *part = json_document(&name);
        }
    }
    // other enablers have other names
    if let Some(notification) = schemas.get_mut(NOTIFICATION) {
        notification["additionalProperties"] = json!(true);
    }
    // elements without content: flags may have some, a reset has none
    if let Some(flags) = schemas.get_mut(FLAGS) {
        flags["type"] = json!(["object", "null"]);
    }
    let events = schemas.get_mut(EVENT).and_then(|it| it.get_mut("oneOf")).and_then(Value::as_array_mut);
    for reset in events.into_iter().flatten().filter_map(|it| it.pointer_mut("/properties/resetBox")) {
        *reset = json!({ "type": "null", "description": reset["description"] });
    }
    for name in documents {
        let root = root(&name);
        let properties = json!({ &root: reference(&name) });
        let wrapper = json!({ "type": "object", "required": [root], "properties": properties });
        schemas.insert(format!("{name}Document"), wrapper);
    }
    Ok(())
}

/// Members that are absent are left out, and null counts as absent: it is no value of its own.
fn drop_null(schema: &mut Value) {
    if let Some([kind, _]) = schema["type"].as_array().map(Vec::as_slice) {
        schema["type"] = kind.clone();
    }
    if let Some([one, other]) = schema["oneOf"].as_array().map(Vec::as_slice)
        && other["type"] == "null"
    {
        *schema = one.clone();
    }
}

fn complete_operation(path: &str, operation: &mut Value, documents: &mut BTreeSet<String>) {
    let format = json!({
        "name": "resFormat",
        "in": "query",
        "required": false,
        "description": "The format of the answer, whatever `Accept` and `Content-Type` say",
        "schema": { "type": "string", "enum": ["JSON", "XML"] },
    });
    if let Some(parameters) = operation["parameters"].as_array_mut() {
        parameters.push(format);
    }
    let (secured, bodied) = (is_secured(operation), operation["requestBody"].is_object());
    if bodied {
        write_document(&mut operation["requestBody"]["content"], documents);
        // a poll says nothing
        operation["requestBody"]["required"] = json!(!path.contains("/poll/"));
    }
    let mut statuses = vec!["406", "500"];
    if secured {
        statuses.extend(["400", "401", "403", "429", "503"]);
    }
    if bodied {
        statuses.extend(["400", "413", "415"]);
    }
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    for status in statuses {
        responses.entry(status).or_insert_with(|| json!({}));
    }
    for (status, response) in responses.iter_mut() {
        let is_fault = status.starts_with(['4', '5']);
        describe(status, response, FAULTS);
        match response.get_mut("content") {
            Some(content) => {
                write_document(content, documents);
                if is_fault {
                    or_document(content, FAULT, documents);
                } else if path.ends_with("/objects/operations/search") {
                    or_document(content, REFERENCES, documents);
                }
                if let Some(payload) = content.get_mut("*/*") {
                    *payload = json!({ "schema": { "type": "string", "format": "binary" } });
                }
            }
            None if is_fault => response["content"] = fault(status),
            None => {}
        }
        if status == "201" {
            let location = json!({ "description": "Its URL", "schema": { "type": "string", "format": "uri" } });
            response["headers"] = json!({ "Location": location });
        }
    }
}

/// The seed's dialect is JSON alone, and has a shape of errors of its own.
fn complete_of_seed(operation: &mut Value) {
    let mut statuses = vec!["400", "401", "403", "429", "500", "503"];
    if operation["requestBody"].is_object() {
        operation["requestBody"]["required"] = json!(true);
        statuses.extend(["413", "422"]);
    }
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    for status in statuses {
        responses.entry(status).or_insert_with(|| json!({}));
    }
    for (status, response) in responses.iter_mut() {
        describe(status, response, &[]);
        if status.starts_with(['4', '5']) {
            response["content"] = json!({ JSON: { "schema": reference("SeedRefusal") } });
        }
    }
}

fn is_secured(operation: &Value) -> bool {
    operation["security"].as_array().is_some_and(|it| !it.is_empty())
}

/// Gives an answer that its handler does not describe the text of its status.
fn describe(status: &str, response: &mut Value, faults: &[(&str, &str)]) {
    if response["description"].as_str().unwrap_or_default().is_empty() {
        let fault = faults.iter().find(|it| it.0 == status).map(|it| it.1);
        response["description"] = json!(fault.unwrap_or_else(|| text(status)));
    }
}

/// Says of a content that is one of OMA's types that it is its document, in either format. The notification of an enabler is a
/// document by itself.
fn write_document(content: &mut Value, documents: &mut BTreeSet<String>) {
    let Some(name) = type_of(&content[JSON]["schema"]) else { return };
    if name == NOTIFICATION {
        content[XML] = json!({ "schema": xml_document(EVENT_LIST) });
        return;
    }
    content[JSON] = json!({ "schema": json_document(&name) });
    content[XML] = json!({ "schema": xml_document(&name) });
    documents.insert(name);
}

/// Says of a content that it may also be the document of another type.
fn or_document(content: &mut Value, name: &str, documents: &mut BTreeSet<String>) {
    for (format, other) in [(JSON, json_document(name)), (XML, xml_document(name))] {
        if let Some(schema) = content.get_mut(format).and_then(|it| it.get_mut("schema")) {
            *schema = json!({ "oneOf": [schema.take(), other] });
        }
    }
    documents.insert(name.to_owned());
}

/// The content of a fault. Who accepts neither format is answered in JSON.
fn fault(status: &str) -> Value {
    let json_content = json!({ "schema": json_document(FAULT) });
    match status {
        "406" => json!({ JSON: json_content }),
        _ => json!({ JSON: json_content, XML: { "schema": xml_document(FAULT) } }),
    }
}

/// The type that a schema refers to, if it is one of OMA's.
fn type_of(schema: &Value) -> Option<String> {
    let name = schema["$ref"].as_str()?.strip_prefix(SCHEMAS)?;
    namespace(name).map(|_| name.to_owned())
}

/// The prefix and the namespace of a type: `nc.NotificationChannel` is of `nc`.
fn namespace(name: &str) -> Option<(&'static str, &'static str)> {
    let (prefix, _) = name.split_once('.')?;
    NAMESPACES.into_iter().find(|it| it.0 == prefix)
}

/// The root element of a type: `notificationChannel` of `nc.NotificationChannel`.
fn root(name: &str) -> String {
    let mut letters = name.split_once('.').map_or(name, |it| it.1).chars();
    let first = letters.next().map(|it| it.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("{SCHEMAS}{name}") })
}

/// A document in JSON: an object with one member, named after the root element.
fn json_document(name: &str) -> Value {
    reference(&format!("{name}Document"))
}

/// A document in XML: its root element alone has a namespace.
fn xml_document(name: &str) -> Value {
    let (prefix, uri) = namespace(name).unwrap_or_default();
    let element = json!({ "name": root(name), "namespace": uri, "prefix": prefix });
    json!({ "allOf": [reference(name)], "xml": element })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_a_document_in_json_and_in_xml_and_errors_are_faults() {
        let content = json!({ JSON: { "schema": reference("nms.Folder") } });
        let operation = json!({
            "security": [{ "token": [] }],
            "parameters": [],
            "requestBody": { "content": content },
            "responses": { "201": { "content": content }, "404": {} },
        });
        let folder = json!({ "type": "object", "properties": { "name": { "type": ["string", "null"] } } });
        let mut document = json!({
            "paths": { "/nms/v1/any": { "post": operation } },
            "components": { "schemas": { "nms.Folder": folder } },
        });
        complete(&mut document).unwrap();
        let operation = &document["paths"]["/nms/v1/any"]["post"];
        for body in [&operation["requestBody"], &operation["responses"]["201"]] {
            assert_eq!(body["content"][JSON]["schema"], reference("nms.FolderDocument"));
            let schema = &body["content"][XML]["schema"];
            let element = json!({ "name": "folder", "namespace": "urn:oma:xml:rest:netapi:nms:1", "prefix": "nms" });
            assert_eq!(*schema, json!({ "allOf": [reference("nms.Folder")], "xml": element }));
        }
        let responses = operation["responses"].as_object().unwrap();
        let mut statuses: Vec<&str> = responses.keys().map(String::as_str).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, ["201", "400", "401", "403", "404", "406", "413", "415", "429", "500", "503"]);
        for (status, response) in responses.iter().filter(|it| it.0 != "201") {
            let content = &response["content"];
            assert_eq!(content[JSON]["schema"], reference("common.RequestErrorDocument"), "{status}");
            assert_eq!(content.get(XML).is_none(), status == "406", "{status}");
        }
        let schemas = &document["components"]["schemas"];
        assert_eq!(schemas["nms.Folder"]["properties"]["name"]["type"], "string");
        assert_eq!(schemas["nms.FolderDocument"]["properties"], json!({ "folder": reference("nms.Folder") }));
        assert_eq!(schemas["nms.FolderDocument"]["required"], json!(["folder"]));
    }

    #[test]
    fn the_seeds_dialect_is_json_and_has_errors_of_its_own() {
        let operation = json!({ "requestBody": { "content": {} }, "responses": { "202": {} } });
        let path = "/{userId}/channels/any";
        let mut document = json!({ "paths": { path: { "post": operation } }, "components": { "schemas": {} } });
        complete(&mut document).unwrap();
        let responses = &document["paths"][path]["post"]["responses"];
        assert!(responses["202"]["content"].is_null());
        for status in ["400", "401", "403", "413", "422", "429", "500", "503"] {
            let content = json!({ JSON: { "schema": reference("SeedRefusal") } });
            assert_eq!(responses[status]["content"], content, "{status}");
        }
    }
}
