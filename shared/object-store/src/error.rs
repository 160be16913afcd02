//! What can go wrong with an object store, in words for the bucket's owner.

use std::error::Error;

use domain::ssrf::AddressError;
use guard::retry_after;
use http::header::HeaderMap;
use time::OffsetDateTime;

/// What went wrong with a request to an object store. The texts are shown to the bucket's owner.
#[derive(Debug, thiserror::Error)]
pub enum ObjectStoreError {
    #[error("the endpoint is refused: {0}")]
    EndpointRefused(#[from] AddressError),
    #[error("the credentials are refused ({0}); a Swarm token lives 24 hours unless it was made with a longer life")]
    Credentials(String),
    #[error(
        "the credentials are taken for anonymous: a signed request was answered, but so was one with a wrong secret; the token has probably expired"
    )]
    Anonymous,
    #[error("there is no bucket of that name")]
    NoBucket,
    #[error("there is no such object any more")]
    NoObject,
    #[error("the key has a segment `.` or `..`, which no URL can carry")]
    UnsupportedKey,
    #[error("the endpoint answered {0}")]
    UnexpectedResponse(String),
    /// The response has a `Retry-After`, here in seconds.
    #[error("the endpoint answered {response}, and asks to wait {retry_after} seconds")]
    Busy { response: String, retry_after: u64 },
    /// The credentials may be right: a SigV4 signature is valid for 15 minutes by the endpoint's clock.
    #[error("the endpoint's clock and ours are too far apart ({0}); the credentials were not looked at")]
    ClockSkew(String),
    #[error("the listing is not whole: {0}")]
    IncompleteListing(&'static str),
    #[error("the endpoint could not be reached: {0}")]
    Unreachable(String),
    #[error("could not write to the temporary folder")]
    Io(#[source] std::io::Error),
    #[error("the object was replaced since it was listed; the next scan finds what is there now")]
    Replaced,
}

impl ObjectStoreError {
    /// An error response that concerns neither the credentials nor one object. `Busy` if its headers have a `Retry-After`.
    pub(super) fn from_response(response: String, headers: &HeaderMap, now: OffsetDateTime) -> Self {
        match retry_after(headers, now) {
            Some(retry_after) => Self::Busy { response, retry_after },
            None => Self::UnexpectedResponse(response),
        }
    }

    /// A transport error, by its innermost cause.
    pub(super) fn unreachable(error: &(dyn Error + 'static)) -> Self {
        let mut cause = error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        Self::Unreachable(cause.to_string().chars().take(200).collect())
    }
}

/// Text from outside for a message: at most 100 characters, control characters escaped.
pub fn excerpt(text: &str) -> String {
    text.chars().take(100).flat_map(char::escape_debug).collect()
}
