//! Who reads and marks: an application with its key pair or its own token, or a user with a token, in its own inbox and its groups.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use domain::AppId;
use domain::socket::Member;
use entry::http::caller::Caller;
use entry::http::{Callers, Problem, ProblemType, TICKET, bearer, named, refused, speaks_for_all};

use crate::State;

/// The application in which a request may read what its path names.
pub(crate) struct Reader(pub(crate) AppId);

impl FromRequestParts<State> for Reader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Problem> {
        // a ticket opens a socket, and nothing else
        let ticket = bearer(&parts.headers).map_err(refused)?.is_some_and(|it| it.starts_with(TICKET));
        let member = if ticket { None } else { member(&state.callers, &parts.headers).await? };
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
pub(crate) async fn member(callers: &Callers, headers: &HeaderMap) -> Result<Option<Member>, Problem> {
    if headers.contains_key("x-api-key") {
        return Ok(None);
    }
    match bearer(headers).map_err(refused)?.filter(|it| !speaks_for_all(it)) {
        Some(pass) => callers.member(headers, pass, named(headers)).await.map(Some).map_err(refused),
        None => Ok(None),
    }
}
