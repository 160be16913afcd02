//! What can be answered, whoever serves it: each status with a text, errors as `application/problem+json` (RFC 9457), or as
//! JSON, in the shape of their API, and the media types of forms.

use serde_json::{Value, json};

const PROBLEM: &str = "#/components/schemas/Problem";
/// The published shape of the channel API's errors (section 5).
const ENVELOPE: &str = "#/components/schemas/Envelope";
/// The published shape of billing's errors (billing, section 1.2), which is no `application/problem+json`.
const BILLING: &str = "#/components/schemas/BillingError";

/// Beside the published API, and in no shape of its.
const MESSAGES: &str = "/api/v1/Notification/Messages";

/// What a status says.
const TEXTS: &[(&str, &str)] = &[
    ("200", "Done"),
    ("201", "It is made"),
    ("202", "It is ordered"),
    ("204", "Done; there is nothing to say"),
    ("302", "It is at another address for some minutes"),
    ("400", "A field or the body cannot be read"),
    ("401", "The credentials are missing or wrong"),
    ("402", "It has to be paid for: the card was declined, or the plan does not allow more"),
    ("403", "The credentials are good, but not for this"),
    ("404", "There is no such thing"),
    ("409", "It cannot be done as things are now"),
    ("410", "What was asked for is not held any more"),
    ("413", "The body is too large"),
    ("415", "The body's media type is not taken"),
    ("422", "A field cannot be; `field` names it"),
    ("429", "Too many requests; `Retry-After` says when to ask again"),
    ("500", "Something went wrong on our side"),
    ("501", "This deployment does not have it"),
    ("503", "Not now; `Retry-After`, if it is there, says when to ask again"),
];

/// Adds the answers that come of credentials, bodies and our own failures, and gives each answer its text and media type.
pub(crate) fn complete(path: &str, method: &str, operation: &mut Value) {
    let published = ["/api/v1/Notification/", "/api/v1/Image/", "/api/v1/Authorization/"];
    let is_published = published.iter().any(|it| path.starts_with(it)) && !path.starts_with(MESSAGES);
    let shape = match is_published {
        true => ENVELOPE,
        false if path.starts_with("/1/billing/") => BILLING,
        false => PROBLEM,
    };
    if operation["requestBody"].is_object() {
        body(shape == ENVELOPE, &mut operation["requestBody"]);
    }
    let mut more = if shape == BILLING { billing_statuses(operation) } else { statuses(path, operation, is_published) };
    // a body is read before it is known whether it is asked for: its size, its coding and its type
    if method != "get" {
        more.extend(["400", "413", "415"]);
    }
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    more.retain(|it| !responses.contains_key(*it));
    responses.extend(more.into_iter().map(|it| (it.to_owned(), json!({ "content": problem(shape) }))));
    if shape == BILLING && method != "get" {
        // as it is read before billing sees it
        for status in ["400", "413", "415"] {
            let content = responses.get_mut(status).and_then(|it| it.get_mut("content")).and_then(Value::as_object_mut);
            content.into_iter().for_each(|it| it.extend(problem(PROBLEM).as_object().cloned().unwrap_or_default()));
        }
    }
    for (status, response) in responses.iter_mut() {
        if response["description"].as_str().unwrap_or_default().is_empty() {
            response["description"] = json!(text(status));
        }
        let content = response.get_mut("content").and_then(Value::as_object_mut);
        for (kind, content) in content.into_iter().flatten() {
            if kind.starts_with("image/") {
                content["schema"] = json!({ "type": "string", "format": "binary" }); // not a list of numbers
            }
        }
        let schema = response.pointer("/content/application~1json/schema/$ref").and_then(Value::as_str);
        if let Some(shape) = schema.filter(|it| [PROBLEM, ENVELOPE].contains(it)).map(str::to_owned) {
            response["content"] = problem(&shape);
        }
    }
}

/// What a status says, if its handler does not.
pub(crate) fn text(status: &str) -> &'static str {
    TEXTS.iter().find(|it| it.0 == status).map_or("An answer", |it| it.1)
}

/// The content of an error.
fn problem(shape: &str) -> Value {
    let kind = if shape == BILLING { "application/json" } else { "application/problem+json" };
    json!({ kind: { "schema": { "$ref": shape } } })
}

/// The same as [`statuses`] of billing, which has a 403 for all that credentials can be.
fn billing_statuses(operation: &Value) -> Vec<&'static str> {
    let mut all = vec!["403", "429", "500", "501", "503"];
    if operation["requestBody"].is_object() {
        all.push("400");
    }
    all
}

/// Which statuses come before a handler is reached, or whatever it does.
fn statuses(path: &str, operation: &Value, published: bool) -> Vec<&'static str> {
    let mut all = Vec::new();
    let takes = |scheme: &str| {
        let alternatives = operation["security"].as_array();
        alternatives.is_some_and(|all| all.iter().any(|it| it.get(scheme).is_some()))
    };
    let has =
        |name: &str| operation["parameters"].as_array().is_some_and(|all| all.iter().any(|it| it["name"] == name));
    let is_query = |it: &Value| it["in"] == "query";
    let queried = operation["parameters"].as_array().is_some_and(|all| all.iter().any(is_query));
    let bodied = operation["requestBody"].is_object();
    if takes("webhook") {
        return vec!["401", "500"];
    }
    if takes("key") {
        all.extend(["401", "403", "429", "503"]);
    } else if takes("operator") {
        all.extend(["401", "429"]);
    }
    if path.starts_with("/api/v1/Authorization/") {
        all.extend(["401", "429"]);
    }
    match published {
        true if bodied || queried => all.push("400"),
        false if bodied || queried || has("user") || has("group") => all.push("422"),
        _ => {}
    }
    if path != "/iconik/ready" {
        all.push("500");
    }
    all
}

/// Forms are taken as form-data, url-encoded and as JSON (channel API, section 4.1); the fields are the same.
fn body(published: bool, body: &mut Value) {
    let Some(content) = body["content"].as_object_mut() else { return };
    let taken: Option<Value> = content.values().next().cloned();
    if let (true, Some(form)) = (published, taken) {
        for kind in ["multipart/form-data", "application/x-www-form-urlencoded", "application/json"] {
            content.entry(kind).or_insert_with(|| form.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_have_their_text_and_errors_their_media_type() {
        let mut operation = json!({
            "security": [{ "key": [], "secret": [] }],
            "requestBody": { "content": { "application/json": { "schema": {} } } },
            "responses": {
                "200": { "content": { "application/json": { "schema": { "type": "string" } } } },
                "422": { "content": { "application/json": { "schema": { "$ref": PROBLEM } } } },
            },
        });
        complete("/api/v1/Media/Buckets", "post", &mut operation);
        let responses = operation["responses"].as_object().unwrap();
        let mut statuses: Vec<&str> = responses.keys().map(String::as_str).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, ["200", "400", "401", "403", "413", "415", "422", "429", "500", "503"]);
        assert!(responses.values().all(|it| it["description"].is_string()), "{responses:?}");
        assert_eq!(responses["422"]["content"], problem(PROBLEM));
        assert!(responses["200"]["content"]["application/json"].is_object());
        let content = operation["requestBody"]["content"].as_object().unwrap();
        assert_eq!(content.len(), 1, "a body of our own API is JSON");
    }

    #[test]
    fn a_body_that_nobody_asks_for_is_read_all_the_same() {
        for (method, want) in [("get", &["200", "500"][..]), ("post", &["200", "400", "413", "415", "500"])] {
            let mut operation = json!({ "security": [], "responses": { "200": {} } });
            complete("/hubs/notifications/ping", method, &mut operation);
            let responses = operation["responses"].as_object().unwrap();
            let mut statuses: Vec<&str> = responses.keys().map(String::as_str).collect();
            statuses.sort_unstable();
            assert_eq!(statuses, want, "{method}");
        }
    }

    #[test]
    fn a_form_is_taken_in_three_media_types() {
        let mut operation = json!({
            "security": [],
            "requestBody": { "content": { "multipart/form-data": { "schema": { "type": "object" } } } },
            "responses": { "200": {} },
        });
        complete("/api/v1/Authorization/GenerateJwtToken", "post", &mut operation);
        let content = operation["requestBody"]["content"].as_object().unwrap();
        assert_eq!(content.len(), 3);
        assert!(content.values().all(|it| it["schema"]["type"] == "object"));
        assert_eq!(operation["responses"]["401"]["content"], problem(ENVELOPE));
    }

    #[test]
    fn billing_has_errors_of_its_own() {
        let mut operation = json!({
            "security": [{ "key": [], "secret": [] }],
            "requestBody": { "content": { "application/json": {}, "application/x-www-form-urlencoded": {} } },
            "responses": { "200": {}, "402": { "content": { "application/json": { "schema": { "$ref": BILLING } } } } },
        });
        complete("/1/billing/start-trial.json", "post", &mut operation);
        let responses = operation["responses"].as_object().unwrap();
        let mut statuses: Vec<&str> = responses.keys().map(String::as_str).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, ["200", "400", "402", "403", "413", "415", "429", "500", "501", "503"]);
        for (status, response) in responses.iter().filter(|it| it.0 != "200") {
            assert_eq!(response["content"]["application/json"]["schema"]["$ref"], BILLING, "{status}");
            let of_the_edge = response["content"].get("application/problem+json").is_some();
            assert_eq!(of_the_edge, ["400", "413", "415"].contains(&status.as_str()), "{status}");
        }
    }
}
