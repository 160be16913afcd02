//! `POST /api/v1/Notification/ChannelConfiguration/WebHook`.

use axum::Json;
use axum::extract::State as Shared;
use axum::http::HeaderMap;
use channels::secret;
use domain::ChannelId;
use domain::address::judge;
use domain::channel::{Channel, Target, Webhook};
use entry::clock;

use crate::State;
use crate::caller::Caller;
use crate::dto::Configuration;
use crate::envelope::{Envelope, Refusal};
use crate::form::Form;

/// Adds a webhook. Fields: `webHookUrl` (required), `retryCount` (0 to 20, by default 5), `exponentialBackoffFactor`
/// (1.0 to 10.0, by default 2.0), `isActive`, `includeImageData`, and our addition `signingSecret` (`whsec_…`; one is
/// made if it is absent). With the header `X-Extended: true` the answer shows the signing secret, this once.
#[utoipa::path(post, path = "/api/v1/Notification/ChannelConfiguration/WebHook", tag = "Channels", security(("keys" = [])),
    params(("applicationId" = String, Query), ("X-Extended" = Option<bool>, Header)),
    request_body(content_type = "multipart/form-data", content = Object, description = "webHookUrl, retryCount, exponentialBackoffFactor, isActive, includeImageData, signingSecret"),
    responses((status = 200, body = Configuration), (status = 400, body = Envelope), (status = 401, body = Envelope)))]
pub(crate) async fn create(
    Shared(state): Shared<State>,
    caller: Caller,
    headers: HeaderMap,
    form: Form,
) -> Result<Json<Configuration>, Refusal> {
    let url = form.required("WebHookUrl")?;
    judge(url, &state.allowed)
        .map_err(|why| Refusal::Field("WebHookUrl", format!("The WebHookUrl is refused: {why}.")))?;
    let key = match form.text("signingSecret") {
        Some(text) => secret::read(text).map_err(|why| Refusal::Field("SigningSecret", why.to_string()))?,
        None => clock::random::<32>().to_vec(),
    };
    let (id, now) = (ChannelId::random(clock::random()), clock::now());
    let field = entry::secrets::channel_field(id);
    let sealed = state.secrets.seal(caller.app, &field, &key).await.map_err(Refusal::internal)?;
    let channel = Channel {
        id,
        app: caller.app,
        target: Target::Webhook(Webhook {
            url: url.to_owned(),
            retries: form.number("RetryCount", 5, 0, 20)?,
            factor: form.number("ExponentialBackoffFactor", 2.0, 1.0, 10.0)?,
            secret: sealed,
        }),
        active: form.flag("IsActive", true)?,
        include_image_data: form.flag("IncludeImageData", false)?,
        disabled_reason: None,
        created_at: now,
        updated_at: now,
    };
    state.table.put_channel(&channel).await.map_err(Refusal::internal)?;
    let mut answer = Configuration::new(&channel);
    if extended(&headers) {
        answer.signing_secret = Some(secret::show(&key));
    }
    Ok(Json(answer))
}

/// Whether the caller asks for members that the published shape does not have.
pub(crate) fn extended(headers: &HeaderMap) -> bool {
    headers.get("x-extended").is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(b"true"))
}
