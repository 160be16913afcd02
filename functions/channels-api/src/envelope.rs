//! Errors in the published shape of the channel API (section 5).

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::id::hex;
use domain::{AppId, ChannelId};
use entry::{Chain, clock};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

/// Everything that can go wrong at these endpoints.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("Token is missing, invalid or ApplicationId is not found in the token.")]
    Credentials,
    #[error("Application {0} is not accessible with the presented token.")]
    OtherApplication(String),
    #[error("notification channel configuration {1} not found for Application {0}.")]
    NoChannel(AppId, String, Verb),
    #[error("No active notification channel configurations found for Application {0}.")]
    NoneActive(AppId),
    #[error("{1}")]
    Field(&'static str, String),
    #[error("{0}")]
    MediaType(String),
    #[error("the body has more than 64 KB")]
    TooLarge,
    #[error("something went wrong on our side")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What was asked for; part of the published texts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Verb {
    Get,
    Delete,
}

/// The published envelope.
#[derive(Serialize, ToSchema)]
pub(crate) struct Envelope {
    /// By layer, or by field.
    #[schema(value_type = Object)]
    errors: Map<String, Value>,
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: Option<String>,
    instance: Option<String>,
    #[schema(value_type = Object)]
    extensions: Value,
}

impl Refusal {
    pub(crate) fn internal(it: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Internal(Box::new(it))
    }

    pub(crate) fn no_channel(app: AppId, id: ChannelId, verb: Verb) -> Self {
        Self::NoChannel(app, id.to_string(), verb)
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Credentials => StatusCode::UNAUTHORIZED,
            Self::OtherApplication(_) => StatusCode::FORBIDDEN,
            Self::NoChannel(..) | Self::NoneActive(_) => StatusCode::NOT_FOUND,
            Self::Field(..) => StatusCode::BAD_REQUEST,
            Self::MediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn errors(&self) -> Map<String, Value> {
        let text = self.to_string();
        let errors = match self {
            Self::NoChannel(app, id, verb) => {
                let (tag, doing) = match verb {
                    Verb::Get => ("Get", "getting"),
                    Verb::Delete => ("Delete", "deleting"),
                };
                json!({
                    format!("engine: {tag}"): [format!("Notification channel configuration {id} not found for Application {app}.")],
                    format!("business: {tag}"): [format!("Error {doing} notification channel configuration {id} for Application: {app}")],
                })
            }
            Self::NoneActive(app) => json!({
                "engine: Active": [text],
                "business: Active": [format!("Error getting active notification channel configurations for Application: {app}")],
            }),
            Self::Field(field, why) => json!({ *field: [why] }),
            Self::Credentials | Self::OtherApplication(_) | Self::MediaType(_) | Self::TooLarge | Self::Internal(_) => {
                json!({ "business:": [text] })
            }
        };
        if let Value::Object(it) = errors { it } else { Map::new() }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        if let Self::Internal(error) = &self {
            tracing::error!(error = %Chain(error.as_ref()), "request failed: {}", Chain(error.as_ref()));
        }
        let status = self.status();
        let trace = format!("00-{}-{}-00", hex(&clock::random::<16>()), hex(&clock::random::<8>()));
        let validation = matches!(self, Self::Field(..));
        let envelope = Envelope {
            errors: self.errors(),
            r#type: "https://tools.ietf.org/html/rfc7231#section-6.5.1",
            title: if validation { "One or more validation errors occurred." } else { "One or more errors occurred." },
            status: status.as_u16(),
            detail: None,
            instance: None,
            extensions: json!({ "traceId": trace }),
        };
        let body = serde_json::to_string(&envelope).unwrap_or_default();
        (status, [(header::CONTENT_TYPE, "application/problem+json; charset=utf-8")], body).into_response()
    }
}
