//! `POST /api/v1/Authorization/GenerateJwtToken` and `RefreshJwtToken` (channel API, sections 2.1, 2.2 and 2.7).

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::application::Application;
use domain::id::sha256_hex;
use domain::{AppId, rfc3339};
use entry::clock;
use entry::http::auth::matches_hash;
use entry::http::token::{self, KEY_PURPOSE, LIFETIME};
use serde::Serialize;
use table::{RefreshOutcome, RefreshToken};
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;

use crate::context::Context;
use crate::forms::{GenerateForm, RefreshForm};
use adcreative_api::Form;
use adcreative_api::caller::from_auth_error;
use adcreative_api::{ApiError, Envelope};

/// How long a refresh token is valid after its access token has expired, as in the published sample.
const REFRESH_LIFETIME: Duration = Duration::days(7);

/// An access token, valid for 24 hours, and a refresh token, valid once.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TokenOut {
    #[serde(rename = "$id")]
    id: &'static str,
    application_id: String,
    access_token: String,
    access_token_expiration: String,
    /// 32 bytes in base64
    refresh_token: String,
    refresh_token_expiration: String,
}

/// Issues a token. Fields: `applicationId` (also as `urn:uuid:…`) and `jwtPrivateKey`.
#[utoipa::path(post, path = "/api/v1/Authorization/GenerateJwtToken", tag = "Applications",
    request_body(content = GenerateForm, content_type = "application/json"),
    responses((status = 200, body = TokenOut), (status = 401, body = Envelope)))]
pub(crate) async fn generate(
    State(context): State<Context>,
    headers: HeaderMap,
    form: Form,
) -> Result<Json<TokenOut>, ApiError> {
    let (application, now) = (application(&context, &headers, &form).await?, clock::now());
    let presented = form.required("JwtPrivateKey")?;
    let current = matches_hash(presented, &application.jwt_private_key_hash);
    let before = application.previous_jwt_private_key.as_ref();
    let before = before.is_some_and(|(hash, until)| *until > domain::millis(now) && matches_hash(presented, hash));
    if !(current || before) {
        return Err(from_auth_error(context.authenticator.record_failure(&headers)));
    }
    issue(&context, &application, clock::random_alphanumeric(22), now).await
}

/// Issues a new access token and a new refresh token for a refresh token. Each refresh token is valid once: if one is
/// presented a second time, it was copied, and all tokens that were derived from it become invalid. Fields:
/// `applicationId` and `refreshToken`.
#[utoipa::path(post, path = "/api/v1/Authorization/RefreshJwtToken", tag = "Applications",
    request_body(content = RefreshForm, content_type = "application/json"),
    responses((status = 200, body = TokenOut), (status = 401, body = Envelope)))]
pub(crate) async fn refresh(
    State(context): State<Context>,
    headers: HeaderMap,
    form: Form,
) -> Result<Json<TokenOut>, ApiError> {
    let (application, now) = (application(&context, &headers, &form).await?, clock::now());
    let hash = sha256_hex(form.required("RefreshToken")?.as_bytes());
    match context
        .table
        .redeem_refresh_token(application.id, &hash, &clock::random_alphanumeric(20), now)
        .await
        .map_err(ApiError::internal)?
    {
        RefreshOutcome::Valid(it) => issue(&context, &application, it.family, now).await,
        RefreshOutcome::Reused => {
            tracing::warn!(application.id = %application.id, "a refresh token was used twice: its family is revoked");
            Err(from_auth_error(context.authenticator.record_failure(&headers)))
        }
        RefreshOutcome::Unknown => Err(from_auth_error(context.authenticator.record_failure(&headers))),
    }
}

async fn application(context: &Context, headers: &HeaderMap, form: &Form) -> Result<Application, ApiError> {
    let app = form.required("ApplicationId")?;
    let wrong = || from_auth_error(context.authenticator.record_failure(headers));
    let app: AppId = app.parse().map_err(|_| wrong())?;
    context.table.application(app).await.map_err(ApiError::internal)?.ok_or_else(wrong)
}

async fn issue(
    context: &Context,
    application: &Application,
    family: String,
    now: OffsetDateTime,
) -> Result<Json<TokenOut>, ApiError> {
    let app = application.id;
    let key = context.seal.derive_key(app, &application.wrapped_key, KEY_PURPOSE).await.map_err(ApiError::internal)?;
    let refresh_token = STANDARD.encode(clock::random_bytes::<32>());
    let until = now + LIFETIME + REFRESH_LIFETIME;
    let stored = RefreshToken { app, family, expires: until.unix_timestamp() };
    context
        .table
        .put_refresh_token(&sha256_hex(refresh_token.as_bytes()), &stored)
        .await
        .map_err(ApiError::internal)?;
    Ok(Json(TokenOut {
        id: "1",
        application_id: app.to_string(),
        access_token: token::issue(app, &key, now),
        access_token_expiration: rfc3339(now + LIFETIME),
        refresh_token,
        refresh_token_expiration: rfc3339(until),
    }))
}
