//! Signing keys: the public keys of an application, and the rotation of a webhook's signing secret.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, HeaderName};
use channels::secret;
use channels::sign::{NMS_PURPOSE, PURPOSE, SigningKeyPair};
use domain::channel::{MAX_SIGNING_KEYS, SigningKey, Target};
use domain::{AppId, rfc3339};
use entry::clock;
use entry::http::PUBLIC_CACHE;
use entry::secrets::{SecretError, channel_field};
use serde::Serialize;
use serde_json::{Value, json};
use time::Duration;
use utoipa::ToSchema;

use crate::context::Context;
use crate::forms::SecretForm;
use adcreative_api::Caller;
use adcreative_api::Form;
use adcreative_api::caller::application_id;
use adcreative_api::{ApiError, Envelope, Verb};

/// A new signing secret, shown only now.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SecretOut {
    signing_secret: String,
    /// Until when the previous secret signs as well.
    overlap_until: Option<String>,
}

/// An answer that public caches may store.
type CacheableJson = ([(HeaderName, HeaderValue); 1], Json<Value>);

/// The public keys that verify `v1a` signatures of an application's webhooks, as a JSON Web Key Set. No credentials are
/// needed. A receiver should store these keys, and never take one from a message. With `purpose=nms` it is the key that signs the
/// event lists of message stores.
#[utoipa::path(get, path = "/api/v1/Notification/Jwks", tag = "Channels",
    params(("applicationId" = String, Query), ("purpose" = Option<String>, Query, description = "`nms`, or nothing")),
    responses((status = 200, body = Object), (status = 404, body = Envelope)))]
pub(crate) async fn jwks(State(context): State<Context>, uri: axum::http::Uri) -> Result<CacheableJson, ApiError> {
    let app: AppId = application_id(&uri)?;
    let is_nms = uri.query().unwrap_or_default().split('&').any(|it| it == "purpose=nms");
    let purpose = if is_nms { NMS_PURPOSE } else { PURPOSE };
    let seed = context.secrets.derive_key(app, purpose).await.map_err(|error| match error {
        SecretError::NoApplication(_) => ApiError::NotFound(format!("There is no Application {app}.")),
        it => ApiError::internal(it),
    })?;
    Ok(([(CACHE_CONTROL, PUBLIC_CACHE)], Json(json!({ "keys": [SigningKeyPair::new(&seed).jwk()] }))))
}

/// Rotates the signing secret of a webhook. The previous secret signs as well for `overlapSeconds` (0 to 604800, by
/// default 86400); 0 invalidates all others at once, for use after a leak. During an overlap, only `force=true` begins
/// another one.
#[utoipa::path(post, path = "/api/v1/Notification/ChannelConfiguration/WebHook/RotateSecret", tag = "Channels", security(("keys" = [])),
    params(("applicationId" = String, Query), ("configurationId" = String, Query)),
    request_body(content = SecretForm, content_type = "application/json"),
    responses((status = 200, body = SecretOut), (status = 404, body = Envelope), (status = 409, body = Envelope)))]
pub(crate) async fn rotate(
    State(context): State<Context>,
    caller: Caller,
    form: Form,
) -> Result<Json<SecretOut>, ApiError> {
    let (id, now) = (caller.configuration_id()?, clock::now());
    let missing = || ApiError::no_channel(caller.app, id, Verb::Update);
    let channel = context.table.channel(caller.app, id).await.map_err(ApiError::internal)?;
    let mut channel = channel.ok_or_else(missing)?;
    let Target::Webhook(webhook) = &mut channel.target else { return Err(missing()) };
    let overlap: i64 = form.number("OverlapSeconds", 86_400, 0, 604_800)?;
    let at = domain::millis(now);
    webhook.keys.retain(|it| it.until.is_none_or(|until| until > at));
    if webhook.keys.len() > 1 && overlap > 0 && !form.boolean("Force", false)? {
        return Err(ApiError::Conflict("The signing secret before the current one is still good.".to_owned()));
    }
    let key = match form.text("SigningSecret")? {
        Some(text) => {
            secret::decode(text).map_err(|error| ApiError::InvalidField("SigningSecret", error.to_string()))?
        }
        None => clock::random_bytes::<32>().to_vec(),
    };
    let until = (overlap > 0).then(|| now + Duration::seconds(overlap));
    match until {
        None => webhook.keys.clear(),
        Some(until) => {
            for key in webhook.keys.iter_mut().filter(|it| it.until.is_none()) {
                key.until = Some(domain::millis(until));
            }
        }
    }
    let secret = context.secrets.seal(caller.app, &channel_field(id), &key).await.map_err(ApiError::internal)?;
    webhook.keys.insert(0, SigningKey { secret, until: None });
    webhook.keys.truncate(MAX_SIGNING_KEYS + 1);
    channel.updated_at = now;
    if !context.table.replace_channel(&channel).await.map_err(ApiError::internal)? {
        return Err(missing());
    }
    Ok(Json(SecretOut { signing_secret: secret::encode(&key), overlap_until: until.map(rfc3339) }))
}
