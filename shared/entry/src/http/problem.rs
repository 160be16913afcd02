//! Errors of our own API: `application/problem+json` (RFC 9457). The caller sees a code and a title, never a cause.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::Chain;

/// How a caller may prove who it is, besides a key pair (RFC 6750, section 3).
pub const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"notifications\"");

/// A problem, as it is sent.
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// What kind of problem: `about:blank#no-such-bucket`.
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    /// The title, behind the field that it is about.
    pub detail: String,
    /// The field that is wrong, if one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// When to ask again, in seconds (RFC 9110, section 10.2.3).
    #[serde(skip)]
    pub retry_after: Option<u32>,
}

impl Problem {
    pub fn new(status: StatusCode, code: &str, title: impl Into<String>) -> Self {
        let title = title.into();
        Self {
            kind: format!("about:blank#{code}"),
            detail: title.clone(),
            title,
            status: status.as_u16(),
            field: None,
            retry_after: None,
        }
    }

    /// Something that the caller sent cannot be.
    pub fn invalid(field: &str, title: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", title).about(field)
    }

    /// The same problem, of a field; an empty name is none.
    pub fn about(self, field: &str) -> Self {
        if field.is_empty() {
            return self;
        }
        Self { detail: format!("{field}: {}", self.title), field: Some(field.to_owned()), ..self }
    }

    /// Somebody asks too much; after so many seconds it is good again.
    pub fn too_many(title: impl Into<String>, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many", title) }
    }

    /// Our own failure: logged with its causes, told without them.
    pub fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = %Chain(error), "request failed: {}", Chain(error));
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "something went wrong on our side")
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
