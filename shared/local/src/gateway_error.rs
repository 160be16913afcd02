//! The error responses that the gateways give themselves.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

/// An error response with API Gateway's `message`.
pub(crate) fn error_response(status: StatusCode, message: &str) -> Response<Body> {
    problem_response(status, json!({ "message": message }))
}

/// An error response: the members that API Gateway has, and those of problem+json (RFC 9457), as the product's errors
/// are.
pub(crate) fn problem_response(status: StatusCode, mut body: Value) -> Response<Body> {
    (body["type"], body["status"]) = (json!("about:blank"), json!(status.as_u16()));
    body["title"] = json!(status.canonical_reason().unwrap_or("Error"));
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/problem+json"));
    response
}
