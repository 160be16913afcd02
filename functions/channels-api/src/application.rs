//! `/api/v1/Applications`: creates and lists applications, for the operator; replaces an application's JWT key.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::application::{Application, Consent, Grant, Scope, check_grant};
use domain::id::{hex, sha256_hex};
use domain::{AppId, from_millis, rfc3339};
use entry::clock;
use entry::http::{JsonBody, Problem};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::context::Context;
use crate::keys::{NewKey, OverlapIn, audit, scope_not_grantable};
use crate::manager::{Manager, Operator, no_such_application};

/// An application to create.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ApplicationIn {
    #[schema(example = "newsroom", min_length = 1, max_length = 100)]
    name: String,
    /// Whether facial recognition is enabled. Faces are biometric data, so it is disabled by default.
    #[serde(default)]
    facial_recognition: bool,
    /// Its inbox accepts clients without credentials, as the original system did, if the deployment allows it
    /// (`InboxAuth=open`). Only one application has it: the latest that asked for it.
    #[serde(default)]
    open_inbox: bool,
    /// Who asks for facial recognition; stored with the consent.
    #[serde(default)]
    requested_by: String,
}

/// The keys of a new application. They are shown only now: only their hashes are stored.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApplicationOut {
    application_id: String,
    api_key: String,
    api_secret: String,
    /// For `GenerateJwtToken`: 128 hexadecimal digits.
    jwt_private_key: String,
}

/// Creates an application. `x-operator-key` is the operator's key, whose hash is the deployment's parameter
/// `OperatorKeyHash`.
#[utoipa::path(post, path = "/api/v1/Applications", tag = "Applications", request_body = ApplicationIn,
    params(("x-operator-key" = String, Header)),
    responses((status = 201, body = ApplicationOut), (status = 401, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn create(
    State(context): State<Context>,
    _: Operator,
    JsonBody(body): JsonBody<ApplicationIn>,
) -> Result<(StatusCode, Json<ApplicationOut>), Problem> {
    if body.name.trim().is_empty() || body.name.len() > 100 {
        return Err(Problem::invalid("name", "1 to 100 characters"));
    }
    if body.facial_recognition && body.requested_by.trim().is_empty() {
        return Err(Problem::invalid("requestedBy", "say who switches facial recognition on"));
    }
    let (id, now) = (AppId::random(clock::random_bytes()), clock::now());
    let private_key = hex(&clock::random_bytes::<64>());
    let consent = body.facial_recognition.then(|| Consent { by: body.requested_by.clone(), at: now });
    let application = Application {
        id,
        name: body.name,
        wrapped_key: context.seal.new_key(id).await?,
        jwt_private_key_hash: sha256_hex(private_key.as_bytes()),
        previous_jwt_private_key: None,
        facial_recognition: consent,
        created_at: now,
    };
    let key = NewKey::new(id, "first", Scope::default_scopes(), now);
    context.table.put_application(&application, &key.stored).await?;
    if body.open_inbox {
        context.table.put_open_inbox(id).await?;
    }
    tracing::info!(application.id = %id, "application {id} is created");
    let NewKey { api_key, api_secret, .. } = key;
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

/// All applications, for the operator.
#[utoipa::path(get, path = "/api/v1/Applications", tag = "Applications", params(("x-operator-key" = String, Header)),
    responses((status = 200, body = Vec<ListedOut>), (status = 401, body = Problem)))]
pub(crate) async fn list(State(context): State<Context>, _: Operator) -> Result<Json<Vec<ListedOut>>, Problem> {
    let all = context.table.applications().await?;
    let shown = all.into_iter().map(|listed| ListedOut {
        application_id: listed.app.to_string(),
        name: listed.name,
        created_at: rfc3339(from_millis(listed.created_at)),
    });
    Ok(Json(shown.collect()))
}

/// A new JWT private key, shown only now.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JwtKeyOut {
    jwt_private_key: String,
    /// Until when the previous key is valid as well.
    overlap_until: String,
}

/// Replaces the key that tokens are requested with; the previous one stays valid for a while. Issued tokens stay valid
/// until they expire. The caller's own key must have the scopes of such a token: media, inbox, images.
#[utoipa::path(post, path = "/api/v1/Applications/{id}/JwtKey/rotate", tag = "Applications", security(("keys" = [])), request_body = OverlapIn,
    params(("id" = String, Path), ("x-operator-key" = Option<String>, Header)),
    responses((status = 200, body = JwtKeyOut), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn rotate(
    State(context): State<Context>,
    Manager { app, scopes: own }: Manager,
    JsonBody(body): JsonBody<OverlapIn>,
) -> Result<Json<JwtKeyOut>, Problem> {
    check_grant(&own, Grant::JwtKey).map_err(scope_not_grantable)?;
    let until = clock::now() + body.overlap()?;
    let mut application = context.table.application(app).await?.ok_or_else(no_such_application)?;
    let private_key = hex(&clock::random_bytes::<64>());
    let old = std::mem::replace(&mut application.jwt_private_key_hash, sha256_hex(private_key.as_bytes()));
    application.previous_jwt_private_key = Some((old, domain::millis(until)));
    context.table.replace_application(&application).await?;
    audit(&context, app, "JWT key replaced", "").await?;
    Ok(Json(JwtKeyOut { jwt_private_key: private_key, overlap_until: rfc3339(until) }))
}
