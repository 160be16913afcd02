//! Who calls, and for which application: credentials first, then `applicationId` (channel API, section 2.5).

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use domain::{AppId, ChannelId};
use entry::http::Unknown;

use crate::State;
use crate::envelope::Refusal;

/// The caller's application, which the query parameter `applicationId` names as well.
pub(crate) struct Caller {
    pub(crate) app: AppId,
    query: Vec<(String, String)>,
}

impl Caller {
    /// The query parameter `configurationId`.
    pub(crate) fn configuration(&self) -> Result<ChannelId, Refusal> {
        let text = parameter(&self.query, "configurationId").ok_or_else(|| required("configurationId"))?;
        text.parse().map_err(|_| not_valid("configurationId", text))
    }
}

impl FromRequestParts<State> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Refusal> {
        let app = state.callers.check(&parts.headers).await.map_err(|it| match it {
            Unknown::Credentials => Refusal::Credentials,
            other => Refusal::internal(other),
        })?;
        let query: Vec<(String, String)> =
            form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        let text = parameter(&query, "applicationId").ok_or_else(|| required("applicationId"))?;
        let named: AppId = text.parse().map_err(|_| not_valid("applicationId", text))?;
        if named != app {
            return Err(Refusal::OtherApplication(named.to_string()));
        }
        Ok(Self { app, query })
    }
}

fn parameter<'a>(query: &'a [(String, String)], name: &str) -> Option<&'a str> {
    query.iter().find(|it| it.0.eq_ignore_ascii_case(name)).map(|it| it.1.as_str()).filter(|it| !it.is_empty())
}

fn required(name: &'static str) -> Refusal {
    Refusal::Field(name, format!("The {name} field is required."))
}

fn not_valid(name: &'static str, text: &str) -> Refusal {
    Refusal::Field(name, format!("The value '{}' is not valid.", text.chars().take(64).collect::<String>()))
}
