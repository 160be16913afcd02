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
    if is_operator_key(key, &context.operator_key_hashes) {
        return Ok(());
    }
    Err(match context.authenticator.record_failure(headers) {
        AuthError::InvalidCredentials => {
            Problem::new(ProblemType::Credentials, "send the operator's key as x-operator-key")
        }
        other => auth_problem(other),
    })
}

/// Whether a key has one of these hashes (hexadecimal, separated by commas): while it is replaced, the old and the new one are
/// good.
fn is_operator_key(key: &str, hashes: &str) -> bool {
    hashes.split(',').filter(|it| !it.is_empty()).any(|it| matches_hash(key, it))
}

pub(crate) fn no_such_application() -> Problem {
    Problem::new(ProblemType::NoSuchApplication, "there is no such application")
}

#[cfg(test)]
mod tests {
    use domain::id::sha256_hex;

    use super::*;

    #[test]
    fn a_key_that_is_being_replaced_is_good_beside_the_new_one() {
        let [old, new] = ["op_old", "op_new"].map(|it| sha256_hex(it.as_bytes()));
        let both = format!("{old},{new}");
        let (old, new, both) = (old.as_str(), new.as_str(), both.as_str());
        for (key, hashes, good) in [
            ("op_old", old, true),
            ("op_old", both, true),
            ("op_new", both, true),
            ("op_old", new, false),
            ("op_other", both, false),
            ("", both, false),
            ("op_old", "", false),
            ("", "", false),
            ("", ",", false),
        ] {
            assert_eq!(is_operator_key(key, hashes), good, "{key} {hashes}");
        }
    }
}
