//! Authentication of those who manage applications: the operator, and keys with the scope `keys`. It precedes all other
//! checks of a request.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use domain::AppId;
use domain::application::Scope;
use entry::http::auth::matches_hash;
use entry::http::{AuthError, Problem, ProblemType, access_of, auth_problem};

use crate::context::Context;

/// The operator. Failed attempts count for the throttle, as with other keys.
pub(crate) struct Operator;

impl FromRequestParts<Context> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, context: &Context) -> Result<Self, Problem> {
        is_operator(context, &parts.headers).map(|()| Self)
    }
}

/// A caller that manages the application that the path names as `id`, and the scopes that it may grant: those of its
/// own key, or all for the operator.
pub(crate) struct Manager {
    pub(crate) app: AppId,
    pub(crate) scopes: Vec<Scope>,
}

impl FromRequestParts<Context> for Manager {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, context: &Context) -> Result<Self, Problem> {
        let named = RawPathParams::from_request_parts(parts, context).await.map_err(|it| Problem::internal(&it))?;
        let named: Option<AppId> = named.iter().find(|it| it.0 == "id").and_then(|it| it.1.parse().ok());
        if parts.headers.contains_key("x-operator-key") {
            is_operator(context, &parts.headers)?;
            let there = context
                .table
                .application(named.ok_or_else(no_such_application)?)
                .await?
                .ok_or_else(no_such_application)?;
            return Ok(Self { app: there.id, scopes: Scope::ALL.to_vec() });
        }
        let granted = context.authenticator.authorize(&parts.headers, Scope::Keys, access_of(&parts.method)).await;
        let granted = granted.map_err(auth_problem)?;
        if Some(granted.app) == named {
            Ok(Self { app: granted.app, scopes: granted.scopes })
        } else {
            Err(no_such_application())
        }
    }
}

fn is_operator(context: &Context, headers: &HeaderMap) -> Result<(), Problem> {
    let key = headers.get("x-operator-key").and_then(|it| it.to_str().ok()).unwrap_or_default();
    if !context.operator_key_hash.is_empty() && matches_hash(key, &context.operator_key_hash) {
        return Ok(());
    }
    Err(match context.authenticator.record_failure(headers) {
        AuthError::InvalidCredentials => {
            Problem::new(ProblemType::Credentials, "send the operator's key as x-operator-key")
        }
        other => auth_problem(other),
    })
}

pub(crate) fn no_such_application() -> Problem {
    Problem::new(ProblemType::NoSuchApplication, "there is no such application")
}
