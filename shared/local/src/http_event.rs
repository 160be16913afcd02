//! HTTP requests and responses in API Gateway's payload format 2.0.

use std::borrow::Cow;
use std::collections::BTreeMap;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, request::Parts};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::{Value, json};

use crate::account::ACCOUNT;
use crate::clock::now_ms;
use crate::random::random_id;
use crate::template::{DEFAULT_ROUTE, Route};

/// The route of a request, and its path variables. An exact path wins over `{var}`, that over `{proxy+}`, and a method
/// over `ANY`; the default route takes the rest (API Gateway, "Create routes for HTTP APIs").
pub(crate) fn match_route<'a, T>(
    routes: &'a [(Route, T)],
    method: &Method,
    path: &str,
) -> Option<(&'a Route, &'a T, BTreeMap<String, String>)> {
    let mut best: Option<(usize, &Route, &T, BTreeMap<String, String>)> = None;
    for (route, target) in routes {
        let any = route.method == "ANY";
        if !any && route.method != method.as_str() {
            continue;
        }
        if let Some((wildcards, variables)) = match_path(&route.path, path) {
            let rank = wildcards * 2 + usize::from(any);
            if best.as_ref().is_none_or(|it| rank < it.0) {
                best = Some((rank, route, target, variables));
            }
        }
    }
    best.map(|(_, route, target, variables)| (route, target, variables))
}

fn match_path(pattern: &str, path: &str) -> Option<(usize, BTreeMap<String, String>)> {
    let (mut wildcards, mut variables) = (0, BTreeMap::new());
    if pattern == DEFAULT_ROUTE {
        return Some((usize::from(u16::MAX), variables));
    }
    let mut rest = path.strip_prefix('/')?.split('/');
    for part in pattern.strip_prefix('/')?.split('/') {
        match part.strip_prefix('{').and_then(|it| it.strip_suffix('}')) {
            Some(greedy) if greedy.ends_with('+') => {
                let all: Vec<&str> = rest.by_ref().collect();
                if all.is_empty() {
                    return None;
                }
                variables.insert(greedy.trim_end_matches('+').to_owned(), percent_decoded(&all.join("/")));
                wildcards += 100;
            }
            Some(name) => {
                variables.insert(name.to_owned(), percent_decoded(rest.next().filter(|it| !it.is_empty())?));
                wildcards += 1;
            }
            None if rest.next()? == part => {}
            None => return None,
        }
    }
    rest.next().is_none().then_some((wildcards, variables))
}

/// The event of a request. It borrows what the request has, and is written as JSON at once.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RequestEvent<'a> {
    version: &'static str,
    route_key: Cow<'a, str>,
    raw_path: String,
    raw_query_string: &'a str,
    headers: BTreeMap<&'a str, Cow<'a, str>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    query_string_parameters: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    path_parameters: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cookies: Vec<String>,
    request_context: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Cow<'a, str>>,
    is_base64_encoded: bool,
}

impl RequestEvent<'_> {
    /// The event as JSON.
    pub(crate) fn to_json(&self) -> Bytes {
        serde_json::to_vec(self).unwrap_or_default().into() // maps with text as keys: it does not fail
    }
}

/// The address that a request comes from. All come from this machine: one that says another, as the last in `x-forwarded-for`,
/// is taken for a client there, as if the gateway had appended it.
pub(crate) fn source_address(headers: &HeaderMap) -> &str {
    let mut all = headers.get_all("x-forwarded-for").into_iter().filter_map(|it| it.to_str().ok());
    all.next_back().and_then(|it| it.rsplit(',').next()).map_or("127.0.0.1", str::trim)
}

/// The event of a request.
pub(crate) fn request_event<'a>(
    parts: &'a Parts,
    body: &'a [u8],
    route: &'a Route,
    path_parameters: BTreeMap<String, String>,
    host: &str,
) -> RequestEvent<'a> {
    let mut headers: BTreeMap<&str, Cow<'_, str>> = BTreeMap::new();
    let mut cookies = Vec::new();
    for (name, value) in &parts.headers {
        let text = String::from_utf8_lossy(value.as_bytes());
        if name == "cookie" {
            cookies.extend(text.split("; ").map(str::to_owned));
        } else {
            headers.entry(name.as_str()).and_modify(|it| *it = format!("{it},{text}").into()).or_insert(text);
        }
    }
    let source = source_address(&parts.headers);
    headers.entry("x-forwarded-for").or_insert(Cow::Borrowed(source));
    let path = percent_decoded(parts.uri.path());
    let query = parts.uri.query().unwrap_or_default();
    let route_key = match route.path.as_str() {
        DEFAULT_ROUTE => Cow::Borrowed(DEFAULT_ROUTE),
        path => Cow::Owned(format!("{} {path}", route.method)),
    };
    let now = now_ms();
    let request_context = json!({
        "accountId": ACCOUNT, "apiId": "local", "domainName": host, "domainPrefix": host.split('.').next(),
        "http": {
            "method": parts.method.as_str(), "path": path, "protocol": "HTTP/1.1", "sourceIp": source,
            "userAgent": headers.get("user-agent").map_or("", |it| it.as_ref()),
        },
        "requestId": random_id(), "routeKey": route_key, "stage": "$default", "time": request_time(now), "timeEpoch": now,
    });
    let text = std::str::from_utf8(body).ok().filter(|_| is_text(&headers));
    let encoded = match text {
        _ if body.is_empty() => None,
        Some(text) => Some(Cow::Borrowed(text)),
        None => Some(Cow::Owned(STANDARD.encode(body))),
    };
    RequestEvent {
        version: "2.0",
        route_key,
        raw_path: path,
        raw_query_string: query,
        query_string_parameters: query_parameters(query),
        path_parameters,
        cookies,
        request_context,
        is_base64_encoded: encoded.is_some() && text.is_none(),
        body: encoded,
        headers,
    }
}

/// A time as API Gateway writes it into events, such as `21/Nov/2026:09:00:00 +0000`.
pub(crate) fn request_time(ms: i64) -> Option<String> {
    chrono::DateTime::from_timestamp_millis(ms).map(|it| it.format("%d/%b/%Y:%H:%M:%S +0000").to_string())
}

/// The event of a request to a path that no function serves: the least that an invocation can cost.
pub(crate) fn empty_request_event() -> Bytes {
    let (parts, ()) = axum::http::Request::new(()).into_parts();
    let route = Route { method: "GET".into(), path: "/".into() };
    request_event(&parts, &[], &route, BTreeMap::new(), "127.0.0.1").to_json()
}

/// The parameters of a query, decoded, in order.
pub(crate) fn query_pairs(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|it| !it.is_empty()).map(|it| it.split_once('=').unwrap_or((it, "")));
    pairs
        .map(|(name, value)| (percent_decoded(&name.replace('+', " ")), percent_decoded(&value.replace('+', " "))))
        .collect()
}

/// The parameters of a query by name; the values of one that comes several times are joined by a comma.
fn query_parameters(query: &str) -> BTreeMap<String, String> {
    let mut parameters: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in query_pairs(query) {
        parameters.entry(name).and_modify(|it| *it = format!("{it},{value}")).or_insert(value);
    }
    parameters
}

fn is_text(headers: &BTreeMap<&str, Cow<'_, str>>) -> bool {
    if headers.contains_key("content-encoding") {
        return false;
    }
    let Some(content_type) = headers.get("content-type") else { return true };
    let content_type = content_type.to_lowercase();
    content_type.starts_with("text/")
        || ["json", "xml", "javascript", "x-www-form-urlencoded"].iter().any(|kind| content_type.contains(kind))
}

/// Percent-decodes a text. Bytes that are no UTF-8 become replacement characters.
pub(crate) fn percent_decoded(text: &str) -> String {
    let (bytes, mut out) = (text.as_bytes(), Vec::with_capacity(text.len()));
    let mut index = 0;
    while index < bytes.len() {
        let hex = text
            .get(index + 1..index + 3)
            .filter(|it| bytes[index] == b'%' && it.bytes().all(|it| it.is_ascii_hexdigit()));
        match hex.and_then(|it| u8::from_str_radix(it, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                index += 3;
            }
            None => {
                out.push(bytes[index]);
                index += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The response to a client, from the function's reply. JSON without `statusCode` becomes the body of a 200. The
/// content length is computed; only a response to HEAD keeps the function's, because it has no body.
pub(crate) fn response_from_reply(body: &[u8], method: &Method) -> Option<Response<Body>> {
    let mut reply: Value = serde_json::from_slice(body).ok()?;
    let Some(status) = reply.get("statusCode") else {
        return Response::builder().header("content-type", "application/json").body(Body::from(reply.to_string())).ok();
    };
    let status = u16::try_from(status.as_u64()?).ok().and_then(|it| StatusCode::from_u16(it).ok())?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    let mut append_header = |name: &str, value: &Value| {
        if let (Ok(name), Some(Ok(value))) = (name.parse::<HeaderName>(), value.as_str().map(HeaderValue::from_str)) {
            response.headers_mut().append(name, value);
        }
    };
    let headers = reply["headers"].as_object();
    for (name, value) in headers.into_iter().flatten() {
        append_header(name, value);
    }
    for (name, values) in reply["multiValueHeaders"].as_object().into_iter().flatten() {
        if headers.is_none_or(|it| !it.contains_key(name)) {
            values.as_array().into_iter().flatten().for_each(|value| append_header(name, value));
        }
    }
    reply["cookies"].as_array().into_iter().flatten().for_each(|value| append_header("set-cookie", value));
    let text = match reply["body"].take() {
        Value::String(text) => text,
        _ => String::new(),
    };
    let body = if reply["isBase64Encoded"] == true { STANDARD.decode(text).ok()? } else { text.into_bytes() };
    if method != Method::HEAD {
        response.headers_mut().remove("content-length");
    }
    *response.body_mut() = Body::from(body);
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes() -> Vec<(Route, &'static str)> {
        let route = |method: &str, path: &str| Route { method: method.into(), path: path.into() };
        vec![
            (route("ANY", "/items/{proxy+}"), "proxy"),
            (route("GET", "/items/{id}"), "variable"),
            (route("ANY", "/items/{id}"), "any"),
            (route("GET", "/items/new"), "exact"),
            (route("ANY", "$default"), "default"),
        ]
    }

    #[test]
    fn the_narrowest_route_wins() {
        for (method, path, want) in [
            ("GET", "/items/new", Some("exact")),
            ("GET", "/items/a%20b", Some("variable")),
            ("PUT", "/items/1", Some("any")),
            ("GET", "/items/1/2", Some("proxy")),
            ("GET", "/items/", Some("proxy")),
            ("GET", "/items", Some("default")),
            ("POST", "/", Some("default")),
        ] {
            let routes = routes();
            let chosen = match_route(&routes, &method.parse().unwrap(), path).map(|it| *it.1);
            assert_eq!(chosen, want, "{method} {path}");
        }
        assert!(match_route(&routes()[..4], &Method::GET, "/items").is_none());
        let (parts, ()) = axum::http::Request::new(()).into_parts();
        let event = json!(request_event(&parts, &[], &routes()[4].0, BTreeMap::new(), "127.0.0.1"));
        assert_eq!(event.get("body"), None);
        assert_eq!(
            (&event["routeKey"], &event["requestContext"]["routeKey"]),
            (&json!("$default"), &json!("$default"))
        );
    }

    #[test]
    fn an_event_has_the_shape_of_payload_2() {
        let request = axum::http::Request::builder().method("PUT").uri("/items/a%20b?q=1&q=2&x=%C3%A9");
        let request = request.header("Cookie", "s=1; t=2").header("X-A", "1").header("x-a", "2");
        let (parts, ()) = request.header("content-type", "application/octet-stream").body(()).unwrap().into_parts();
        let routes = routes();
        let (route, _, variables) = match_route(&routes, &parts.method, parts.uri.path()).unwrap();
        let event = json!(request_event(&parts, &[0xff, 0], route, variables, "127.0.0.1:8000"));
        assert_eq!(event["rawPath"], "/items/a b");
        assert_eq!(event["rawQueryString"], "q=1&q=2&x=%C3%A9");
        assert_eq!(event["queryStringParameters"], json!({ "q": "1,2", "x": "é" }));
        assert_eq!(event["cookies"], json!(["s=1", "t=2"]));
        assert_eq!((&event["headers"]["x-a"], &event["headers"]["cookie"]), (&json!("1,2"), &Value::Null));
        assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("/wA="), &json!(true)));
        assert_eq!((&event["pathParameters"]["id"], &event["routeKey"]), (&json!("a b"), &json!("ANY /items/{id}")));
        let (parts, ()) = axum::http::Request::new(()).into_parts();
        let text = json!(request_event(&parts, "é".as_bytes(), route, BTreeMap::new(), "127.0.0.1"));
        assert_eq!((&text["body"], &text["isBase64Encoded"]), (&json!("é"), &json!(false)));
        assert!(["cookies", "pathParameters", "queryStringParameters"].iter().all(|it| text.get(it).is_none()));
    }

    #[test]
    fn answers_in_every_form() {
        let response = response_from_reply(
            br#"{"statusCode":201,"headers":{"x":"y"},"cookies":["a=1","b=2"],"body":"/wA=","isBase64Encoded":true}"#,
            &Method::GET,
        )
        .unwrap();
        assert_eq!((response.status().as_u16(), response.headers().get_all("set-cookie").iter().count()), (201, 2));
        let get = |it: &[u8]| response_from_reply(it, &Method::GET);
        assert_eq!(get(br#"{"hello":1}"#).unwrap().status(), 200);
        assert!(get(b"not json").is_none());
        assert!(get(br#"{"statusCode":99999}"#).is_none());
        let long = br#"{"statusCode":200,"headers":{"content-length":"7"},"body":""}"#;
        assert_eq!(response_from_reply(long, &Method::HEAD).unwrap().headers()["content-length"], "7");
        assert!(!get(long).unwrap().headers().contains_key("content-length"));
    }
}
