//! What operations have in common and no handler repeats: ids, credentials, and bounds of parameters by their names.

use serde_json::{Map, Value, json};

/// Names of users and groups.
pub(crate) const NAME: &str = "^[^/\\x00-\\x1f\\x7f-\\x9f\\ufffd]+$";

/// How callers may prove who they are.
pub(crate) fn schemes() -> Value {
    let header =
        |name: &str, text: &str| json!({ "type": "apiKey", "in": "header", "name": name, "description": text });
    json!({
        "key": header("x-api-key", "A key; `x-api-secret` goes with it"),
        "secret": header("x-api-secret", "The secret of the key"),
        "token": {
            "type": "http",
            "scheme": "bearer",
            "description": "A token of an OpenID Connect issuer that the application trusts; at an inbox, a notification channel and a message store also the token of its user",
        },
        "operator": header("x-operator-key", "The key whose hash the deployment knows (parameter `OperatorKeyHash`)"),
        "webhook": header("x-webhook-secret", "The secret of the application's webhooks at Iconik"),
    })
}

/// Gives an operation its id, says what it takes to call it, and what its parameters may be.
pub(crate) fn complete(path: &str, method: &str, operation: &mut Value) {
    operation["operationId"] = json!(id(path, method));
    if operation["description"].is_null() {
        operation["description"] = operation["summary"].clone();
    }
    secure(path, operation);
    let taken = operation["parameters"].as_array().cloned().unwrap_or_default();
    let kept = taken.into_iter().filter(|it| !is_credential(it)).map(|it| parameter(path, method, it));
    let kept: Vec<Value> = kept.collect();
    if let Some(members) = operation.as_object_mut() {
        members.insert("parameters".to_owned(), Value::Array(kept));
    }
}

/// The method and the words of the path: `getMediaBucketsById`. A method and a path have one operation.
fn id(path: &str, method: &str) -> String {
    let mut id = method.to_owned();
    let words = path.trim_start_matches("/api/v1").split(['/', '.', '-']).filter(|it| !it.is_empty());
    for word in words {
        let name = word.trim_matches(['{', '}']);
        if name.len() < word.len() {
            id.push_str("By");
        }
        let mut letters = name.chars();
        id.extend(letters.next().map(|it| it.to_ascii_uppercase()));
        id.push_str(letters.as_str());
    }
    id
}

/// Headers that the schemes describe: who calls fills them in once.
fn is_credential(parameter: &Value) -> bool {
    parameter["in"] == "header" && matches!(parameter["name"].as_str(), Some("x-operator-key" | "x-webhook-secret"))
}

/// Members of one requirement belong together, requirements are alternatives (OpenAPI 3.1, section 4.8.30).
fn secure(path: &str, operation: &mut Value) {
    let (pair, token) = (json!({ "key": [], "secret": [] }), json!({ "token": [] }));
    let operator = json!({ "operator": [] });
    let named = |name: &str| {
        let taken = operation["parameters"].as_array();
        taken.is_some_and(|all| all.iter().any(|it| it["name"] == name))
    };
    let secured = operation["security"].as_array().is_some_and(|it| !it.is_empty());
    operation["security"] = match secured {
        true if named("x-operator-key") => json!([pair, token, operator]),
        // or a code in the body, or the cookie of a session
        true if path == "/console/session" => json!([pair, token, {}]),
        true => json!([pair, token]),
        false if named("x-operator-key") => json!([operator]),
        false if named("x-webhook-secret") => json!([{ "webhook": [] }]),
        // or none, where the deployment says so (`InboxAuth=open`)
        false if path.starts_with("/notifications/") => json!([pair, token, {}]),
        false => json!([]),
    };
}

/// Names a parameter's bounds and says what it is.
fn parameter(path: &str, method: &str, mut it: Value) -> Value {
    let name = it["name"].as_str().unwrap_or_default().to_owned();
    if let Some([kind, _]) = it["schema"]["type"].as_array().map(Vec::as_slice) {
        // absent, not null
        it["schema"]["type"] = kind.clone();
    }
    let (schema, text) = known(path, method, &name);
    if let Some(members) = it["schema"].as_object_mut() {
        members.extend(schema);
    }
    if it["description"].is_null() && !text.is_empty() {
        it["description"] = json!(text);
    }
    it
}

/// What a parameter may be, and what it is. Ids that cannot be are answered as ids that are not there: they have no bounds.
fn known(path: &str, method: &str, name: &str) -> (Map<String, Value>, &'static str) {
    let (schema, text) = match name {
        "applicationId" => (json!({ "format": "uuid" }), "The application"),
        "configurationId" => (json!({ "format": "uuid" }), "The channel configuration"),
        "user" | "group" => (
            json!({ "minLength": 1, "maxLength": 128, "pattern": NAME }),
            "1 to 128 characters without slashes and control characters, and neither `.` nor `..`",
        ),
        "type" if path.ends_with("{type}") => (
            json!({ "minLength": 1, "maxLength": 100, "pattern": "^[A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+)*$" }),
            "Dotted words of letters, digits, `_` and `-`",
        ),
        // items answer at most 100, whatever is asked for
        "limit" if path.ends_with("/Items") => (json!({ "minimum": 1 }), ""),
        "limit" if path.ends_with("/Results/{processor}") => (json!({ "minimum": 1, "maximum": 10_000 }), ""),
        "from" | "to" if path.ends_with("/Results/{processor}") => (json!({ "minimum": 0, "maximum": u64::MAX }), ""),
        "processor" => {
            (json!({ "enum": ["FacialRecognition", "ObjectDetection", "AutoTranslation"] }), "The processor")
        }
        "file" => (json!({ "examples": ["es.vtt"] }), "The language and the format: `es.vtt` or `es.srt`"),
        "limit" => (json!({ "minimum": 1, "maximum": 100 }), ""),
        "since" => (json!({ "format": "date-time" }), ""),
        "system" => (json!({ "enum": ["datacore", "objectmatrix", "iconik"] }), ""),
        "status" => (json!({ "enum": ["Pending", "Processing", "Completed", "Failed", "Skipped"] }), ""),
        "bucket" => (json!({ "pattern": "^bkt_[0-9a-f]{32}$" }), ""),
        "results" => (json!({ "enum": ["counts", "full"] }), ""),
        "references" => {
            (json!({ "examples": ["preserve", "none"] }), "How a list is wrapped; other values count as absent")
        }
        "Idempotency-Key" => (
            json!({ "minLength": 1, "maxLength": 200, "pattern": "^[\\x21-\\x7e]+$" }),
            "A request that comes twice with the same key is done once",
        ),
        "traceparent" => {
            (json!({}), "The trace that the request belongs to (W3C Trace Context); others count as absent")
        }
        "action" => (json!({}), "The custom action that was chosen at Iconik"),
        "key" => (json!({}), "The id of a key"),
        "kind" => (
            json!({ "enum": [
                "scan", "iconik", "faces", "objects", "translations", "render", "webhook", "amqp", "signalr", "push", "nms",
            ] }),
            "Which queue's dead letters",
        ),
        "day" => (json!({ "format": "date" }), ""),
        "id" if path.contains("/Buckets/") => {
            (json!({ "examples": ["bkt_00000000000000000000000000000001"] }), "The bucket")
        }
        "id" if path.contains("/Items/") => {
            (json!({ "examples": ["itm_00000000000000000000000000000001"] }), "The item")
        }
        "id" if path.contains("/Applications/") => (json!({}), "The application"),
        "id" if path.starts_with("/notifications/") && method == "get" => {
            (json!({ "minLength": 1, "maxLength": 128, "pattern": NAME }), "The user")
        }
        "id" if path.starts_with("/notifications/") => (json!({ "minLength": 1 }), "The notification"),
        "id" => (json!({ "minLength": 1 }), "The id, as a list shows it"),
        // where one of two is asked for, an empty one counts as absent
        "notification" if path.ends_with("/Explain") => (json!({ "minLength": 1 }), "The id of a notification"),
        "notification" => (json!({}), "The id of a notification"),
        "userId" if path.starts_with("/api/") => (json!({}), "Whose processes"),
        "userId" | "boxId" => (
            json!({ "minLength": 1, "maxLength": 128, "pattern": NAME, "examples": ["tel:+19585550100"] }),
            "The user, percent-encoded: `tel%3A%2B19585550100`. `acr:auth` is the user of the token",
        ),
        "storeName" => (
            json!({ "minLength": 1, "maxLength": 128, "pattern": NAME, "examples": ["myStore"] }),
            "The store, whose boxes are those of users; any name is one",
        ),
        "channelId" => (json!({ "minLength": 1, "examples": ["1"] }), "The channel"),
        "objectId" => (json!({ "minLength": 1, "examples": ["o1"] }), "The object"),
        "partId" => (json!({ "minLength": 1, "examples": ["p1"] }), "The part of the payload"),
        "folderId" => (json!({ "minLength": 1, "examples": ["f0"] }), "The folder; `f0` is the root"),
        "subscriptionId" => (json!({ "minLength": 1, "examples": ["s1"] }), "The subscription"),
        "flagName" => (json!({ "minLength": 1, "examples": ["\\Seen"] }), "The flag, percent-encoded: `%5CSeen`"),
        "token" => (json!({ "minLength": 1 }), "What the URL was given out with"),
        "path" if path.ends_with("/pathToId") => {
            (json!({ "examples": ["/main/conversation5"] }), "A path from the root")
        }
        "path" => (json!({ "enum": ["Yes"] }), "`Yes`: references have paths"),
        "fromCursor" => (json!({}), "The cursor that the page before gave"),
        "maxEntries" => (json!({ "minimum": 1 }), "Of a page, by default and at most 1,000"),
        "listFilter" => (json!({ "enum": ["All", "Subfolders", "Objects"] }), "What of the folder is listed"),
        "attrFilter" => (json!({}), "The attributes that are shown, by default all"),
        "imageRenderProcessId" if path.ends_with("/Download") => (json!({ "minLength": 1 }), "The process"),
        "imageRenderProcessId" => (json!({}), "The process"),
        "taskId" => (json!({ "minLength": 1 }), "The task"),
        "product" => (json!({ "examples": ["publish"] }), "The product"),
        "organization_id" => (json!({}), "Taken, and without effect: an application is one organization"),
        "access_token" => (json!({}), "A token of the application, instead of the header `authorization`"),
        "lowResolution" => (json!({}), "`true`: at a quarter of its length"),
        "format" => (json!({ "enum": [0, 1] }), "0 PNG, 1 JPEG"),
        // headers of others' clients are not refused for what they say
        "X-Extended" => (flag(), "`true`: with members that the published shape does not have; others count as absent"),
        "X-Reveal-Secrets" => {
            (flag(), "`true`: with secrets in clear, for whoever may see them; others count as absent")
        }
        _ => (json!({}), ""),
    };
    (schema.as_object().cloned().unwrap_or_default(), text)
}

fn flag() -> Value {
    json!({ "type": "string", "examples": ["true"] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_goes_on_without_credentials() {
        let mut operation = json!({ "summary": "Signs in.", "security": [{ "keys": [] }] });
        complete("/console/session", "post", &mut operation);
        assert_eq!(operation["security"], json!([{ "key": [], "secret": [] }, { "token": [] }, {}]));
    }

    #[test]
    fn a_pair_is_one_requirement_and_others_are_alternatives() {
        let mut operation = json!({
            "summary": "One bucket.",
            "security": [{ "keys": [] }],
            "parameters": [
                { "name": "id", "in": "path", "required": true, "schema": { "type": "string" } },
                { "name": "limit", "in": "query", "required": false, "schema": { "type": ["integer", "null"] } },
                { "name": "x-operator-key", "in": "header", "required": false, "schema": { "type": "string" } },
            ],
        });
        complete("/api/v1/Inbox/{user}/Things/{id}", "get", &mut operation);
        assert_eq!(operation["operationId"], "getInboxByUserThingsById");
        let alternatives = json!([{ "key": [], "secret": [] }, { "token": [] }, { "operator": [] }]);
        assert_eq!((&operation["security"], &operation["description"]), (&alternatives, &json!("One bucket.")));
        let [id, limit] = operation["parameters"].as_array().unwrap().as_slice() else {
            panic!("the header is a scheme")
        };
        assert_eq!((&id["in"], &id["required"]), (&json!("path"), &json!(true)));
        let bounded = json!({ "type": "integer", "minimum": 1, "maximum": 100 });
        assert_eq!((&limit["in"], &limit["required"], &limit["schema"]), (&json!("query"), &json!(false), &bounded));
    }
}
