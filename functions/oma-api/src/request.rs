//! A request: its caller, its formats, its document.

use axum::body::Bytes;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use domain::AppId;
use domain::application::Access;
use domain::notification::is_valid_name;
use entry::http::{TICKET_PREFIX, bearer_token, is_application_token, named_application};
use oma::{Fault, Format, RequestFormat};

use crate::answer::FaultResponse;
use crate::context::Context;
use crate::route::ACR_AUTH;

/// What an endpoint is asked.
pub(crate) struct OmaRequest<'a> {
    pub(crate) parts: &'a Parts,
    pub(crate) body: Bytes,
    /// The format of the answer.
    pub(crate) format: Format,
    /// The root of URLs in bodies.
    pub(crate) root: String,
}

impl OmaRequest<'_> {
    /// The format of the body.
    pub(crate) fn body_format(&self) -> Result<RequestFormat, FaultResponse> {
        oma::request_format(text(&self.parts.headers, header::CONTENT_TYPE))
            .map_err(|_| Fault::invalid_input("Content-Type").with_status(415).into())
    }

    /// The document of a body in JSON or XML.
    pub(crate) fn document(&self, root: &str) -> Result<oma::Document, FaultResponse> {
        match self.body_format()? {
            RequestFormat::Json => Ok(oma::read_json(&self.body, &[root])?),
            RequestFormat::Xml => Ok(oma::read_xml(&self.body, &[root])?),
            RequestFormat::Form | RequestFormat::Multipart => {
                Err(Fault::invalid_input("Content-Type").with_status(415).into())
            }
        }
    }
}

/// The caller's application, and the user that a path names. A user's own token reaches that user alone, who is also called
/// `acr:auth` (NC G.1.2).
pub(crate) async fn caller(
    context: &Context,
    headers: &HeaderMap,
    named: &str,
) -> Result<(AppId, String), FaultResponse> {
    authenticate(context, headers).await?.user(named)
}

/// Who asks, before it is known for which user.
pub(crate) enum OmaCaller {
    User { app: AppId, name: String },
    Application(AppId),
}

/// Checks the credentials of a request.
pub(crate) async fn authenticate(context: &Context, headers: &HeaderMap) -> Result<OmaCaller, FaultResponse> {
    let token = match headers.contains_key("x-api-key") {
        true => None,
        false => bearer_token(headers)?.filter(|it| !is_application_token(it) && !it.starts_with(TICKET_PREFIX)),
    };
    if let Some(token) = token {
        let member = context.authenticator.authenticate_user(headers, token, named_application(headers)).await?;
        return Ok(OmaCaller::User { app: member.app, name: member.user });
    }
    Ok(OmaCaller::Application(context.authenticator.named_principal(headers, Access::Change).await?.app))
}

impl OmaCaller {
    /// The application and the user that a request is for: a user is itself, and an application names one of its own.
    pub(crate) fn user(self, named: &str) -> Result<(AppId, String), FaultResponse> {
        match self {
            Self::User { name, .. } if named != ACR_AUTH && named != name => Err(Fault::policy_error("user").into()),
            Self::User { app, name } => Ok((app, name)),
            // an application is no user
            Self::Application(_) if named == ACR_AUTH => Err(Fault::invalid_address("Request-URI").into()),
            Self::Application(_) if !is_valid_name(named) => Err(Fault::invalid_input("Request-URI").into()),
            Self::Application(app) => Ok((app, named.to_owned())),
        }
    }
}

/// The longest text of a client's own, in bytes: it is read and told again with what it belongs to.
pub(crate) const MAX_TEXT_BYTES: usize = 1_000;

/// Refuses a text of a client's own that is too long.
pub(crate) fn check_texts(texts: &[(&str, &Option<String>)]) -> Result<(), FaultResponse> {
    match texts.iter().find(|(_, text)| text.as_ref().is_some_and(|it| it.len() > MAX_TEXT_BYTES)) {
        Some((name, _)) => Err(Fault::invalid_input(*name).into()),
        None => Ok(()),
    }
}

/// The format of the answer: by `resFormat`, `Accept`, or the body's own (REST_NetAPI_Common, content negotiation).
pub(crate) fn response_format(parts: &Parts) -> Result<Format, FaultResponse> {
    let query = parts.uri.query().unwrap_or_default();
    let named = query.split('&').find_map(|it| it.strip_prefix("resFormat="));
    let (accept, content_type) = (text(&parts.headers, header::ACCEPT), text(&parts.headers, header::CONTENT_TYPE));
    oma::response_format(named, accept, content_type)
        .map_err(|_| Fault::invalid_input("Accept").with_status(406).into())
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).map(HeaderValue::to_str)?.ok()
}
