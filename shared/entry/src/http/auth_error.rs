//! Why credentials are refused, and the problem that says so.

use std::time::Duration;

use domain::application::Scope;

use super::problem::{Problem, ProblemType};

/// The period in which wrong credentials of an address are counted, and after which it may try again.
pub(super) const THROTTLE_WINDOW: Duration = Duration::from_secs(60);

/// Why a caller is refused. It does not say which part of the credentials was wrong.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The credentials are wrong. This counts as a guess.
    #[error("the credentials are missing or wrong")]
    InvalidCredentials,
    /// There is neither a key pair nor a token that is enough alone. Not counted as a guess.
    #[error("the credentials are missing")]
    MissingCredentials,
    /// The token's own `exp` has passed. Not counted as a guess.
    #[error("the token has expired")]
    ExpiredToken,
    /// The signature holds, but the token's `nbf` is in the future (RFC 7519, section 4.1.5). Not counted as a guess.
    #[error("the token is not valid yet: its nbf lies ahead of our clock")]
    TokenNotYetValid,
    #[error("the key lacks the scope {}", .0.name())]
    InsufficientScope(Scope),
    #[error("too many wrong credentials came from this address")]
    TooManyFailures,
    /// The keys of the token's issuer cannot be fetched. Holds the seconds after which to try again.
    #[error("the issuer of the token does not answer")]
    IssuerUnavailable(u32),
    #[error("could not check the credentials")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The problem for a refused caller.
pub fn auth_problem(error: AuthError) -> Problem {
    match error {
        AuthError::InvalidCredentials | AuthError::MissingCredentials => {
            let title = "send x-api-key and x-api-secret of your application, or a token that is good for this";
            Problem::new(ProblemType::Credentials, title)
        }
        AuthError::ExpiredToken => Problem::new(ProblemType::Expired, error.to_string()),
        AuthError::TokenNotYetValid => Problem::new(ProblemType::Early, error.to_string()),
        AuthError::InsufficientScope(_) => Problem::new(ProblemType::Scope, error.to_string()),
        AuthError::TooManyFailures => Problem::too_many(error.to_string(), THROTTLE_WINDOW.as_secs() as u32),
        AuthError::IssuerUnavailable(after) => {
            Problem { retry_after: Some(after), ..Problem::new(ProblemType::Issuer, error.to_string()) }
        }
        AuthError::Internal(_) => Problem::internal(&error),
    }
}
