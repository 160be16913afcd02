//! `POST /api/v1/Authorization/GenerateJwtToken` (channel API, section 2.1).

use axum::Json;
use axum::extract::State as Shared;
use domain::{AppId, rfc3339};
use entry::clock;
use entry::http::caller::matches;
use entry::http::token::{LIFETIME, PURPOSE, write};
use serde::Serialize;
use utoipa::ToSchema;

use crate::State;
use crate::envelope::{Envelope, Refusal};
use crate::form::Form;

/// An access token, good for 24 hours.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TokenOut {
    #[serde(rename = "$id")]
    id: &'static str,
    application_id: String,
    access_token: String,
    access_token_expiration: String,
}

/// Issues a token. Fields: `applicationId` (also as `urn:uuid:…`) and `jwtPrivateKey`.
#[utoipa::path(post, path = "/api/v1/Authorization/GenerateJwtToken", tag = "Applications",
    request_body(content_type = "application/json", content = Object, description = "applicationId, jwtPrivateKey"),
    responses((status = 200, body = TokenOut), (status = 401, body = Envelope)))]
pub(crate) async fn generate(Shared(state): Shared<State>, form: Form) -> Result<Json<TokenOut>, Refusal> {
    let app: AppId = form.required("applicationId")?.parse().map_err(|_| Refusal::Credentials)?;
    let application = state.callers.application(app).await.map_err(|it| match it {
        entry::http::Unknown::Credentials => Refusal::Credentials,
        other => Refusal::internal(other),
    })?;
    if !matches(form.required("jwtPrivateKey")?, &application.jwt_private_key_hash) {
        return Err(Refusal::Credentials);
    }
    let key = state.seal.derived(app, &application.wrapped_key, PURPOSE).await.map_err(Refusal::internal)?;
    let now = clock::now();
    Ok(Json(TokenOut {
        id: "1",
        application_id: app.to_string(),
        access_token: write(app, &key, now),
        access_token_expiration: rfc3339(now + LIFETIME),
    }))
}
