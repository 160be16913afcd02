//! Who manages applications: the operator, and keys with the scope `keys`. Asked before anything else of a request.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use domain::AppId;
use domain::application::Scope;
use entry::http::auth::matches_hash;
use entry::http::{AuthError, Problem, ProblemType, auth_problem};

use crate::Context;

/// Whoever holds the operator's key. Guesses are counted like those with other keys.
pub(crate) struct Operator;

impl FromRequestParts<Context> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Context) -> Result<Self, Problem> {
        is_operator(state, &parts.headers).map(|()| Self)
    }
}

/// Whoever manages the application that the path names as `id`, and what it may give away: the scopes of its own key, or
/// the operator's, which are all.
pub(crate) struct Manager {
    pub(crate) app: AppId,
    pub(crate) scopes: Vec<Scope>,
}

impl FromRequestParts<Context> for Manager {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Context) -> Result<Self, Problem> {
        let named = RawPathParams::from_request_parts(parts, state).await.map_err(|it| Problem::internal(&it))?;
        let named: Option<AppId> = named.iter().find(|it| it.0 == "id").and_then(|it| it.1.parse().ok());
        let missing = || Problem::new(ProblemType::NoSuchApplication, "there is no such application");
        if parts.headers.contains_key("x-operator-key") {
            is_operator(state, &parts.headers)?;
            let there = state.table.application(named.ok_or_else(missing)?).await?.ok_or_else(missing)?;
            return Ok(Self { app: there.id, scopes: Scope::ALL.to_vec() });
        }
        let granted = state.callers.authorize(&parts.headers, Scope::Keys).await.map_err(auth_problem)?;
        if Some(granted.app) == named { Ok(Self { app: granted.app, scopes: granted.scopes }) } else { Err(missing()) }
    }
}

fn is_operator(state: &Context, headers: &HeaderMap) -> Result<(), Problem> {
    let key = headers.get("x-operator-key").and_then(|it| it.to_str().ok()).unwrap_or_default();
    if !state.operator_key_hash.is_empty() && matches_hash(key, &state.operator_key_hash) {
        return Ok(());
    }
    Err(match state.callers.record_failure(headers) {
        AuthError::InvalidCredentials => {
            Problem::new(ProblemType::Credentials, "send the operator's key as x-operator-key")
        }
        other => auth_problem(other),
    })
}
