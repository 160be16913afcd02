//! What every route has in common: CORS, content codings, caching, and errors as problems.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{Method, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::id::sha256_hex;
use tower::ServiceExt;

use super::content_coding;
use super::cors::CorsPolicy;
use super::problem::Problem;
use super::request_application::capture_application;

/// The `cache-control` of a response that is the same for all callers and changes rarely. Such a response gets an `etag`, and
/// is compressed.
pub const PUBLIC_CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// Serves a request. A HEAD is served as a GET, without the body (RFC 9110, section 9.3.2).
pub(super) async fn serve(cors: Arc<CorsPolicy>, router: Router, request: Request<lambda_http::Body>) -> Response {
    let (mut parts, body) = request.into_parts();
    let head = parts.method == Method::HEAD;
    if head {
        parts.method = Method::GET;
    }
    if let Some(response) = cors.preflight(&parts.method, &parts.headers).await {
        return response;
    }
    let request_headers = parts.headers.clone();
    let body = match to_bytes(Body::new(body), usize::MAX).await {
        // the content of a GET says nothing (RFC 9110, section 9.3.1)
        Ok(_) if parts.method == Method::GET => Bytes::new(),
        Ok(body) => body,
        Err(error) => return Problem::internal(&error).into_response(),
    };
    let (response, app) = match content_coding::inflate(&mut parts.headers, body) {
        Ok(body) => capture_application(router.oneshot(Request::from_parts(parts, Body::from(body)))).await,
        Err(error) => (Ok(error.into_response()), None),
    };
    let Ok(response) = response; // a router is infallible
    let mut response = finish(&request_headers, response).await;
    cors.apply(request_headers.get(header::ORIGIN), app, &mut response).await;
    if head {
        let length = response.headers().get(header::CONTENT_LENGTH).cloned();
        *response.body_mut() = Body::empty();
        length.map(|it| response.headers_mut().insert(header::CONTENT_LENGTH, it));
    }
    response
}

/// Completes a response: errors become problems, and caching headers are added.
async fn finish(request_headers: &HeaderMap, response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let mut body = match to_bytes(body, usize::MAX).await {
        Ok(body) => body,
        Err(error) => return Problem::internal(&error).into_response(),
    };
    if (parts.status.is_client_error() || parts.status.is_server_error()) && is_plain_text(&parts.headers) {
        let (problem, text) = problem(parts.status, &body).await;
        parts.headers.extend(problem);
        body = text;
    }
    // by default nothing is stored: responses belong to one caller, and some hold secrets (RFC 9111, section 5.2.2.5)
    let cached = parts.headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if parts.status == StatusCode::OK && *cached == PUBLIC_CACHE {
        parts.headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        let tag = format!("W/\"{}\"", &sha256_hex(&body)[..32]); // weak: the same with and without compression
        if let Ok(tag) = HeaderValue::from_str(&tag) {
            parts.headers.insert(header::ETAG, tag);
        }
        if etag_matches(request_headers, &tag) {
            parts.status = StatusCode::NOT_MODIFIED;
            parts.headers.remove(header::CONTENT_TYPE);
            parts.headers.remove(header::CONTENT_LENGTH);
            return Response::from_parts(parts, Body::empty());
        }
        if let Some(gzip) = content_coding::deflate(request_headers, &parts.headers, &body) {
            parts.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            body = gzip.into();
        }
    }
    if parts.status != StatusCode::NO_CONTENT {
        parts.headers.insert(header::CONTENT_LENGTH, body.len().into());
    }
    Response::from_parts(parts, Body::from(body))
}

/// Whether a response is plain text, or has no type: so are those of axum's extractors, and bare statuses.
fn is_plain_text(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_none_or(|it| it.as_bytes().starts_with(b"text/plain"))
}

/// The headers and the body of the problem for a status with a plain text.
async fn problem(status: StatusCode, text: &Bytes) -> (HeaderMap, Bytes) {
    let text: String = String::from_utf8_lossy(text).chars().take(200).collect();
    let (mut parts, body) = Problem::of_status(status, &text).into_response().into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    (parts.headers, to_bytes(body, usize::MAX).await.unwrap_or_default())
}

/// Whether `if-none-match` holds this tag (RFC 9110, section 13.1.2: weak comparison).
fn etag_matches(request_headers: &HeaderMap, tag: &str) -> bool {
    let lines = request_headers.get_all(header::IF_NONE_MATCH).into_iter().filter_map(|it| it.to_str().ok());
    let strong = |it: &str| it.trim().trim_start_matches("W/").to_owned();
    lines.flat_map(|it| it.split(',')).any(|it| it.trim() == "*" || strong(it) == strong(tag))
}

#[cfg(test)]
mod tests {
    use axum::extract::Query;
    use axum::routing::get;
    use serde::Deserialize;
    use serde_json::Value;

    use super::*;
    use crate::http::problem::ProblemType;

    #[derive(Deserialize)]
    struct Which {
        number: u8,
    }

    fn router() -> Router {
        let method = async || Problem::new(ProblemType::Method, "no such method");
        let long = async || ([(header::CACHE_CONTROL, PUBLIC_CACHE)], "a".repeat(5_000));
        let router = Router::new().route("/own", get(async || "secret")).route("/same", get(long));
        let router = router.route("/number", get(async |it: Query<Which>| it.number.to_string()));
        router.route("/bare", get(async || StatusCode::NOT_FOUND)).method_not_allowed_fallback(method)
    }

    async fn ask(method: &str, path: &str, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap, Bytes) {
        let request = headers
            .iter()
            .fold(Request::builder().method(method).uri(path), |it, (name, value)| it.header(*name, *value));
        let request = request.body(lambda_http::Body::Empty).unwrap();
        let (parts, body) = serve(Arc::new(CorsPolicy::AnyOrigin), router(), request).await.into_parts();
        (parts.status, parts.headers, to_bytes(body, usize::MAX).await.unwrap())
    }

    #[tokio::test]
    async fn answers_are_kept_by_nobody_unless_they_are_the_same_for_all() {
        let (_, own, _) = ask("GET", "/own", &[]).await;
        assert_eq!((&own[header::CACHE_CONTROL], own.get(header::ETAG)), (&"no-store".parse().unwrap(), None));
        let (status, same, body) = ask("GET", "/same", &[("accept-encoding", "gzip")]).await;
        assert_eq!((status.as_u16(), &same[header::CONTENT_ENCODING]), (200, &"gzip".parse().unwrap()));
        assert!(body.len() < 200 && same[header::CONTENT_LENGTH] == body.len().to_string(), "{same:?}");
        let tag = same[header::ETAG].to_str().unwrap();
        for known in [tag, &tag[2..], "*", &format!("\"other\", {tag}")] {
            let (status, again, body) = ask("GET", "/same", &[("if-none-match", known)]).await;
            assert_eq!((status.as_u16(), body.len(), &again[header::ETAG]), (304, 0, &same[header::ETAG]), "{known}");
        }
        assert_eq!(ask("GET", "/same", &[("if-none-match", "\"other\"")]).await.2.len(), 5_000);
    }

    #[tokio::test]
    async fn a_head_is_a_get_without_its_body() {
        for path in ["/own", "/same", "/bare", "/number?number=7"] {
            let (got, head) = (ask("GET", path, &[]).await, ask("HEAD", path, &[]).await);
            assert_eq!((head.0, &head.1, head.2.len()), (got.0, &got.1, 0), "{path}");
            assert_eq!(head.1[header::CONTENT_LENGTH], got.2.len().to_string(), "{path}");
        }
    }

    #[tokio::test]
    async fn every_error_is_a_problem() {
        for (method, path, status) in
            [("GET", "/number?number=x", 400), ("GET", "/bare", 404), ("PUT", "/own", 405), ("PATCH", "/same", 405)]
        {
            let (found, headers, body) = ask(method, path, &[]).await;
            assert_eq!(headers[header::CONTENT_TYPE], "application/problem+json", "{method} {path}");
            let problem: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!((found.as_u16(), &problem["status"]), (status, &status.into()), "{problem}");
            let reason = found.canonical_reason().unwrap();
            let (kind, title) = match status {
                405 => ("method".to_owned(), "The method is not allowed"), // the router's own answer
                _ => (reason.to_lowercase().replace(' ', "-"), reason),
            };
            assert_eq!(problem["type"], format!("about:blank#{kind}"), "{problem}");
            assert_eq!(problem["title"], title, "{problem}");
            assert!(problem["detail"].as_str().is_some_and(|it| !it.is_empty()), "{problem}");
            assert!(status != 405 || headers[header::ALLOW] == "GET,HEAD", "{headers:?}");
        }
    }

    #[tokio::test]
    async fn the_coding_of_a_body_matters_where_a_body_does() {
        for (method, body, want) in [
            ("GET", "", StatusCode::OK),
            ("GET", "{}", StatusCode::OK),
            ("PUT", "", StatusCode::METHOD_NOT_ALLOWED),
            ("PUT", "{}", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ] {
            let request = Request::builder().method(method).uri("/own").header(header::CONTENT_ENCODING, "br");
            let request = request.body(lambda_http::Body::from(body)).unwrap();
            let answer = serve(Arc::new(CorsPolicy::AnyOrigin), router(), request).await;
            assert_eq!(answer.status(), want, "{method} {body}");
            let taken = answer.headers().get(header::ACCEPT_ENCODING).and_then(|it| it.to_str().ok());
            assert_eq!(taken, (want == StatusCode::UNSUPPORTED_MEDIA_TYPE).then_some("gzip"), "{method} {body}");
        }
    }
}
