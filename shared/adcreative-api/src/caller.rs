//! The authenticated caller and its application: credentials are checked first, then `applicationId` (channel API,
//! section 2.5).

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri};
use domain::application::Scope;
use domain::{AppId, ChannelId};
use entry::http::{AuthError, Authenticator, access_of};

use crate::error::ApiError;

pub use crate::error::required;

/// The authenticated caller (an axum extractor). The query parameter `applicationId` must name its application.
pub struct Caller {
    pub app: AppId,
    /// Id of the presented API key; `None` for a token without a key.
    pub key_id: Option<String>,
    pub scopes: Vec<Scope>,
    query: Vec<(String, String)>,
}

impl Caller {
    /// Parses the query parameter `configurationId`.
    pub fn configuration_id(&self) -> Result<ChannelId, ApiError> {
        let text = self.parameter("configurationId").ok_or_else(|| required("configurationId"))?;
        text.parse().map_err(|_| invalid_value("configurationId", text))
    }

    /// A query parameter by its name in any case; empty parameters count as absent.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        parameter(&self.query, name)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller
where
    Authenticator: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query = query(&parts.uri);
        // a token of an OpenID Connect issuer may leave the application to the request
        let named: Option<AppId> = parameter(&query, "applicationId").and_then(|it| it.parse().ok());
        if let Some(value) = named.and_then(|it| it.to_string().parse().ok()) {
            parts.headers.entry("x-application-id").or_insert(value);
        }
        let access = access_of(&parts.method);
        let principal = Authenticator::from_ref(state).authenticate(&parts.headers, access).await;
        let principal = principal.map_err(from_auth_error)?;
        check_version(&parts.headers, &query)?;
        let named = named_application(&query)?;
        if named != principal.app {
            return Err(ApiError::OtherApplication(named.to_string()));
        }
        Ok(Self { app: principal.app, key_id: principal.key_id, scopes: principal.scopes, query })
    }
}

/// Maps an authentication error to an error of this API.
pub fn from_auth_error(error: AuthError) -> ApiError {
    match error {
        AuthError::InvalidCredentials
        | AuthError::MissingCredentials
        | AuthError::ExpiredToken
        | AuthError::TokenNotYetValid => ApiError::Credentials,
        AuthError::InsufficientScope(scope) => ApiError::Scope(scope.name()),
        AuthError::TooManyFailures => ApiError::TooManyRequests,
        AuthError::IssuerUnavailable(after) => ApiError::Unavailable(after),
        other => ApiError::internal(other),
    }
}

/// Checks the API version, which may be in a header, in the query or in a parameter of the media type (section 2.6).
/// The only version is 1.0.
fn check_version(headers: &HeaderMap, query: &[(String, String)]) -> Result<(), ApiError> {
    let header = |name: &str| headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let media_type_version = header("content-type").split(';').find_map(|it| it.trim().strip_prefix("x-api-version="));
    let header_version = Some(header("x-api-version")).filter(|it| !it.is_empty());
    match media_type_version.or(header_version).or_else(|| parameter(query, "x-api-version")) {
        None | Some("1.0" | "1") => Ok(()),
        Some(other) => Err(ApiError::InvalidField(
            "x-api-version",
            format!("The version '{}' is not supported.", other.chars().take(20).collect::<String>()),
        )),
    }
}

/// The application that an unauthenticated request names.
pub fn application_id(uri: &Uri) -> Result<AppId, ApiError> {
    named_application(&query(uri))
}

fn named_application(query: &[(String, String)]) -> Result<AppId, ApiError> {
    let text = parameter(query, "applicationId").ok_or_else(|| required("applicationId"))?;
    text.parse().map_err(|_| invalid_value("applicationId", text))
}

fn query(uri: &Uri) -> Vec<(String, String)> {
    form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect()
}

fn parameter<'a>(query: &'a [(String, String)], name: &str) -> Option<&'a str> {
    query.iter().find(|it| it.0.eq_ignore_ascii_case(name)).map(|it| it.1.as_str()).filter(|it| !it.is_empty())
}

/// The error for an invalid parameter.
pub fn invalid_value(name: &'static str, text: &str) -> ApiError {
    ApiError::InvalidField(name, format!("The value '{}' is not valid.", text.chars().take(64).collect::<String>()))
}
