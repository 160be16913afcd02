//! CORS: which pages of other origins may read the responses (Fetch standard, section 3.2).
//!
//! The parameter `AllowedOrigins` lists the origins of all applications, the setting `allowed_origins` those of one. A
//! preflight has no credentials and names no application, so that any origin passes that is listed anywhere. The response to
//! the request itself can be read by pages that the request's own application lists. A response that belongs to no
//! application (a 401, public keys) goes by the rule of the preflight.

use std::sync::Arc;
use std::time::Duration;

use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::AppId;
use domain::origin::{AllowedOrigins, is_listed};
use table::{Table, TableError};

use super::problem::{Problem, ProblemType};
use crate::app_settings::AppSettings;
use crate::chain::Chain;
use crate::start::Start;
use crate::ttl_cache::TtlCache;

/// How long a listed origin is cached. One that is not listed is looked up each time.
const ORIGIN_TTL: Duration = Duration::from_secs(60);
const MAX_CACHED: usize = 1_000;

/// The methods that pages may use, and the response headers that they may read beside the safelisted ones.
const ALLOWED_METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
const EXPOSED_HEADERS: HeaderValue =
    HeaderValue::from_static("Allow, Content-Disposition, ETag, Location, Retry-After, WWW-Authenticate");
/// How long a browser may cache a preflight, in seconds: the most that Chromium allows.
const PREFLIGHT_MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

/// Which pages may read a function's responses.
pub enum CorsPolicy {
    /// Pages of all origins: the responses are public.
    AnyOrigin,
    /// Only pages of the API's own origin: the callers are no browsers.
    SameOrigin,
    /// Pages of the listed origins.
    AllowedOrigins(Arc<OriginAllowlist>),
}

/// The origins that the deployment's parameter and the applications' settings list.
pub struct OriginAllowlist {
    deployment: AllowedOrigins,
    table: Table,
    settings: AppSettings,
    known: TtlCache<String, ()>,
}

impl Start {
    /// The origins that the setting `ALLOWED_ORIGINS` and the applications' settings list.
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
    /// Whether pages of an origin may open an application's WebSocket connections. If neither the deployment nor the
    /// application lists any origin, all may: a connection needs a token, never a cookie.
    pub async fn allows_websocket(&self, app: AppId, origin: &str) -> Result<bool, TableError> {
        Ok(self.allows(app, origin).await?
            || (self.deployment.is_empty() && self.settings.reload(app).await?.allowed_origins.is_empty()))
    }

    /// Whether pages of an origin may read an application's responses. An origin that is not in the cached settings is
    /// looked up in the current ones, so that a new one is allowed at once.
    async fn allows(&self, app: AppId, origin: &str) -> Result<bool, TableError> {
        Ok(self.deployment.contains(origin)
            || is_listed(origin, &self.settings.get(app).await?.allowed_origins)
            || is_listed(origin, &self.settings.reload(app).await?.allowed_origins))
    }

    /// Whether the deployment or any application lists an origin.
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
    /// The response to a CORS preflight; `None` if the request is not one.
    pub(super) async fn preflight(&self, method: &Method, request: &HeaderMap) -> Option<Response> {
        let origin = request.get(header::ORIGIN)?;
        if method != Method::OPTIONS || !request.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
            return None;
        }
        let mut response = StatusCode::NO_CONTENT.into_response();
        if self.apply(Some(origin), None, &mut response).await {
            let headers = response.headers_mut();
            headers.remove(header::ACCESS_CONTROL_EXPOSE_HEADERS);
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, ALLOWED_METHODS);
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_MAX_AGE);
            if let Some(requested) = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
                headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, requested.clone()); // no header is dangerous here
            }
            return Some(response);
        }
        let title = "pages of this origin may not call: list it in allowed_origins, or in the parameter AllowedOrigins";
        let mut refused = Problem::new(ProblemType::Origin, title).into_response();
        refused.headers_mut().extend(response.headers().clone());
        Some(refused)
    }

    /// Adds the CORS headers for an origin to a response of an application, if pages of the origin may read it. Returns
    /// whether they may.
    pub(super) async fn apply(
        &self,
        origin: Option<&HeaderValue>,
        app: Option<AppId>,
        response: &mut Response,
    ) -> bool {
        let headers = response.headers_mut();
        let listed = match self {
            Self::AnyOrigin => {
                headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
                headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
                return true;
            }
            Self::SameOrigin => return false,
            Self::AllowedOrigins(listed) => listed,
        };
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        let Some((origin, text)) = origin.and_then(|it| Some((it, it.to_str().ok()?))) else { return false };
        let allowed = match app {
            Some(app) => listed.allows(app, text).await,
            None => listed.is_listed_anywhere(text).await,
        };
        let allowed = allowed.unwrap_or_else(|error| {
            tracing::error!(error = %Chain(&error), "could not look up an origin: {}", Chain(&error));
            false
        });
        if allowed {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            // SignalR's client sends requests with credentials by default; there are no cookies that it could send
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
        }
        allowed
    }
}
