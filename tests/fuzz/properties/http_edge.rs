//! The HTTP edge of every function: a path, a query and a body arrive as they were sent, a body never inflates beyond its
//! bound, and whatever an event says, the answer is a response that Lambda can return.

use std::io::Read;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path};
use axum::response::Json;
use axum::routing::{any, post};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::notification::is_valid_name;
use entry::http::{CorsPolicy, JsonBody, QueryParams, respond};
use flate2::read::MultiGzDecoder;
use lambda_runtime::{Context, LambdaEvent};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::block_on;

/// The most bytes of an inflated body, as the functions promise.
const MAX_INFLATED_BYTES: usize = 6 << 20;

/// The most bytes of a problem: 2,400 characters, each of them escaped, and the rest.
const MAX_PROBLEM_BYTES: usize = 15_000;

/// The query of `/query`.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Query {
    limit: Option<u16>,
    read: Option<bool>,
    name: Option<String>,
    ratio: Option<f64>,
}

/// The input is an event as JSON, or a request: `METHOD path?query`, lines of headers, an empty line, and the body. The path is
/// decoded, as API Gateway decodes it.
pub fn check(input: &[u8]) {
    if input.first() == Some(&b'{') {
        if let Ok(event) = serde_json::from_slice::<Value>(input) {
            answer(event);
        }
        return;
    }
    let end = input.windows(2).position(|it| it == b"\n\n").unwrap_or(input.len());
    let (Ok(head), body) = (std::str::from_utf8(&input[..end]), input.get(end + 2..).unwrap_or_default()) else {
        return;
    };
    let mut lines = head.split('\n');
    let Some((method, target)) = lines.next().and_then(|it| it.split_once(' ')) else { return };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers: Map<String, Value> = lines
        .filter_map(|it| it.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), Value::from(value)))
        .collect();
    let coding = headers.get("content-encoding").and_then(Value::as_str).map(str::to_owned);
    let (status, answered) = answer(json!({
        "version": "2.0", "rawPath": path, "rawQueryString": query, "headers": headers,
        "requestContext": { "domainName": "api.example.com", "stage": "$default", "http": { "method": method, "path": path } },
        "isBase64Encoded": true, "body": STANDARD.encode(body),
    }));
    if method == "HEAD" {
        return; // answered without a body
    }
    match path.strip_prefix("/names/") {
        Some(name) if is_valid_name(name) => assert!(status != 200 || answered == json!(name), "{name}: {answered}"),
        _ => {}
    }
    if (status, path) == (200, "/bytes") {
        let is_gzip = coding.is_some_and(|it| ["gzip", "x-gzip"].contains(&it.trim().to_ascii_lowercase().as_str()));
        let inflated = if is_gzip && !body.is_empty() { gunzip(body) } else { body.to_vec() };
        assert!(inflated.len() <= MAX_INFLATED_BYTES);
        assert_eq!(answered, json!({ "length": inflated.len(), "sum": sum(&inflated) }));
    } else if (status, path, coding) == (200, "/json", None) {
        let said = if body.is_empty() { json!({}) } else { serde_json::from_slice(body).expect("JSON") };
        assert_eq!(answered, said);
    } else if (status, path) == (200, "/query") {
        let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        assert!(pairs.iter().all(|it| ["limit", "read", "name", "ratio"].contains(&it.0.as_str())), "{query}");
        let name = pairs.iter().find(|it| it.0 == "name").map(|it| it.1.as_str());
        assert_eq!(answered["name"].as_str(), name, "{query}");
    }
}

/// The status and the body of the answer to an event.
fn answer(event: Value) -> (u64, Value) {
    let router = Router::new()
        .route("/names/{name}", any(async |Path(name): Path<String>| Json(name)))
        .route("/bytes", post(async |body: Bytes| Json(json!({ "length": body.len(), "sum": sum(&body) }))))
        .route("/json", post(async |JsonBody(value): JsonBody<Value>| Json(value)))
        .route("/query", any(async |QueryParams(query): QueryParams<Query>| Json(query)))
        .layer(DefaultBodyLimit::disable());
    let (cors, event) = (Arc::new(CorsPolicy::SameOrigin), LambdaEvent::new(event, Context::default()));
    let Ok(response) = block_on(respond(&router, &cors, "", event));
    let response = serde_json::to_value(response).expect("a response is JSON");
    let status = response["statusCode"].as_u64().unwrap_or_default();
    assert!((200..600).contains(&status) && status != 500, "{response}");
    let body = response["body"].as_str().unwrap_or_default();
    let body = if response["isBase64Encoded"] == true {
        STANDARD.decode(body).expect("base64")
    } else {
        body.as_bytes().to_vec()
    };
    let kind = response["headers"]["content-type"].as_str().unwrap_or_default().to_owned();
    let body: Value = if kind.ends_with("json") && !body.is_empty() {
        serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{response}: {error}"))
    } else {
        Value::Null
    };
    if status >= 400 && !body.is_null() {
        assert_eq!((kind.as_str(), &body["status"]), ("application/problem+json", &json!(status)), "{body}");
        assert!(body.to_string().len() <= MAX_PROBLEM_BYTES, "a refusal of {} bytes", body.to_string().len());
    }
    (status, body)
}

/// A second reading of a gzipped body.
fn gunzip(body: &[u8]) -> Vec<u8> {
    let mut inflated = Vec::new();
    MultiGzDecoder::new(body).take(MAX_INFLATED_BYTES as u64 + 1).read_to_end(&mut inflated).expect("gzip");
    inflated
}

/// Fletcher's checksum.
fn sum(bytes: &[u8]) -> u64 {
    let add = |(low, high): (u64, u64), byte: &u8| ((low + u64::from(*byte)) % 65_535, (high + low) % 65_535);
    let (low, high) = bytes.iter().fold((0, 0), add);
    high << 16 | low
}
