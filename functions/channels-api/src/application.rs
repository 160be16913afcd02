//! `POST /api/v1/Applications`: a new tenant and its keys, for whoever holds the operator's key.

use axum::Json;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, StatusCode};
use domain::AppId;
use domain::application::{ApiKey, Application, Consent};
use domain::id::{hex, sha256_hex};
use entry::clock;
use entry::http::caller::matches;
use entry::http::{Body, Problem};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::State;

/// A tenant to make.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ApplicationIn {
    #[schema(example = "newsroom")]
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
    Shared(state): Shared<State>,
    headers: HeaderMap,
    Body(it): Body<ApplicationIn>,
) -> Result<(StatusCode, Json<ApplicationOut>), Problem> {
    let key = headers.get("x-operator-key").and_then(|it| it.to_str().ok()).unwrap_or_default();
    if state.operator_key_hash.is_empty() || !matches(key, &state.operator_key_hash) {
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "credentials", "send the operator's key as x-operator-key"));
    }
    if it.name.trim().is_empty() || it.name.len() > 100 {
        return Err(Problem::invalid("name", "1 to 100 characters"));
    }
    if it.facial_recognition && it.requested_by.trim().is_empty() {
        return Err(Problem::invalid("requestedBy", "say who switches facial recognition on"));
    }
    let (id, now) = (AppId::random(clock::random()), clock::now());
    let key_id = clock::word(10);
    // the checksum lets a secret scanner tell a key of ours from other text; 43 letters of 62 are 256 bits
    let body = format!("nk_live_{key_id}_{}", clock::word(43));
    let api_key = format!("{body}_{}", &sha256_hex(body.as_bytes())[..8]);
    let (api_secret, private_key) = (clock::word(43), hex(&clock::random::<64>()));
    let consent = it.facial_recognition.then(|| Consent { by: it.requested_by.clone(), at: now });
    let application = Application {
        id,
        name: it.name,
        wrapped_key: state.seal.new_key(id).await?,
        jwt_private_key_hash: sha256_hex(private_key.as_bytes()),
        facial_recognition: consent,
        created_at: now,
    };
    let hashes =
        ApiKey { app: id, key_hash: sha256_hex(api_key.as_bytes()), secret_hash: sha256_hex(api_secret.as_bytes()) };
    state.table.put_application(&application, &key_id, &hashes).await?;
    if it.open_inbox {
        state.table.put_open_inbox(id).await?;
    }
    tracing::info!(application.id = %id, "application {id} is made");
    let keys = ApplicationOut { application_id: id.to_string(), api_key, api_secret, jwt_private_key: private_key };
    Ok((StatusCode::CREATED, Json(keys)))
}
