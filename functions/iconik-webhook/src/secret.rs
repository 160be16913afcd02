//! Whose webhooks these are: by the secret in their header.

use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::id::sha256_hex;
use entry::http::{Problem, ProblemType};
use entry::{TtlCache, clock};
use table::{IconikWebhook, Table, TableError};

use crate::Context;

/// The header that our webhooks carry (media systems, section 3.3.5).
const SECRET_HEADER: &str = "x-webhook-secret";
/// How long a secret's row is remembered when it is there, and when it is not.
const FOUND_TTL: Duration = Duration::from_secs(60);
const MISSING_TTL: Duration = Duration::from_secs(5);
const MAX_CACHED: usize = 1_000;

/// Rows of secrets by their hashes.
pub(crate) struct WebhookSecrets {
    table: Table,
    cache: TtlCache<String, Option<IconikWebhook>>,
}

impl WebhookSecrets {
    pub(crate) fn new(table: Table) -> Self {
        Self { table, cache: TtlCache::new(MAX_CACHED) }
    }

    /// Found by the secret's hash: nothing is compared, so that nothing is told by the time that it takes.
    async fn find(&self, secret: &str) -> Result<Option<IconikWebhook>, TableError> {
        let hash = sha256_hex(secret.as_bytes());
        if let Some(hook) = self.cache.get(&hash) {
            return Ok(hook);
        }
        let hook = self.table.iconik_webhook(&hash).await?;
        let hook = hook.filter(|it| it.until.is_none_or(|it| it > domain::millis(clock::now())));
        self.cache.put(hash, hook.clone(), if hook.is_some() { FOUND_TTL } else { MISSING_TTL });
        Ok(hook)
    }
}

/// A caller that knows an application's secret.
pub(crate) struct Authenticated(pub(crate) IconikWebhook);

/// Why a caller is refused.
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

    async fn from_request_parts(parts: &mut Parts, state: &Context) -> Result<Self, AuthenticationError> {
        let refused =
            || AuthenticationError(Problem::new(ProblemType::Secret, "the webhook's secret is missing or wrong"));
        let secret = parts.headers.get(SECRET_HEADER).and_then(|it| it.to_str().ok()).filter(|it| !it.is_empty());
        let found = state.secrets.find(secret.ok_or_else(refused)?).await;
        found.map_err(|it| AuthenticationError(Problem::internal(&it)))?.map(Self).ok_or_else(refused)
    }
}

/// Whether the caller is of the domain that the application is set up for: beside the secret, not in its place
/// (section 3.5.6).
pub(crate) fn same_domain(hook: &IconikWebhook, domain: &str) -> Result<(), Problem> {
    match &hook.domain {
        Some(it) if it != domain => {
            Err(Problem::new(ProblemType::Domain, "the secret belongs to another Iconik domain"))
        }
        _ => Ok(()),
    }
}
