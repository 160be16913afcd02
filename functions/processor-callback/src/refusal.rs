//! Why a callback is refused. The body has the shape of the processors' own errors: a code and a message (processors,
//! section 5.3).

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use entry::Chain;
use external_processor::InvalidMessage;
use serde_json::json;

/// A callback that changes nothing.
pub(crate) enum Refused {
    Unauthorized,
    /// With the body of `Unauthorized`: who cannot sign does not learn more than the status.
    NoSuchJob,
    Invalid(InvalidMessage),
    /// The job has ended, or another attempt of it runs.
    Stale,
    TooLarge,
    /// The result breaks the schema, and the job has failed.
    InvalidResult(String),
    /// Something is wrong on our side; the processor sends the message again.
    Internal,
}

impl Refused {
    /// An error on our side, which is logged.
    pub(crate) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = %Chain(error), "a callback failed: {}", Chain(error));
        Self::Internal
    }

    fn parts(&self) -> (StatusCode, &'static str, String) {
        let unknown = || "there is no such job, or the signature is not of its processor".to_owned();
        match self {
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized", unknown()),
            Self::NoSuchJob => (StatusCode::NOT_FOUND, "unauthorized", unknown()),
            Self::Invalid(InvalidMessage::TooLarge) => {
                (StatusCode::PAYLOAD_TOO_LARGE, "too_large", InvalidMessage::TooLarge.to_string())
            }
            Self::Invalid(why) => (StatusCode::BAD_REQUEST, "invalid_message", why.to_string()),
            Self::Stale => {
                (StatusCode::CONFLICT, "stale", "the job has ended, or another attempt of it runs".to_owned())
            }
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too_large", InvalidMessage::TooLarge.to_string()),
            Self::InvalidResult(why) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_result", why.clone()),
            Self::Internal => {
                (StatusCode::INTERNAL_SERVER_ERROR, "internal", "something went wrong on our side".to_owned())
            }
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, code, message) = self.parts();
        let mut response = (status, Json(json!({ "code": code, "message": message }))).into_response();
        if status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("webhook-signature realm=\"processors\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme); // RFC 9110, section 11.6.1
        }
        response
    }
}

impl<E: std::error::Error + 'static> From<E> for Refused {
    fn from(error: E) -> Self {
        Self::internal(&error)
    }
}
