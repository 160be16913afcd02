//! Authorization to read an inbox and to change its read state: an application with its key pair or token, or a user
//! with a token, for the own inbox and groups.

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

use crate::context::Context;

/// Extracts the application of a caller that may read what the path names.
///
/// Rejects with 401 without credentials, and 403 if a user's token is for another user or group.
pub(crate) struct InboxCaller(pub(crate) AppId);

impl FromRequestParts<Context> for InboxCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, context: &Context) -> Result<Self, Problem> {
        // a ticket opens a socket only
        let is_ticket =
            bearer_token(&parts.headers).map_err(auth_problem)?.is_some_and(|it| it.starts_with(TICKET_PREFIX));
        let member =
            if is_ticket { None } else { authenticated_member(&context.authenticator, &parts.headers).await? };
        let Some(member) = member else {
            return Caller::from_request_parts(parts, context).await.map(|it| Self(it.0));
        };
        let path = RawPathParams::from_request_parts(parts, context).await.map_err(|it| Problem::internal(&it))?;
        let is_own = path.iter().all(|(name, value)| match name {
            "user" => value == member.user,
            "group" => member.groups.iter().any(|group| group == value),
            "id" => true, // of a notification in the stream that the rest of the path names
            _ => false,
        });
        if is_own {
            Ok(Self(member.app))
        } else {
            Err(Problem::new(ProblemType::NotYours, "the token is for another user"))
        }
    }
}

/// The user of a request's token or ticket. `None` if it has a key pair, an application's own token, or no credentials.
pub(crate) async fn authenticated_member(
    authenticator: &Authenticator,
    headers: &HeaderMap,
) -> Result<Option<ConnectionUser>, Problem> {
    if headers.contains_key("x-api-key") {
        return Ok(None);
    }
    match bearer_token(headers).map_err(auth_problem)?.filter(|it| !is_application_token(it)) {
        Some(credential) => {
            let user = authenticator.authenticate_user(headers, credential, named_application(headers)).await;
            user.map(Some).map_err(auth_problem)
        }
        None => Ok(None),
    }
}
