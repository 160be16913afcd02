//! Pages at other origins: which of them may read what we answer (CORS, the Fetch standard, section 3.2).
//!
//! A page is let in by its origin: the parameter `AllowedOrigins` lists those of all applications, the setting
//! `allowed_origins` those of one. A preflight carries no credentials and names no application, so that it is answered for
//! any origin that is listed anywhere; the answer to the request itself can be read by a page that the request's own
//! application lists. An answer that is nobody's in particular (a 401, public keys) goes by the rule of the preflight.

use std::sync::Arc;
use std::time::Duration;

use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::AppId;
use domain::origin::{AllowedOrigins, is_listed};
use table::{Table, TableError};

use super::{Problem, ProblemType};
use crate::{AppSettings, Chain, Start, TtlCache};

/// How long a listed origin is remembered; one that is not listed is looked up each time.
const ORIGIN_TTL: Duration = Duration::from_secs(60);
const MAX_CACHED: usize = 1_000;

/// What a page may send, and what of an answer it may read beside the headers that every page reads.
const ALLOWED_METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
const EXPOSED_HEADERS: HeaderValue =
    HeaderValue::from_static("Allow, Content-Disposition, ETag, Location, Retry-After, WWW-Authenticate");
/// How long a browser may remember a preflight, in seconds: the longest that Chromium keeps one.
const PREFLIGHT_MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

/// Which pages may read a function's answers.
pub enum CorsPolicy {
    /// All: what it says is public.
    AnyOrigin,
    /// None but those of its own host: machines alone call it.
    SameOrigin,
    AllowedOrigins(Arc<OriginAllowlist>),
}

/// Origins by the deployment's parameter and the applications' settings.
pub struct OriginAllowlist {
    deployment: AllowedOrigins,
    table: Table,
    settings: AppSettings,
    known: TtlCache<String, ()>,
}

impl Start {
    /// The origins that the setting `ALLOWED_ORIGINS` and the applications list.
    pub fn allowed_origins(&mut self, table: &Table) -> Arc<OriginAllowlist> {
        let (settings, known) = (AppSettings::new(table.clone()), TtlCache::new(MAX_CACHED));
        Arc::new(OriginAllowlist {
            deployment: self.settings.parsed("ALLOWED_ORIGINS"),
            table: table.clone(),
            settings,
            known,
        })
    }
}

impl OriginAllowlist {
    /// Whether pages of an origin may open an application's sockets. No socket opens by a cookie: with no list at all
    /// every page may that has a token.
    pub async fn allows_websocket(&self, app: AppId, origin: &str) -> Result<bool, TableError> {
        Ok(self.allows(app, origin).await?
            || (self.deployment.is_empty() && self.settings.reload(app).await?.allowed_origins.is_empty()))
    }

    /// Whether an application's answers are for pages of an origin. What was just listed is obeyed at once.
    async fn allows(&self, app: AppId, origin: &str) -> Result<bool, TableError> {
        Ok(self.deployment.contains(origin)
            || is_listed(origin, &self.settings.get(app).await?.allowed_origins)
            || is_listed(origin, &self.settings.reload(app).await?.allowed_origins))
    }

    /// Whether an origin is listed anywhere.
    async fn is_listed_anywhere(&self, origin: &str) -> Result<bool, TableError> {
        if self.deployment.contains(origin) || self.known.get(origin).is_some() {
            return Ok(true);
        }
        let known = self.table.is_listed_origin(origin).await?;
        if known {
            self.known.put(origin.to_owned(), (), ORIGIN_TTL);
        }
        Ok(known)
    }
}

impl CorsPolicy {
    /// The answer to a browser that asks whether it may send a request; `None` if the request is none of that kind.
    pub(super) async fn preflight(&self, method: &Method, headers: &HeaderMap) -> Option<Response> {
        let origin = headers.get(header::ORIGIN)?;
        if method != Method::OPTIONS || !headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
            return None;
        }
        let mut response = StatusCode::NO_CONTENT.into_response();
        if self.apply(Some(origin), None, &mut response).await {
            let to = response.headers_mut();
            to.remove(header::ACCESS_CONTROL_EXPOSE_HEADERS);
            to.insert(header::ACCESS_CONTROL_ALLOW_METHODS, ALLOWED_METHODS);
            to.insert(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_MAX_AGE);
            if let Some(wanted) = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
                to.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone()); // none of ours is dangerous
            }
            return Some(response);
        }
        let title = "pages of this origin may not call: list it in allowed_origins, or in the parameter AllowedOrigins";
        let mut refused = Problem::new(ProblemType::Origin, title).into_response();
        refused.headers_mut().extend(response.headers().clone());
        Some(refused)
    }

    /// Says in an answer whether the page that asked may read it; answers that too. `app` is whose answer it is.
    pub(super) async fn apply(
        &self,
        origin: Option<&HeaderValue>,
        app: Option<AppId>,
        response: &mut Response,
    ) -> bool {
        let to = response.headers_mut();
        let listed = match self {
            Self::AnyOrigin => {
                to.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
                to.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
                return true;
            }
            Self::SameOrigin => return false,
            Self::AllowedOrigins(listed) => listed,
        };
        to.append(header::VARY, HeaderValue::from_static("Origin"));
        let Some((origin, text)) = origin.and_then(|it| Some((it, it.to_str().ok()?))) else { return false };
        let asked = match app {
            Some(app) => listed.allows(app, text).await,
            None => listed.is_listed_anywhere(text).await,
        };
        let may = asked.unwrap_or_else(|why| {
            tracing::error!(error = %Chain(&why), "could not look up an origin: {}", Chain(&why));
            false
        });
        if may {
            to.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            // SignalR's client asks with credentials unless it is told not to; we have no cookies that would be sent
            to.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            to.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
        }
        may
    }
}
