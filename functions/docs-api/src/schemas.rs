//! What bodies may be, where their types alone say too much or too little.

use serde_json::{Map, Value, json};

const NOTIFICATION: &str = "#/components/schemas/NotificationIn";
/// A notification for those who have no inbox.
const BROADCAST: &str = "#/components/schemas/Broadcast";

/// The largest daily quota: the largest integer that every reader of JSON keeps exactly (RFC 8259, section 6).
const MAX_QUOTA: u64 = (1 << 53) - 1;

/// Mends the schemas, and the bodies of operations.
pub(crate) fn complete(document: &mut Value) {
    let Some(schemas) = document["components"]["schemas"].as_object_mut() else { return };
    for (name, member) in
        [("SeedIn", "user_id"), ("SeedOut", "user_id"), ("SeedDump", "userId"), ("SeedReplayIn", "userId")]
    {
        if let Some(it) = schemas.get_mut(name).and_then(|it| it.pointer_mut(&format!("/properties/{member}"))) {
            *it = user_id();
        }
    }
    for name in ["SeedDump", "SeedReplayIn"] {
        if let Some(it) = schemas.get_mut(name).and_then(|it| it.pointer_mut("/properties/storeName")) {
            it["minLength"] = json!(1);
            it["maxLength"] = json!(128);
            it["pattern"] = json!(crate::operations::NAME);
        }
    }
    if let Some(it) = schemas.get_mut("SeedReplayIn").and_then(|it| it.pointer_mut("/properties/subscriptionId/type")) {
        *it = json!(["integer", "string"]);
    }
    for name in ["PassIn", "TicketIn"] {
        if let Some(it) = schemas.get_mut(name).and_then(|it| it.pointer_mut("/properties/groups/items")) {
            *it = json!({ "type": "string", "minLength": 1, "maxLength": 128, "pattern": crate::operations::NAME });
        }
    }
    narrow_and_widen(schemas);
    // members that answers have with `X-Extended: true` alone
    if let Some(members) = schemas.get_mut("Extended").and_then(Value::as_object_mut) {
        members.remove("required");
        if let Some(filter) = members.get_mut("properties").and_then(|it| it.get_mut("filter")) {
            filter["type"] = json!(["object", "null"]);
        }
    }
    if let Some(it) = schemas.get_mut("Configuration").and_then(|it| it.pointer_mut("/allOf/0")) {
        *it = json!({ "$ref": "#/components/schemas/Extended" });
    }
    if let Some(mut broadcast) = schemas.get("NotificationIn").cloned() {
        broadcast["description"] = json!("A notification for sockets alone, whose lists and counts it does not reach");
        if let Some(members) = broadcast["properties"].as_object_mut() {
            members.retain(|name, _| !["expiresAt", "collapseKey"].contains(&name.as_str()));
        }
        schemas.insert("Broadcast".to_owned(), broadcast);
    }
    // what was sent stands beside id and marks
    let sent = schemas.get("NotificationIn").map(|it| it["properties"].clone());
    if let (Some(mut sent), Some(it)) =
        (sent, schemas.get_mut("NotificationOut").and_then(|it| it.pointer_mut("/allOf/0")))
    {
        if let Some(members) = sent.as_object_mut() {
            members.remove("type");
        }
        *it = json!({ "type": "object", "properties": sent, "additionalProperties": true });
    }
    let schemas = schemas.clone();
    for (path, methods) in document["paths"].as_object_mut().into_iter().flatten() {
        let Some(post) = methods.get_mut("post") else { continue };
        let shape = match path.as_str() {
            "/api/v1/Inbox/{user}/Notifications" => Some(NOTIFICATION),
            "/api/v1/Groups/{group}/Notifications" | "/api/v1/Everyone/Notifications" => Some(BROADCAST),
            _ => None,
        };
        if let Some(shape) = shape {
            several(post, shape);
        }
        if path == "/api/v1/Notification/Messages" {
            published_events(post);
        }
        let bare = post.pointer("/requestBody/content").and_then(Value::as_object).and_then(|it| it.values().next());
        if bare.is_some_and(|it| may_be_absent(&schemas, &it["schema"])) {
            post["requestBody"]["required"] = json!(false);
        }
    }
    open(document);
}

/// Gives members bounds and alternatives that their types do not say.
fn narrow_and_widen(schemas: &mut Map<String, Value>) {
    // forms hold texts alone: an empty one is an absent one (channel API, section 4.1)
    let or_empty = |of: &str| json!([{ "type": "string", "format": of }, { "type": "string", "maxLength": 0 }, { "type": "null" }]);
    for (name, member, keyword, value) in [
        ("SettingsBody", "items_per_day", "maximum", json!(MAX_QUOTA)),
        ("SettingsBody", "bytes_per_day", "maximum", json!(MAX_QUOTA)),
        ("RedriveIn", "alreadyRedriven", "maximum", json!(u32::MAX)),
        // a schema of JSON Schema is an object or a boolean
        ("TypeBody", "schema", "type", json!(["object", "boolean"])),
        ("TypeOut", "schema", "type", json!(["object", "boolean"])),
        // flags are numbers as well as names, and users may be numbers
        ("PictureForm", "renderKind", "type", json!(["string", "integer"])),
        ("PictureForm", "userId", "type", json!(["string", "integer", "null"])),
        ("ReplayForm", "since", "anyOf", or_empty("date-time")),
        ("ReplayForm", "until", "anyOf", or_empty("date-time")),
    ] {
        let member = schemas.get_mut(name).and_then(|it| it.pointer_mut(&format!("/properties/{member}")));
        let Some(members) = member.and_then(Value::as_object_mut) else { continue };
        if keyword == "anyOf" {
            members.retain(|it, _| !["type", "format"].contains(&it.as_str()));
        }
        members.insert(keyword.to_owned(), value);
    }
}

/// Says of objects without named members that they may have any: generated clients take them for empty ones else.
fn open(it: &mut Value) {
    match it {
        Value::Object(members) => {
            let kind = members.get("type");
            let is_object = kind
                .is_some_and(|it| *it == "object" || it.as_array().is_some_and(|all| all.contains(&json!("object"))));
            if is_object && !members.contains_key("properties") && !members.contains_key("additionalProperties") {
                members.insert("additionalProperties".to_owned(), json!(true));
            }
            members.values_mut().for_each(open);
        }
        Value::Array(all) => all.iter_mut().for_each(open),
        _ => {}
    }
}

/// A user of the seed's clients: whole numbers are taken as they are written.
fn user_id() -> Value {
    json!({
        "type": ["integer", "string"],
        "minimum": i64::MIN,
        "maximum": u64::MAX,
        "minLength": 1,
        "maxLength": 128,
        "pattern": crate::operations::NAME,
        "description": "A number, or a text",
        "example": 123,
    })
}

/// A notification, or up to a hundred; if none of a list can be, each says why.
fn several(post: &mut Value, shape: &str) {
    let one = json!({ "$ref": shape });
    let list = json!({ "type": "array", "minItems": 1, "maxItems": 100, "items": one });
    post["requestBody"]["content"]["application/json"]["schema"] = json!({ "oneOf": [list, one] });
    let sent = json!({ "schema": { "type": "array", "items": { "$ref": "#/components/schemas/Sent" } } });
    let problem = json!({ "schema": { "$ref": "#/components/schemas/Problem" } });
    post["responses"]["422"]["content"] = json!({ "application/problem+json": problem, "application/json": sent });
}

/// An event, or up to a hundred, in our shape or as CloudEvents; a list is answered by a list.
fn published_events(post: &mut Value) {
    let content = |schema: Value| json!({ "schema": schema });
    let list = |one: &Value| json!({ "type": "array", "minItems": 1, "maxItems": 100, "items": one });
    let one = json!({ "$ref": "#/components/schemas/MessageIn" });
    let text = json!({ "type": "string", "minLength": 1 });
    // null is as absent (CloudEvents, JSON event format, section 2.2)
    let optional = json!({ "type": ["string", "null"], "minLength": 1 });
    let cloud_event = json!({
        "type": "object",
        "description": "CloudEvents 1.0, JSON event format",
        "required": ["specversion", "id", "source", "type"],
        "properties": {
            "specversion": { "const": "1.0" }, "id": text, "source": text, "subject": optional, "data": {},
            "type": { "type": "string", "pattern": "^[A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+)*$", "maxLength": 100 },
            "time": { "type": ["string", "null"], "format": "date-time" }, "datacontenttype": optional,
        },
        "example": { "specversion": "1.0", "id": "A-1", "source": "/orders", "type": "com.example.order.paid", "data": { "order": 7 } },
    });
    post["requestBody"]["content"] = json!({
        "application/json": content(json!({ "oneOf": [list(&one), one] })),
        "application/cloudevents+json": content(cloud_event.clone()),
        "application/cloudevents-batch+json": content(list(&cloud_event)),
    });
    let result = json!({ "$ref": "#/components/schemas/PublishResult" });
    let results = json!({ "type": "array", "items": result });
    post["responses"]["202"]["content"] = json!({ "application/json": content(json!({ "oneOf": [results, result] })) });
    let problem = content(json!({ "$ref": "#/components/schemas/Problem" }));
    post["responses"]["422"]["content"] =
        json!({ "application/problem+json": problem, "application/json": content(results) });
}

/// Whether a schema asks for nothing: a POST without a body is one without members.
fn may_be_absent(schemas: &Map<String, Value>, schema: &Value) -> bool {
    let named = schema["$ref"].as_str().and_then(|it| schemas.get(it.trim_start_matches("#/components/schemas/")));
    let Some(it) = named else { return false };
    let parts = it["allOf"].as_array();
    match parts {
        Some(all) => {
            all.iter().all(|it| !it["required"].is_array() && (it.get("$ref").is_none() || may_be_absent(schemas, it)))
        }
        None => it["type"] == "object" && !it["required"].is_array(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_have_the_bounds_and_alternatives_that_their_handlers_know() {
        let optional = |kind: &str| json!({ "type": [kind, "null"], "description": "as it was" });
        let mut document = json!({ "paths": {}, "components": { "schemas": {
            "SettingsBody": { "properties": { "items_per_day": optional("integer") } },
            "TypeBody": { "properties": { "schema": { "type": "object" } } },
            "PictureForm": { "properties": { "renderKind": { "type": "string" }, "userId": optional("string") } },
            "ReplayForm": { "properties": { "until": { "type": ["string", "null"], "format": "date-time" } } },
        } } });
        complete(&mut document);
        let member = |name: &str, member: &str| &document["components"]["schemas"][name]["properties"][member];
        let quota = member("SettingsBody", "items_per_day");
        assert_eq!(
            (&quota["maximum"], &quota["description"]),
            (&json!(9_007_199_254_740_991_u64), &json!("as it was"))
        );
        let schema = member("TypeBody", "schema");
        assert_eq!(*schema, json!({ "type": ["object", "boolean"], "additionalProperties": true }));
        assert_eq!(member("PictureForm", "renderKind")["type"], json!(["string", "integer"]));
        assert_eq!(member("PictureForm", "userId")["type"], json!(["string", "integer", "null"]));
        let until = member("ReplayForm", "until");
        assert_eq!(
            (&until["anyOf"][1], until.get("type"), until.get("format")),
            (&json!({ "type": "string", "maxLength": 0 }), None, None)
        );
    }

    #[test]
    fn bodies_say_what_is_taken() {
        let body = |name: &str| json!({ "required": true, "content": { "application/json": { "schema": { "$ref": format!("#/components/schemas/{name}") } } } });
        let notification = json!({ "type": "object", "required": ["title"], "properties": { "title": {}, "expiresAt": {}, "collapseKey": {} } });
        let mut document = json!({
            "components": { "schemas": {
                "NotificationIn": notification,
                "PassIn": { "type": "object", "properties": { "groups": {} } },
                "WebhookForm": { "allOf": [{ "$ref": "#/components/schemas/PassIn" }, { "type": "object", "required": ["webHookUrl"] }] },
                "Extended": { "type": "object", "required": ["status"] },
                "Configuration": { "allOf": [{ "oneOf": [] }, { "type": "object" }] },
                "NotificationOut": { "allOf": [{ "type": "object" }, { "type": "object", "properties": { "id": {} } }] },
                "SeedIn": { "properties": { "user_id": { "type": "integer" } } },
            } },
            "paths": {
                "/api/v1/Everyone/Notifications": { "post": { "requestBody": body("NotificationIn"), "responses": { "422": {} } } },
                "/api/v1/Inbox/{user}/Tokens": { "post": { "requestBody": body("PassIn"), "responses": {} } },
                "/api/v1/Notification/ChannelConfiguration/WebHook": { "post": { "requestBody": body("WebhookForm"), "responses": {} } },
            },
        });
        complete(&mut document);
        let schemas = &document["components"]["schemas"];
        assert_eq!(schemas["Broadcast"]["properties"], json!({ "title": {} }));
        assert_eq!(schemas["NotificationIn"], notification, "an inbox takes all of it");
        assert_eq!(schemas["Configuration"]["allOf"][0], json!({ "$ref": "#/components/schemas/Extended" }));
        assert_eq!(schemas["Extended"], json!({ "type": "object", "additionalProperties": true }));
        let told = &schemas["NotificationOut"]["allOf"][0]["properties"];
        assert_eq!(*told, notification["properties"], "what was sent is read");
        assert_eq!(schemas["SeedIn"]["properties"]["user_id"]["type"], json!(["integer", "string"]));
        let paths = &document["paths"];
        let everyone = &paths["/api/v1/Everyone/Notifications"]["post"];
        let taken = &everyone["requestBody"]["content"]["application/json"]["schema"]["oneOf"];
        assert_eq!((&taken[0]["type"], &taken[1]["$ref"]), (&json!("array"), &json!(BROADCAST)));
        assert_eq!(everyone["requestBody"]["required"], true);
        assert_eq!(everyone["responses"]["422"]["content"].as_object().unwrap().len(), 2);
        assert_eq!(paths["/api/v1/Inbox/{user}/Tokens"]["post"]["requestBody"]["required"], false);
        let webhook = &paths["/api/v1/Notification/ChannelConfiguration/WebHook"]["post"];
        assert_eq!(webhook["requestBody"]["required"], true, "an address is wanted");
    }
}
