//! Who reads and marks: an application with its key pair or its own token, or a user with a token, in its own inbox and its groups.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use domain::AppId;
use domain::socket::ConnectionUser;
use entry::http::auth::Caller;
use entry::http::{
    Authenticator, Problem, ProblemType, TICKET_PREFIX, auth_problem, bearer_token, is_application_token,
    named_application,
};

use crate::Context;

/// The application in which a request may read what its path names.
pub(crate) struct InboxCaller(pub(crate) AppId);

impl FromRequestParts<Context> for InboxCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Context) -> Result<Self, Problem> {
        // a ticket opens a socket, and nothing else
        let ticket =
            bearer_token(&parts.headers).map_err(auth_problem)?.is_some_and(|it| it.starts_with(TICKET_PREFIX));
        let member = if ticket { None } else { authenticated_member(&state.callers, &parts.headers).await? };
        let Some(member) = member else {
            return Caller::from_request_parts(parts, state).await.map(|it| Self(it.0));
        };
        let named = RawPathParams::from_request_parts(parts, state).await.map_err(|it| Problem::internal(&it))?;
        let own = named.iter().all(|(name, value)| match name {
            "user" => value == member.user,
            "group" => member.groups.iter().any(|it| it == value),
            "id" => true, // of a notification, in the stream that the rest of the path names
            _ => false,
        });
        if own {
            Ok(Self(member.app))
        } else {
            Err(Problem::new(ProblemType::NotYours, "the token is for another user"))
        }
    }
}

/// The user whose token, or ticket, a request carries, if it comes without a key pair; none, if the token is the
/// application's own.
pub(crate) async fn authenticated_member(
    callers: &Authenticator,
    headers: &HeaderMap,
) -> Result<Option<ConnectionUser>, Problem> {
    if headers.contains_key("x-api-key") {
        return Ok(None);
    }
    match bearer_token(headers).map_err(auth_problem)?.filter(|it| !is_application_token(it)) {
        Some(pass) => {
            callers.authenticate_user(headers, pass, named_application(headers)).await.map(Some).map_err(auth_problem)
        }
        None => Ok(None),
    }
}
