//! Errors of Stripe's API (Stripe API, errors).

use serde::Deserialize;

/// The most characters of a message that is passed on.
const MAX_MESSAGE_CHARS: usize = 500;

/// Why a request to Stripe failed.
#[derive(Debug, thiserror::Error)]
pub enum StripeError {
    /// The card was refused (`card_error`). The message is for its owner.
    #[error("the card is refused: {message}")]
    Card { message: String, code: String },
    /// Another 4xx: something that the request names is not there, or cannot be.
    #[error("the request is refused with {status}: {message}")]
    Refused { status: u16, message: String, code: String },
    /// 401 or 403: the deployment's own key.
    #[error("Stripe answers {0} to our key")]
    Key(u16),
    /// 409: a request with the same idempotency key is under way.
    #[error("Stripe is at work on the same request")]
    InFlight,
    /// 429.
    #[error("Stripe asks for fewer requests")]
    RateLimited,
    /// 5xx. A `replayed` one is the stored answer to an earlier request with the same idempotency key: every further one
    /// gets it, too.
    #[error("Stripe answers {status}")]
    Server { status: u16, replayed: bool },
    #[error("Stripe could not be reached: {0}")]
    Unreachable(String),
    #[error("Stripe's answer cannot be read: {0}")]
    Unreadable(String),
}

impl StripeError {
    /// Whether the same request, with the same idempotency key, may succeed a moment later.
    pub(crate) fn is_worth_a_repeat(&self) -> bool {
        match self {
            Self::InFlight | Self::RateLimited | Self::Unreachable(_) => true,
            Self::Server { replayed, .. } => !replayed,
            Self::Card { .. } | Self::Refused { .. } | Self::Key(_) | Self::Unreadable(_) => false,
        }
    }

    /// Whether it is the stored answer to an earlier request: whoever asks again gets it for a day. Under another idempotency
    /// key the request is carried out.
    pub fn is_stored_failure(&self) -> bool {
        matches!(self, Self::Server { replayed: true, .. })
    }

    /// Whether what the request names does not exist.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Refused { status, code, .. } if *status == 404 || code == "resource_missing")
    }

    /// The error that a response of a status other than 2xx stands for. `replayed` says that it is a stored one.
    pub(crate) fn from_response(status: u16, replayed: bool, body: &[u8]) -> Self {
        let Body { error } = serde_json::from_slice(body).unwrap_or_default();
        let message: String = error.message.chars().take(MAX_MESSAGE_CHARS).collect();
        match status {
            _ if error.kind == "card_error" => Self::Card { message, code: error.code },
            401 | 403 => Self::Key(status),
            409 => Self::InFlight,
            429 => Self::RateLimited,
            500.. => Self::Server { status, replayed },
            _ => Self::Refused { status, message, code: error.code },
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    error: ErrorBody,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorBody {
    #[serde(rename = "type")]
    kind: String,
    code: String,
    message: String,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn error(status: u16, kind: &str) -> StripeError {
        let body = json!({ "error": { "type": kind, "code": "c", "message": "m".repeat(1_000), "param": "x" } });
        StripeError::from_response(status, false, body.to_string().as_bytes())
    }

    #[test]
    fn errors_are_told_apart_by_their_status_and_type() {
        let card = error(402, "card_error");
        assert!(matches!(&card, StripeError::Card { code, message } if code == "c" && message.len() == 500), "{card}");
        assert!(matches!(error(400, "card_error"), StripeError::Card { .. }));
        assert!(matches!(error(400, "invalid_request_error"), StripeError::Refused { status: 400, .. }));
        assert!(error(404, "invalid_request_error").is_missing() && !error(400, "invalid_request_error").is_missing());
        for (status, want) in [(401, false), (403, false), (409, true), (429, true), (500, true), (503, true)] {
            let found = error(status, "api_error");
            assert_eq!(found.is_worth_a_repeat(), want, "{status}: {found}");
            assert!(!matches!(found, StripeError::Card { .. } | StripeError::Refused { .. }), "{status}");
        }
        let stored = StripeError::from_response(500, true, b"<html>");
        assert!(stored.is_stored_failure() && !stored.is_worth_a_repeat());
        assert!(!error(500, "api_error").is_stored_failure());
    }
}
