//! Decodes API Gateway's event (payload format 2.0) into the request that the router reads.
//!
//! API Gateway percent-decodes the path, `lambda_http` parses it as a part of a URL, and the router decodes it again.
//! Therefore the path is encoded here before it is parsed: what the router gets is decoded exactly one time. No other input
//! of the client takes part in building the URL, neither `host` nor `x-forwarded-proto`.

use std::mem::take;

use axum::http::Method;
use axum::http::header::{HeaderMap, HeaderName, HeaderValue};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lambda_http::request::LambdaRequest;
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_encode, utf8_percent_encode};
use serde_json::{Value, json};

use super::problem::{Problem, ProblemType};

/// All characters but those that stay unencoded in a path: the unreserved ones (RFC 3986, section 2.3) and the slash.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
/// The characters that a query cannot have (RFC 3986, section 3.4). It may have a percent sign: it arrives encoded.
const QUERY: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The header in which a router finds the domain of API Gateway that took the request, instead of what a client may have put
/// there.
pub const GATEWAY_DOMAIN: HeaderName = HeaderName::from_static("x-gateway-domain");

/// The most bytes of a path and its query: `http::Uri` has at most 65,534, and `lambda_http` panics over more.
const MAX_URI_BYTES: usize = 65_000;

/// A request for `lambda_http`, and its headers, which are added only after the URL is built.
pub(crate) struct GatewayRequest {
    pub(crate) event: LambdaRequest,
    pub(crate) headers: HeaderMap,
    /// The address that API Gateway saw.
    pub(crate) source: String,
}

/// Decodes an event.
///
/// # Errors
/// The event is not an HTTP request, a URL parser would change its path (`.` and `..`), or `lambda_http` would panic over it:
/// its URL is too long, or its body is not the base64 that it is said to be.
pub(crate) fn decode(mut event: Value) -> Result<GatewayRequest, Problem> {
    let invalid = || Problem::new(ProblemType::Request, "the request is none of API Gateway's");
    if !event["requestContext"].is_object() {
        return Err(invalid());
    }
    let mut headers = headers(&take(&mut event["headers"]));
    let domain = event["requestContext"]["domainName"].as_str().and_then(|it| HeaderValue::from_str(it).ok());
    match domain {
        Some(domain) => drop(headers.insert(GATEWAY_DOMAIN, domain)),
        None => drop(headers.remove(GATEWAY_DOMAIN)),
    }
    let source = event["requestContext"]["http"]["sourceIp"].as_str().unwrap_or_default().to_owned();
    let path = match &event["rawPath"] {
        Value::String(path) => encode_path(path)?,
        _ => "/".to_owned(),
    };
    let query = event["rawQueryString"].as_str().unwrap_or_default();
    let query = utf8_percent_encode(query, QUERY).to_string();
    if path.len() + query.len() > MAX_URI_BYTES {
        let title = format!("a path and its query have at most {MAX_URI_BYTES} bytes");
        return Err(Problem::new(ProblemType::Path, title));
    }
    let body = event["body"].as_str().unwrap_or_default();
    if event["isBase64Encoded"] == true && STANDARD.decode(body).is_err() {
        return Err(invalid());
    }
    event["rawQueryString"] = json!(query);
    event["rawPath"] = json!(path);
    event["headers"] = json!({});
    event["requestContext"]["domainName"] = Value::Null;
    event["requestContext"]["stage"] = json!("$default"); // paths are the API's own, without a stage
    let method = event["requestContext"]["http"]["method"].as_str().and_then(|it| it.parse::<Method>().ok());
    if method.is_none() {
        return Err(Problem::new(ProblemType::Method, "the method is none of HTTP's"));
    }
    let event = serde_json::from_value(event).map_err(|_| invalid())?;
    Ok(GatewayRequest { event, headers, source })
}

/// A request in the place of one that was refused.
pub(crate) fn placeholder() -> GatewayRequest {
    let event =
        json!({ "version": "2.0", "rawPath": "/", "requestContext": { "http": { "method": "GET", "path": "/" } } });
    let event = serde_json::from_value(event).unwrap_or_else(|_| LambdaRequest::ApiGatewayV2(Default::default()));
    GatewayRequest { event, headers: HeaderMap::new(), source: String::new() }
}

/// Encodes a decoded path.
fn encode_path(path: &str) -> Result<String, Problem> {
    if !path.starts_with('/') || path.split('/').any(|it| it == "." || it == "..") {
        let title = "a path begins with a slash and has no segment `.` or `..`, which URL parsers take away";
        return Err(Problem::new(ProblemType::Path, title));
    }
    Ok(percent_encode(path.as_bytes(), PATH).to_string())
}

/// The event's headers. One that is invalid in HTTP (RFC 9110, section 5.5) is left out.
fn headers(all: &Value) -> HeaderMap {
    let parse = |(name, value): (&String, &Value)| {
        let name: HeaderName = name.parse().ok()?;
        Some((name, HeaderValue::from_str(value.as_str()?).ok()?))
    };
    all.as_object().into_iter().flatten().filter_map(parse).collect()
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::extract::{Path, RawPathParams};
    use axum::routing::get;
    use domain::notification::is_valid_name;
    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;
    use tower::ServiceExt;

    use super::*;

    fn event(path: &str, query: &str, headers: Value) -> Value {
        json!({
            "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query, "headers": headers,
            "requestContext": { "domainName": "api.example.com", "stage": "$default", "http": { "method": "GET", "path": path } },
            "isBase64Encoded": false,
        })
    }

    /// The user in a path, by both of axum's extractors.
    fn named(path: &str) -> Option<(String, String)> {
        let GatewayRequest { event, headers, .. } =
            decode(event(path, "", json!({ "host": "api.example.com" }))).ok()?;
        let mut request: lambda_http::Request = event.into();
        request.headers_mut().extend(headers);
        let show = async |raw: RawPathParams, Path(user): Path<String>| {
            let raw = raw.iter().map(|it| it.1.to_owned()).collect::<String>();
            serde_json::to_string(&(user, raw)).unwrap()
        };
        let router = Router::new().route("/api/v1/Inbox/{user}/Counts", get(show));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let response = router.oneshot(request.map(|_| Body::empty())).await.unwrap();
            let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
            serde_json::from_slice(&body).ok()
        })
    }

    #[test]
    fn a_name_is_decoded_once() {
        for (sent, want) in [
            ("victi%256D", "victi%6D"),
            ("100%2525", "100%25"),
            ("a%23b", "a#b"),
            ("a%3Fb", "a?b"),
            ("a%5Cb", "a\\b"),
            ("a%26b%3Dc", "a&b=c"),
            ("a+b", "a+b"),
            ("a%20b%20", "a b "),
            ("%C3%A9", "é"),
            ("%252E%252E", "%2E%2E"),
            ("a%09b%0D", "a\tb\r"),
            ("...", "..."),
        ] {
            let decoded = percent_decode_str(sent).decode_utf8().unwrap(); // as API Gateway does
            let found = named(&format!("/api/v1/Inbox/{decoded}/Counts"));
            assert_eq!(found, Some((want.to_owned(), want.to_owned())), "{sent}");
        }
        assert_eq!(named("/api/v1/Inbox/../Counts"), None);
        assert_eq!(named("/api/v1/Inbox/./Counts"), None);
        assert_eq!(named("/api/v1/Inbox/a/b/Counts"), None, "a slash ends a segment");
        assert_eq!(named("@evil.example/"), None);
    }

    #[test]
    fn nothing_of_a_strangers_headers_builds_the_url() {
        for headers in [
            json!({ "x-forwarded-proto": "ht tp", "host": "a.example" }),
            json!({ "x-forwarded-proto": "javascript", "host": "a b" }),
            json!({ "host": "[::1" }),
            json!({ "x-odd": "é", "x y": "z", "host": "a.example" }),
        ] {
            let arrived = decode(event("/x", "q=%41&r={\"a b\"}|\\é", headers.clone())).ok().unwrap();
            let host = headers["host"].as_str().unwrap();
            assert_eq!(arrived.headers["host"], host);
            let request: lambda_http::Request = arrived.event.into();
            assert_eq!(request.uri(), "/x?q=%41&r=%7B%22a%20b%22%7D%7C%5C%C3%A9", "{headers}");
        }
        assert!(decode(json!({ "rawPath": "/" })).is_err());
        assert!(decode(json!("nonsense")).is_err());
    }

    #[test]
    fn what_the_library_would_panic_over_is_refused() {
        let body = |body: &str| {
            let mut event = event("/x", "", json!({}));
            (event["body"], event["isBase64Encoded"]) = (json!(body), json!(true));
            decode(event).map(|it| it.event.into()).map(|it: lambda_http::Request| it.into_body().to_vec())
        };
        assert_eq!(body("aGk=").ok(), Some(b"hi".to_vec()));
        for wrong in ["aGk", "a", "aGk=\n", "a-_="] {
            assert_eq!(body(wrong).err().map(|it| it.status), Some(400), "{wrong}");
        }
        let long = "é".repeat(MAX_URI_BYTES / 6 - 2); // six bytes each when encoded
        for (path, query) in [(format!("/{long}"), ""), ("/".to_owned(), long.as_str())] {
            assert!(decode(event(&path, query, json!({}))).is_ok());
            assert_eq!(
                decode(event(&(path + "/a"), &format!("{query}{long}"), json!({}))).err().map(|it| it.status),
                Some(400)
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_name_that_is_taken_comes_out_as_it_went_in(name in any::<String>()) {
            let found = named(&format!("/api/v1/Inbox/{name}/Counts"));
            if is_valid_name(&name) {
                prop_assert_eq!(found, Some((name.clone(), name)));
            }
        }
    }
}
