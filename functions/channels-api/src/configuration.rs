//! `/api/v1/Notification/ChannelConfiguration`: one, all, the active ones, and removal.

use axum::Json;
use axum::extract::State as Shared;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use domain::application::Scope;
use domain::channel::{Channel, ChannelKind, Target};
use entry::clock;
use entry::secrets::channel_field;
use serde_json::{Value, json};

use crate::Context;
use crate::dto::{Configuration, List, RevealedSecrets, Values};
use crate::write::{extended, is_true, key_id};
use adcreative_api::Caller;
use adcreative_api::{ApiError, Envelope, Verb};

/// One channel configuration. With the header `X-Reveal-Secrets: true` its secrets are in clear, where the deployment
/// allows it (parameter `CompatRevealSecrets`) and the key has the scope `channels:reveal`; that is noted.
#[utoipa::path(get, path = "/api/v1/Notification/ChannelConfiguration", tag = "Channels", security(("keys" = [])),
    params(("applicationId" = String, Query), ("configurationId" = String, Query), ("X-Extended" = Option<bool>, Header),
        ("X-Reveal-Secrets" = Option<bool>, Header)),
    responses((status = 200, body = Configuration), (status = 403, body = Envelope), (status = 404, body = Envelope)))]
pub(crate) async fn get(
    Shared(state): Shared<Context>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let id = caller.configuration_id()?;
    let channel = state.table.channel(caller.app, id).await.map_err(ApiError::internal)?;
    let channel = channel.ok_or_else(|| ApiError::no_channel(caller.app, id, Verb::Get))?;
    let mut shown = describe(&state, &channel, extended(&headers)).await?;
    if is_true(&headers, "x-reveal-secrets") {
        shown = shown.revealed(&channel, &reveal_secrets(&state, &caller, &channel).await?);
    }
    Ok(with_references(&caller, false, json!(shown), shown))
}

/// Removes a channel configuration. What is under way to it is dropped.
#[utoipa::path(delete, path = "/api/v1/Notification/ChannelConfiguration", tag = "Channels", security(("keys" = [])),
    params(("applicationId" = String, Query), ("configurationId" = String, Query)),
    responses((status = 200, body = bool, content_type = "application/json"), (status = 404, body = Envelope)))]
pub(crate) async fn remove(Shared(state): Shared<Context>, caller: Caller) -> Result<Json<bool>, ApiError> {
    let id = caller.configuration_id()?;
    let was_there = state.table.delete_channel(caller.app, id).await.map_err(ApiError::internal)?;
    if !was_there {
        return Err(ApiError::no_channel(caller.app, id, Verb::Delete));
    }
    state.table.delete_health(caller.app, id).await.map_err(ApiError::internal)?;
    Ok(Json(true))
}

/// All channel configurations of the application. `references=preserve` wraps them as `/Active` does.
#[utoipa::path(get, path = "/api/v1/Notification/ChannelConfiguration/All", tag = "Channels", security(("keys" = [])),
    params(("applicationId" = String, Query), ("references" = Option<String>, Query)),
    responses((status = 200, body = List), (status = 401, body = Envelope)))]
pub(crate) async fn all(
    Shared(state): Shared<Context>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Json<List>, ApiError> {
    let channels = state.table.channels(caller.app).await.map_err(ApiError::internal)?;
    let values = describe_all(&state, &channels, extended(&headers)).await?;
    Ok(list(&caller, false, values))
}

/// The active channel configurations of the application; 404 if there is none. `references=none` answers a bare list.
#[utoipa::path(get, path = "/api/v1/Notification/ChannelConfiguration/Active", tag = "Channels", security(("keys" = [])),
    params(("applicationId" = String, Query), ("references" = Option<String>, Query)),
    responses((status = 200, body = List), (status = 404, body = Envelope)))]
pub(crate) async fn active(
    Shared(state): Shared<Context>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Json<List>, ApiError> {
    let mut channels = state.table.channels(caller.app).await.map_err(ApiError::internal)?;
    channels.retain(|it| it.active);
    if channels.is_empty() {
        return Err(ApiError::NoActiveChannels(caller.app));
    }
    let values = describe_all(&state, &channels, extended(&headers)).await?;
    Ok(list(&caller, true, values))
}

/// A list as it was published at its endpoint, or as the caller asks for it (channel API, section 6.2).
fn list(caller: &Caller, usual: bool, values: Vec<Configuration>) -> Json<List> {
    Json(if preserves_references(caller, usual) {
        List::Wrapped(Values { id: "1", values })
    } else {
        List::Bare(values)
    })
}

fn with_references(caller: &Caller, usual: bool, mut wrapped: Value, plain: Configuration) -> Response {
    if !preserves_references(caller, usual) {
        return Json(plain).into_response();
    }
    if let Some(members) = wrapped.as_object_mut() {
        members.insert("$id".to_owned(), json!("1"));
    }
    Json(wrapped).into_response()
}

fn preserves_references(caller: &Caller, usual: bool) -> bool {
    match caller.parameter("references") {
        Some("preserve") => true,
        Some("none") => false,
        _ => usual,
    }
}

async fn describe_all(state: &Context, channels: &[Channel], extended: bool) -> Result<Vec<Configuration>, ApiError> {
    let mut all = Vec::with_capacity(channels.len());
    for it in channels {
        all.push(describe(state, it, extended).await?);
    }
    Ok(all)
}

async fn describe(state: &Context, it: &Channel, extended: bool) -> Result<Configuration, ApiError> {
    let shown = Configuration::with_summary(it);
    if !extended {
        return Ok(shown);
    }
    let health = state.table.health(it.app, it.id).await.map_err(ApiError::internal)?;
    let shown = shown.extended(it, &health, domain::millis(clock::now()));
    Ok(if it.target.kind() == ChannelKind::Webhook { shown.with_key_id(key_id(state, it).await?) } else { shown })
}

/// The secrets of a channel, if the caller may see them. Who looks is on record before anything is shown.
async fn reveal_secrets(state: &Context, caller: &Caller, channel: &Channel) -> Result<RevealedSecrets, ApiError> {
    if state.reveal_secrets != "owner" || !caller.scopes.contains(&Scope::ChannelsReveal) {
        return Err(ApiError::Scope(Scope::ChannelsReveal.name()));
    }
    let now = clock::now();
    let what = json!({ "what": "secrets revealed", "channel": channel.id, "key": caller.key_id });
    state.table.put_audit(caller.app, &what, &clock::random_alphanumeric(10), now).await.map_err(ApiError::internal)?;
    tracing::warn!(application.id = %caller.app, channel.id = %channel.id, "the secrets of channel {} are shown", channel.id);
    let sealed = match &channel.target {
        Target::Webhook(_) => None,
        Target::RabbitMq(it) => Some(&it.password),
        Target::SignalR(it) => it.token.as_ref(),
    };
    let secret = match sealed {
        Some(sealed) => state.secrets.open_text(caller.app, &channel_field(channel.id), sealed).await,
        None => Ok(String::new()),
    };
    let url = state.secrets.channel_url(channel).await.map_err(ApiError::internal)?;
    Ok(RevealedSecrets { secret: Some(secret.map_err(ApiError::internal)?), url: Some(url) })
}
