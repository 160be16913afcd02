//! `/api/v1/Notification/ChannelConfiguration`: reads one, all or the active configurations, and removes one.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use domain::application::Scope;
use domain::channel::{Channel, ChannelKind, Target};
use entry::clock;
use entry::secrets::channel_field;
use serde_json::{Value, json};

use crate::context::Context;
use crate::dto::{Configuration, List, RevealedSecrets, Values};
use crate::write::{extended, is_true, key_id};
use adcreative_api::Caller;
use adcreative_api::{ApiError, Envelope, Verb};

/// One channel configuration. With the header `X-Reveal-Secrets: true` its secrets are not masked, if the deployment
/// allows it (parameter `CompatRevealSecrets`) and the key has the scope `channels:reveal`. This is recorded in the
/// audit log.
#[utoipa::path(get, path = "/api/v1/Notification/ChannelConfiguration", tag = "Channels", security(("keys" = [])),
    params(("applicationId" = String, Query), ("configurationId" = String, Query), ("X-Extended" = Option<bool>, Header),
        ("X-Reveal-Secrets" = Option<bool>, Header)),
    responses((status = 200, body = Configuration), (status = 403, body = Envelope), (status = 404, body = Envelope)))]
pub(crate) async fn get(
    State(context): State<Context>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let id = caller.configuration_id()?;
    let channel = context.table.channel(caller.app, id).await.map_err(ApiError::internal)?;
    let channel = channel.ok_or_else(|| ApiError::no_channel(caller.app, id, Verb::Get))?;
    let mut shown = describe(&context, &channel, extended(&headers)).await?;
    if is_true(&headers, "x-reveal-secrets") {
        shown = shown.revealed(&channel, &reveal_secrets(&context, &caller, &channel).await?);
    }
    Ok(with_references(&caller, false, json!(shown), shown))
}

/// Removes a channel configuration. Pending deliveries to it are dropped.
#[utoipa::path(delete, path = "/api/v1/Notification/ChannelConfiguration", tag = "Channels", security(("keys" = [])),
    params(("applicationId" = String, Query), ("configurationId" = String, Query)),
    responses((status = 200, body = bool, content_type = "application/json"), (status = 404, body = Envelope)))]
pub(crate) async fn remove(State(context): State<Context>, caller: Caller) -> Result<Json<bool>, ApiError> {
    let id = caller.configuration_id()?;
    let was_there = context.table.delete_channel(caller.app, id).await.map_err(ApiError::internal)?;
    if !was_there {
        return Err(ApiError::no_channel(caller.app, id, Verb::Delete));
    }
    context.table.delete_health(caller.app, id).await.map_err(ApiError::internal)?;
    Ok(Json(true))
}

/// All channel configurations of the application. `references=preserve` wraps them as `/Active` does.
#[utoipa::path(get, path = "/api/v1/Notification/ChannelConfiguration/All", tag = "Channels", security(("keys" = [])),
    params(("applicationId" = String, Query), ("references" = Option<String>, Query)),
    responses((status = 200, body = List), (status = 401, body = Envelope)))]
pub(crate) async fn all(
    State(context): State<Context>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Json<List>, ApiError> {
    let channels = context.table.channels(caller.app).await.map_err(ApiError::internal)?;
    let values = describe_all(&context, &channels, extended(&headers)).await?;
    Ok(list(&caller, false, values))
}

/// The active channel configurations of the application; 404 if there is none. With `references=none` the answer is a
/// bare list.
#[utoipa::path(get, path = "/api/v1/Notification/ChannelConfiguration/Active", tag = "Channels", security(("keys" = [])),
    params(("applicationId" = String, Query), ("references" = Option<String>, Query)),
    responses((status = 200, body = List), (status = 404, body = Envelope)))]
pub(crate) async fn active(
    State(context): State<Context>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Json<List>, ApiError> {
    let mut channels = context.table.channels(caller.app).await.map_err(ApiError::internal)?;
    channels.retain(|it| it.active);
    if channels.is_empty() {
        return Err(ApiError::NoActiveChannels(caller.app));
    }
    let values = describe_all(&context, &channels, extended(&headers)).await?;
    Ok(list(&caller, true, values))
}

/// A list in the form that the endpoint has in the published API, or that the caller asks for (channel API, section
/// 6.2).
fn list(caller: &Caller, wrapped_by_default: bool, values: Vec<Configuration>) -> Json<List> {
    Json(if preserves_references(caller, wrapped_by_default) {
        List::Wrapped(Values { id: "1", values })
    } else {
        List::Bare(values)
    })
}

fn with_references(caller: &Caller, wrapped_by_default: bool, mut wrapped: Value, plain: Configuration) -> Response {
    if !preserves_references(caller, wrapped_by_default) {
        return Json(plain).into_response();
    }
    if let Some(members) = wrapped.as_object_mut() {
        members.insert("$id".to_owned(), json!("1"));
    }
    Json(wrapped).into_response()
}

fn preserves_references(caller: &Caller, wrapped_by_default: bool) -> bool {
    match caller.parameter("references") {
        Some("preserve") => true,
        Some("none") => false,
        _ => wrapped_by_default,
    }
}

async fn describe_all(context: &Context, channels: &[Channel], extended: bool) -> Result<Vec<Configuration>, ApiError> {
    let mut all = Vec::with_capacity(channels.len());
    for channel in channels {
        all.push(describe(context, channel, extended).await?);
    }
    Ok(all)
}

async fn describe(context: &Context, channel: &Channel, extended: bool) -> Result<Configuration, ApiError> {
    let shown = Configuration::with_summary(channel);
    if !extended {
        return Ok(shown);
    }
    let health = context.table.health(channel.app, channel.id).await.map_err(ApiError::internal)?;
    let shown = shown.extended(channel, &health, domain::millis(clock::now()));
    Ok(if channel.target.kind() == ChannelKind::Webhook {
        shown.with_key_id(key_id(context, channel).await?)
    } else {
        shown
    })
}

/// The secrets of a channel, if the caller may see them. The access is recorded in the audit log first.
async fn reveal_secrets(context: &Context, caller: &Caller, channel: &Channel) -> Result<RevealedSecrets, ApiError> {
    if context.reveal_secrets != "owner" || !caller.scopes.contains(&Scope::ChannelsReveal) {
        return Err(ApiError::Scope(Scope::ChannelsReveal.name()));
    }
    let now = clock::now();
    let what = json!({ "what": "secrets revealed", "channel": channel.id, "key": caller.key_id });
    context
        .table
        .put_audit(caller.app, &what, &clock::random_alphanumeric(10), now)
        .await
        .map_err(ApiError::internal)?;
    tracing::warn!(application.id = %caller.app, channel.id = %channel.id, "the secrets of channel {} are revealed", channel.id);
    let sealed = match &channel.target {
        Target::Webhook(_) => None,
        Target::RabbitMq(queue) => Some(&queue.password),
        Target::SignalR(hub) => hub.token.as_ref(),
    };
    let secret = match sealed {
        Some(sealed) => context.secrets.open_text(caller.app, &channel_field(channel.id), sealed).await,
        None => Ok(String::new()),
    };
    let url = context.secrets.channel_url(channel).await.map_err(ApiError::internal)?;
    Ok(RevealedSecrets { secret: Some(secret.map_err(ApiError::internal)?), url: Some(url) })
}
