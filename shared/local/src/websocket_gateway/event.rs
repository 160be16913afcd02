//! The events of a WebSocket API, as its routes' functions get them (API Gateway, "Set up data transformations for
//! WebSocket APIs").

use std::collections::BTreeMap;

use axum::http::HeaderMap;
use axum::http::request::Parts;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use serde_json::{Map, Value, json};

use crate::clock::now_ms;
use crate::http_event::{query_pairs, request_time};
use crate::random::random_bytes;

/// What every event of a connection says of it.
#[derive(Clone)]
pub(super) struct ConnectionInfo {
    pub(super) id: String,
    /// Milliseconds since 1970.
    pub(super) connected_at: i64,
    pub(super) user_agent: String,
}

impl ConnectionInfo {
    /// A connection that begins now, under a new id.
    pub(super) fn new(headers: &HeaderMap) -> Self {
        let user_agent = headers.get("user-agent").and_then(|it| it.to_str().ok()).unwrap_or_default().to_owned();
        Self { id: random_token(), connected_at: now_ms(), user_agent }
    }

    /// The event of a route (`$connect`, `$default`, `$disconnect`) of the API that has this stage and host.
    pub(super) fn event(&self, stage: &str, host: &str, route: &str, event_type: &str) -> Value {
        let (now, request) = (now_ms(), random_token());
        json!({
            "requestContext": {
                "routeKey": route, "eventType": event_type, "extendedRequestId": request, "requestTime": request_time(now),
                "messageDirection": "IN", "stage": stage, "connectedAt": self.connected_at, "requestTimeEpoch": now,
                "identity": { "userAgent": self.user_agent, "sourceIp": "127.0.0.1" }, "requestId": request,
                "domainName": host, "connectionId": self.id, "apiId": "local",
            },
            "isBase64Encoded": false,
        })
    }
}

/// A random id in the form that API Gateway's connection and message ids have.
pub(super) fn random_token() -> String {
    URL_SAFE.encode(random_bytes::<11>())
}

/// Adds the headers and the query of an upgrade request to its `$connect` event. `path` becomes the query parameter of
/// that name.
pub(super) fn add_request(event: &mut Value, parts: &Parts, path: Option<String>) {
    let (last, all) = event_headers(&parts.headers);
    (event["headers"], event["multiValueHeaders"]) = (json!(last), json!(all));
    let mut pairs = query_pairs(parts.uri.query().unwrap_or_default());
    pairs.extend(path.map(|it| ("path".to_owned(), it)));
    if pairs.is_empty() {
        return;
    }
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in &pairs {
        all.entry(name.clone()).or_default().push(value.clone());
    }
    let last: BTreeMap<String, String> = pairs.into_iter().collect();
    (event["queryStringParameters"], event["multiValueQueryStringParameters"]) = (json!(last), json!(all));
}

/// The headers with each word capitalised: the last value of each, and all values of each.
fn event_headers(headers: &HeaderMap) -> (Map<String, Value>, BTreeMap<String, Vec<String>>) {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        let title_case: Vec<String> = name
            .as_str()
            .split('-')
            .map(|word| {
                let mut letters = word.chars();
                letters.next().map(|it| it.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
            })
            .collect();
        all.entry(title_case.join("-")).or_default().push(String::from_utf8_lossy(value.as_bytes()).into_owned());
    }
    let last = all.iter().filter_map(|(name, values)| Some((name.clone(), json!(values.last()?)))).collect();
    (last, all)
}
