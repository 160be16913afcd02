//! Errors in the published envelope of the channel API (section 5).

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::id::hex;
use domain::{AppId, ChannelId};
use entry::http::problem::CHALLENGE;
use entry::{Chain, clock};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use utoipa::ToSchema;

/// Errors of the channel API. `Display` is the text that the caller receives.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    #[error("Token is missing, invalid or ApplicationId is not found in the token.")]
    Credentials,
    #[error("Application {0} is not accessible with the presented token.")]
    OtherApplication(String),
    #[error("notification channel configuration {1} not found for Application {0}.")]
    ChannelNotFound(AppId, String, Verb),
    #[error("No active notification channel configurations found for Application {0}.")]
    NoActiveChannels(AppId),
    #[error("{1}")]
    InvalidField(&'static str, String),
    /// The caller's key lacks a scope.
    #[error("The key lacks the scope {0}.")]
    Scope(&'static str),
    /// The plan does not allow one more.
    #[error("{0}")]
    PlanLimit(String),
    #[error("{0}")]
    NotFound(String),
    #[error("{0}")]
    Conflict(String),
    /// The requested notifications are not retained any more (realtime, R-2). Nothing is returned rather than a part.
    #[error("{0}")]
    Gap(String),
    #[error("Too many wrong credentials from this address.")]
    TooManyRequests,
    /// The identity provider does not respond; retry after this many seconds.
    #[error("The issuer of the token does not answer.")]
    Unavailable(u32),
    #[error("{0}")]
    MediaType(String),
    #[error("the body has more than 64 KB")]
    TooLarge,
    #[error("something went wrong on our side")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The requested operation, part of the published texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Get,
    Update,
    Delete,
}

/// The published error envelope.
#[derive(Serialize, ToSchema)]
pub struct Envelope {
    /// Error texts by layer or by field.
    #[schema(value_type = Object)]
    errors: Errors,
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: Option<String>,
    instance: Option<String>,
    #[schema(value_type = Object)]
    extensions: Value,
}

/// Error texts by tag, in the published order.
struct Errors(Vec<(String, String)>);

impl Serialize for Errors {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(tag, text)| (tag, [text])))
    }
}

impl ApiError {
    /// An internal error: logged with its causes; the caller sees none of them.
    pub fn internal(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Internal(Box::new(error))
    }

    /// The channel does not exist.
    pub fn no_channel(app: AppId, id: ChannelId, verb: Verb) -> Self {
        Self::ChannelNotFound(app, id.to_string(), verb)
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Credentials => StatusCode::UNAUTHORIZED,
            Self::PlanLimit(_) => StatusCode::PAYMENT_REQUIRED,
            Self::OtherApplication(_) | Self::Scope(_) => StatusCode::FORBIDDEN,
            Self::ChannelNotFound(..) | Self::NoActiveChannels(_) | Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Gap(_) => StatusCode::GONE,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::InvalidField(..) => StatusCode::BAD_REQUEST,
            Self::MediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn errors(&self) -> Errors {
        let text = self.to_string();
        let pair = |tag: &str, engine: String, business: String| {
            Errors(vec![(format!("engine: {tag}"), engine), (format!("business: {tag}"), business)])
        };
        match self {
            Self::ChannelNotFound(app, id, verb) => {
                let (tag, gerund) = match verb {
                    Verb::Get => ("Get", "getting"),
                    Verb::Update => ("Update", "updating"),
                    Verb::Delete => ("Delete", "deleting"),
                };
                pair(
                    tag,
                    format!("Notification channel configuration {id} not found for Application {app}."),
                    format!("Error {gerund} notification channel configuration {id} for Application: {app}"),
                )
            }
            Self::NoActiveChannels(app) => pair(
                "Active",
                text,
                format!("Error getting active notification channel configurations for Application: {app}"),
            ),
            Self::InvalidField(field, reason) => Errors(vec![((*field).to_owned(), reason.clone())]),
            _ => Errors(vec![("business:".to_owned(), text)]),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if let Self::Internal(error) = &self {
            tracing::error!(error = %Chain(error.as_ref()), "request failed: {}", Chain(error.as_ref()));
        }
        let status = self.status();
        let trace_id = format!("00-{}-{}-00", hex(&clock::random_bytes::<16>()), hex(&clock::random_bytes::<8>()));
        let validation = matches!(self, Self::InvalidField(..));
        let envelope = Envelope {
            errors: self.errors(),
            r#type: "https://tools.ietf.org/html/rfc7231#section-6.5.1",
            title: if validation { "One or more validation errors occurred." } else { "One or more errors occurred." },
            status: status.as_u16(),
            detail: None,
            instance: None,
            extensions: json!({ "traceId": trace_id }),
        };
        let body = serde_json::to_string(&envelope).unwrap_or_default();
        let content_type = (header::CONTENT_TYPE, "application/problem+json; charset=utf-8");
        let mut response = (status, [content_type], body).into_response();
        let retry_after = match self {
            Self::TooManyRequests => Some(60),
            Self::Unavailable(seconds) => Some(seconds),
            _ => None,
        };
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, CHALLENGE);
        }
        response
    }
}

/// The error for a missing parameter or field.
pub fn required(name: &'static str) -> ApiError {
    ApiError::InvalidField(name, format!("The {name} field is required."))
}
