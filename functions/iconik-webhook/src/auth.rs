//! Authentication of webhooks and custom actions: by the secret in their header.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use entry::http::{Problem, ProblemType};
use table::IconikWebhook;

use crate::context::Context;

/// The header that our webhooks carry (media systems, section 3.3.5).
const SECRET_HEADER: &str = "x-webhook-secret";

/// The application whose secret the request carries.
pub(crate) struct Authenticated(pub(crate) IconikWebhook);

/// The response to a request without a valid secret: 401 with `WWW-Authenticate`, or 500.
pub(crate) struct AuthenticationError(Problem);

impl IntoResponse for AuthenticationError {
    fn into_response(self) -> Response {
        let mut response = self.0.into_response();
        if response.status() == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("x-webhook-secret realm=\"iconik\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

impl FromRequestParts<Context> for Authenticated {
    type Rejection = AuthenticationError;

    async fn from_request_parts(parts: &mut Parts, context: &Context) -> Result<Self, AuthenticationError> {
        let refused =
            || AuthenticationError(Problem::new(ProblemType::Secret, "the webhook's secret is missing or wrong"));
        let secret = parts.headers.get(SECRET_HEADER).and_then(|it| it.to_str().ok()).filter(|it| !it.is_empty());
        let found = context.secrets.find(secret.ok_or_else(refused)?).await;
        found.map_err(|it| AuthenticationError(Problem::internal(&it)))?.map(Self).ok_or_else(refused)
    }
}

/// Checks that the request comes from the Iconik domain that the application is set up for, in addition to the secret
/// (section 3.5.6).
///
/// # Errors
/// 403 for another domain; without a domain in the settings every domain is accepted.
pub(crate) fn check_domain(webhook: &IconikWebhook, domain: &str) -> Result<(), Problem> {
    match &webhook.domain {
        Some(expected) if expected != domain => {
            Err(Problem::new(ProblemType::Domain, "the secret belongs to another Iconik domain"))
        }
        _ => Ok(()),
    }
}
