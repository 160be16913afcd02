//! Answers: documents in the negotiated format, and faults.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use entry::http::{AuthError, Problem, auth_problem};
use notification_channel::{ChannelError, TokenError};
use oma::{Document, Fault, Format, ReadError, write};
use table::TableError;

/// What a resource answers.
pub(crate) enum Answer {
    Document {
        status: u16,
        document: Document,
        location: Option<String>,
    },
    /// A text that is in the negotiated format already.
    Text(String),
    /// What a client has stored, as it came.
    Payload {
        content_type: String,
        bytes: Vec<u8>,
    },
    /// 204
    Empty,
}

/// Why a request is refused.
#[derive(Debug)]
pub(crate) struct FaultResponse {
    pub(crate) fault: Box<Fault>,
    /// Headers beside: `Allow`, `Retry-After`, `WWW-Authenticate`.
    pub(crate) headers: Box<HeaderMap>,
}

impl Answer {
    pub(crate) fn ok(document: Document) -> Self {
        Self::Document { status: 200, document, location: None }
    }

    pub(crate) fn into_response(self, format: Format) -> Response {
        match self {
            Self::Document { status, document, location } => {
                let mut response = respond(status, format, write(&document, format));
                if let Some(url) = location.and_then(|it| HeaderValue::from_str(&it).ok()) {
                    response.headers_mut().insert(header::LOCATION, url);
                }
                response
            }
            Self::Text(text) => respond(200, format, text),
            Self::Payload { content_type, bytes } => payload(&content_type, bytes),
            Self::Empty => StatusCode::NO_CONTENT.into_response(),
        }
    }
}

impl FaultResponse {
    pub(crate) fn into_response(self, format: Format) -> Response {
        let mut response = respond(self.fault.status, format, write(&self.fault.document(), format));
        response.headers_mut().extend(*self.headers);
        response
    }

    /// With a header that has a text of ours.
    pub(crate) fn with_header(mut self, name: header::HeaderName, value: &'static str) -> Self {
        self.headers.insert(name, HeaderValue::from_static(value));
        self
    }

    /// The server has no room for it now (503).
    pub(crate) fn busy() -> Self {
        Self::from(Fault::no_server_resources()).with_header(header::RETRY_AFTER, "2")
    }

    pub(crate) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = %entry::Chain(error), "a request failed: {}", entry::Chain(error));
        Fault::service_error("internal").into()
    }
}

impl From<Fault> for FaultResponse {
    fn from(fault: Fault) -> Self {
        Self { fault: Box::new(fault), headers: Box::default() }
    }
}

impl From<ReadError> for FaultResponse {
    fn from(error: ReadError) -> Self {
        let mut fault = Fault::from(&error);
        // the name of the field alone, as the specifications' own examples have it
        if let Some(part) = fault.variables.first_mut()
            && let Some((_, name)) = part.rsplit_once('.')
        {
            *part = name.to_owned();
        }
        fault.into()
    }
}

impl From<TableError> for FaultResponse {
    fn from(error: TableError) -> Self {
        Self::internal(&error)
    }
}

impl From<ChannelError> for FaultResponse {
    fn from(error: ChannelError) -> Self {
        Self::internal(&error)
    }
}

impl From<TokenError> for FaultResponse {
    fn from(error: TokenError) -> Self {
        Self::internal(&error)
    }
}

impl From<entry::secrets::SecretError> for FaultResponse {
    fn from(error: entry::secrets::SecretError) -> Self {
        Self::internal(&error)
    }
}

impl From<AuthError> for FaultResponse {
    fn from(error: AuthError) -> Self {
        auth_problem(error).into()
    }
}

impl From<Problem> for FaultResponse {
    /// The fault for the status of a problem, and the problem's headers.
    fn from(problem: Problem) -> Self {
        let fault = match problem.status {
            401 => Fault::invalid_access_token(),
            403 => Fault::policy_error("scope"),
            status @ (429 | 503) => Fault::no_server_resources().with_status(status),
            status if status < 500 => Fault::invalid_input("body").with_status(status),
            status => Fault::service_error("internal").with_status(status),
        };
        let mut headers = problem.into_response().headers().clone();
        for own in [header::CONTENT_TYPE, header::CONTENT_LENGTH] {
            headers.remove(own);
        }
        Self { fault: Box::new(fault), headers: Box::new(headers) }
    }
}

/// A stranger's content: no browser takes it for a page of ours.
fn payload(content_type: &str, bytes: Vec<u8>) -> Response {
    let mut response = Body::from(bytes).into_response();
    let headers = response.headers_mut();
    let unknown = HeaderValue::from_static("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap_or(unknown));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'"));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    response
}

fn respond(status: u16, format: Format, text: String) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, Body::from(text)).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    response
}
