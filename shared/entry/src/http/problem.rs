//! Errors of our own API: `application/problem+json` (RFC 9457). Each type has one title and one status; the detail says what
//! is wrong in this occurrence. Causes are logged, and never sent.

mod types;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

pub use self::types::ProblemType;

use crate::chain::Chain;

/// The challenge of a 401: a bearer token is accepted beside a key pair (RFC 6750, section 3).
pub const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"notifications\"");

/// The most characters of a field's path, and of what is said about it: both may quote what the caller sent, which may be as
/// large as a request.
const MAX_FIELD_CHARS: usize = 200;
const MAX_REASON_CHARS: usize = 2_000;

/// A problem, as it is sent.
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// What kind of problem: `about:blank#no-such-bucket`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words: the same with every problem of the type.
    pub title: &'static str,
    pub status: u16,
    /// What is wrong this time, behind the field that it is about.
    pub detail: String,
    /// The field that is wrong, if one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// When to ask again, in seconds (RFC 9110, section 10.2.3).
    #[serde(skip)]
    pub retry_after: Option<u32>,
}

impl Problem {
    /// A problem of a type; `reason` becomes its detail.
    pub fn new(kind: ProblemType, reason: impl Into<String>) -> Self {
        let (code, status, title) = kind.definition();
        Self::build(code, status, title, reason.into())
    }

    /// The problem of a bare status, with the text that came with it. Its type is the name of the status.
    pub fn of_status(status: StatusCode, text: &str) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        let reason = if text.trim().is_empty() { title } else { text };
        Self::build(&title.to_lowercase().replace(' ', "-"), status, title, reason.to_owned())
    }

    fn build(code: &str, status: StatusCode, title: &'static str, reason: String) -> Self {
        Self {
            kind: format!("about:blank#{code}"),
            title,
            status: status.as_u16(),
            detail: truncated(&reason, MAX_REASON_CHARS),
            field: None,
            retry_after: None,
        }
    }

    /// A field of the request is invalid.
    pub fn invalid(field: &str, reason: impl Into<String>) -> Self {
        Self::new(ProblemType::Invalid, reason).with_field(field)
    }

    /// The same problem with the name of a field; an empty name changes nothing.
    pub fn with_field(self, field: &str) -> Self {
        if field.is_empty() {
            return self;
        }
        let field = truncated(field, MAX_FIELD_CHARS);
        Self { detail: format!("{field}: {}", self.reason()), field: Some(field), ..self }
    }

    /// The detail without the field.
    pub fn reason(&self) -> &str {
        let without_field = self.field.as_ref().and_then(|field| self.detail.strip_prefix(field)?.strip_prefix(": "));
        without_field.unwrap_or(&self.detail)
    }

    /// Too many requests; `seconds` is when to try again.
    pub fn too_many(reason: impl Into<String>, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..Self::new(ProblemType::TooMany, reason) }
    }

    /// An error on our side. It is logged with its causes; the caller gets none of them.
    pub fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = %Chain(error), "request failed: {}", Chain(error));
        Self::new(ProblemType::Internal, "something went wrong on our side")
    }
}

/// The beginning of a text; an ellipsis stands for the rest.
fn truncated(text: &str, max_chars: usize) -> String {
    match text.char_indices().nth(max_chars) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

impl<E: std::error::Error + 'static> From<E> for Problem {
    fn from(error: E) -> Self {
        Self::internal(&error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_string(&self).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, CHALLENGE); // RFC 9110, section 11.6.1
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_differs_stands_in_the_detail() {
        let sent = |it: &Problem| serde_json::to_value(it).unwrap();
        let (one, other) = (Problem::invalid("limit", "1 to 100"), Problem::invalid("a.b", "a text is expected"));
        assert_eq!(
            sent(&one),
            json!({
                "type": "about:blank#invalid", "title": "What was sent is not valid", "status": 422,
                "detail": "limit: 1 to 100", "field": "limit",
            })
        );
        assert_eq!((&sent(&one)["title"], one.reason()), (&sent(&other)["title"], "1 to 100"));
        let long = Problem::invalid(&"é".repeat(100_000), "x".repeat(100_000));
        assert_eq!(long.field.as_ref().map(|it| it.chars().count()), Some(MAX_FIELD_CHARS + 1));
        assert_eq!((long.reason().len(), long.reason().ends_with("x…")), (MAX_REASON_CHARS + "…".len(), true));
        let bare = Problem::of_status(StatusCode::NOT_FOUND, " ");
        assert_eq!(
            (bare.kind.as_str(), bare.title, bare.detail.as_str()),
            ("about:blank#not-found", "Not Found", "Not Found")
        );
        assert_eq!(sent(&bare)["field"], Value::Null);
    }
}
