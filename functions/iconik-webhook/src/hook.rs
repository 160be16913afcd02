//! Whose webhooks these are: by the secret in their header.

use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::id::sha256_hex;
use entry::http::{Problem, ProblemType};
use entry::{Remembered, clock};
use table::{Hook, Table, TableError};

use crate::State;

/// The header that our webhooks carry (media systems, section 3.3.5).
const SECRET: &str = "x-webhook-secret";
/// How long a secret's row is remembered when it is there, and when it is not.
const KNOWN: Duration = Duration::from_secs(60);
const UNKNOWN: Duration = Duration::from_secs(5);
const MOST: usize = 1_000;

/// Rows of secrets by their hashes.
pub(crate) struct Hooks {
    table: Table,
    kept: Remembered<String, Option<Hook>>,
}

impl Hooks {
    pub(crate) fn new(table: Table) -> Self {
        Self { table, kept: Remembered::new(MOST) }
    }

    /// Found by the secret's hash: nothing is compared, so that nothing is told by the time that it takes.
    async fn find(&self, secret: &str) -> Result<Option<Hook>, TableError> {
        let hash = sha256_hex(secret.as_bytes());
        if let Some(hook) = self.kept.get(&hash) {
            return Ok(hook);
        }
        let hook = self.table.hook(&hash).await?;
        let hook = hook.filter(|it| it.until.is_none_or(|it| it > domain::millis(clock::now())));
        self.kept.put(hash, hook.clone(), if hook.is_some() { KNOWN } else { UNKNOWN });
        Ok(hook)
    }
}

/// A caller that knows an application's secret.
pub(crate) struct Authentic(pub(crate) Hook);

/// Why a caller is refused.
pub(crate) struct Refused(Problem);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = self.0.into_response();
        if response.status() == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("x-webhook-secret realm=\"iconik\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

impl FromRequestParts<State> for Authentic {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Refused> {
        let refused = || Refused(Problem::new(ProblemType::Secret, "the webhook's secret is missing or wrong"));
        let secret = parts.headers.get(SECRET).and_then(|it| it.to_str().ok()).filter(|it| !it.is_empty());
        let found = state.hooks.find(secret.ok_or_else(refused)?).await;
        found.map_err(|it| Refused(Problem::internal(&it)))?.map(Self).ok_or_else(refused)
    }
}

/// Whether the caller is of the domain that the application is set up for: beside the secret, not in its place
/// (section 3.5.6).
pub(crate) fn same_domain(hook: &Hook, domain: &str) -> Result<(), Problem> {
    match &hook.domain {
        Some(it) if it != domain => {
            Err(Problem::new(ProblemType::Domain, "the secret belongs to another Iconik domain"))
        }
        _ => Ok(()),
    }
}
