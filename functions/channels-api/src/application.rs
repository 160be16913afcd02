//! `POST /api/v1/Applications`: a new tenant and its keys, for whoever holds the operator's key.

use axum::Json;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use domain::application::{Application, Consent, Grant, Scope, check_grant};
use domain::id::{hex, sha256_hex};
use domain::{AppId, from_millis, rfc3339};
use entry::clock;
use entry::http::{JsonBody, Problem, ProblemType};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Context;
use crate::keys::{NewKey, OverlapIn, audit, scope_not_grantable};
use crate::manager::{Manager, Operator};

/// A tenant to make.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ApplicationIn {
    #[schema(example = "newsroom", min_length = 1, max_length = 100)]
    name: String,
    /// Faces are biometric data: off unless switched on here.
    #[serde(default)]
    facial_recognition: bool,
    /// Its inbox takes the seed's clients, which carry no credentials, where the deployment allows it (`InboxAuth=open`).
    /// One application has it; the newest.
    #[serde(default)]
    open_inbox: bool,
    /// Who asks; recorded with the switch.
    #[serde(default)]
    requested_by: String,
}

/// A tenant's keys. They are shown this once: only their hashes are kept.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApplicationOut {
    application_id: String,
    api_key: String,
    api_secret: String,
    /// For `GenerateJwtToken`; 128 hexadecimal characters.
    jwt_private_key: String,
}

/// Makes an application. `x-operator-key` is the key whose hash the deployment knows (parameter `OperatorKeyHash`).
#[utoipa::path(post, path = "/api/v1/Applications", tag = "Applications", request_body = ApplicationIn,
    params(("x-operator-key" = String, Header)),
    responses((status = 201, body = ApplicationOut), (status = 401, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn create(
    Shared(state): Shared<Context>,
    _: Operator,
    JsonBody(it): JsonBody<ApplicationIn>,
) -> Result<(StatusCode, Json<ApplicationOut>), Problem> {
    if it.name.trim().is_empty() || it.name.len() > 100 {
        return Err(Problem::invalid("name", "1 to 100 characters"));
    }
    if it.facial_recognition && it.requested_by.trim().is_empty() {
        return Err(Problem::invalid("requestedBy", "say who switches facial recognition on"));
    }
    let (id, now) = (AppId::random(clock::random_bytes()), clock::now());
    let private_key = hex(&clock::random_bytes::<64>());
    let consent = it.facial_recognition.then(|| Consent { by: it.requested_by.clone(), at: now });
    let application = Application {
        id,
        name: it.name,
        wrapped_key: state.seal.new_key(id).await?,
        jwt_private_key_hash: sha256_hex(private_key.as_bytes()),
        previous_jwt_private_key: None,
        facial_recognition: consent,
        created_at: now,
    };
    let made = NewKey::new(id, "first", Scope::default_scopes(), now);
    state.table.put_application(&application, &made.stored).await?;
    if it.open_inbox {
        state.table.put_open_inbox(id).await?;
    }
    tracing::info!(application.id = %id, "application {id} is made");
    let NewKey { api_key, api_secret, .. } = made;
    let keys = ApplicationOut { application_id: id.to_string(), api_key, api_secret, jwt_private_key: private_key };
    Ok((StatusCode::CREATED, Json(keys)))
}

/// An application in the list of all.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListedOut {
    application_id: String,
    name: String,
    created_at: String,
}

/// All applications, for whoever holds the operator's key.
#[utoipa::path(get, path = "/api/v1/Applications", tag = "Applications", params(("x-operator-key" = String, Header)),
    responses((status = 200, body = Vec<ListedOut>), (status = 401, body = Problem)))]
pub(crate) async fn list(Shared(state): Shared<Context>, _: Operator) -> Result<Json<Vec<ListedOut>>, Problem> {
    let all = state.table.applications().await?;
    let shown = all.into_iter().map(|it| ListedOut {
        application_id: it.app.to_string(),
        name: it.name,
        created_at: rfc3339(from_millis(it.created_at)),
    });
    Ok(Json(shown.collect()))
}

/// A new JWT private key, shown this once.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JwtKeyOut {
    jwt_private_key: String,
    /// Until when the one before is good as well.
    overlap_until: String,
}

/// Replaces the key that tokens are asked for with; the old one stays good for a while. Tokens that were issued stay good
/// until they expire. The caller's own key must have what such a token is good for: media, inbox, images.
#[utoipa::path(post, path = "/api/v1/Applications/{id}/JwtKey/rotate", tag = "Applications", security(("keys" = [])), request_body = OverlapIn,
    params(("id" = String, Path), ("x-operator-key" = Option<String>, Header)),
    responses((status = 200, body = JwtKeyOut), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn rotate(
    Shared(state): Shared<Context>,
    Manager { app, scopes: own }: Manager,
    JsonBody(it): JsonBody<OverlapIn>,
) -> Result<Json<JwtKeyOut>, Problem> {
    check_grant(&own, Grant::JwtKey).map_err(scope_not_grantable)?;
    let until = clock::now() + it.overlap()?;
    let missing = || Problem::new(ProblemType::NoSuchApplication, "there is no such application");
    let mut application = state.table.application(app).await?.ok_or_else(missing)?;
    let private_key = hex(&clock::random_bytes::<64>());
    let old = std::mem::replace(&mut application.jwt_private_key_hash, sha256_hex(private_key.as_bytes()));
    application.previous_jwt_private_key = Some((old, domain::millis(until)));
    state.table.replace_application(&application).await?;
    audit(&state, app, "JWT key replaced", "").await?;
    Ok(Json(JwtKeyOut { jwt_private_key: private_key, overlap_until: rfc3339(until) }))
}
