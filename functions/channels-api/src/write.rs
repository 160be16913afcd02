//! Creates and replaces channels: `POST` and `PUT
//! /api/v1/Notification/ChannelConfiguration/{WebHook,RabbitMQ,SignalR}`.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use channels::sign::{PURPOSE, SigningKeyPair};
use domain::channel::{CHALLENGE, Channel, ChannelKind};
use domain::circuit_breaker::ChannelHealth;
use domain::notification::{NewNotification, Stream};
use entry::clock;
use entry::plan_limits::PlanError;
use serde_json::json;
use time::OffsetDateTime;

use crate::context::Context;
use crate::dto::Configuration;
use crate::fields;
use crate::forms::{RabbitForm, SignalRForm, WebhookForm};
use adcreative_api::Caller;
use adcreative_api::Form;
use adcreative_api::{ApiError, Envelope, Verb};

/// Adds a webhook. Fields: `webHookUrl` (required), `retryCount` (0 to 20, by default 5), `exponentialBackoffFactor`
/// (1.0 to 10.0, by default 2.0), `isActive`, `includeImageData`. Our additions: `format` (`adcreative`, or `native`
/// for every type, after the receiver has confirmed its challenge), `types` (`item.*,scan.failed`), `filter` (an
/// EventBridge pattern as JSON), `maxPerSecond` (1 to 1000; 0 removes the limit), `everyProgress` (also before all
/// tasks are done), `schedule` (`standard` for ten attempts over three days), `signingSecret` (`whsec_…`; generated if
/// absent). With the header `X-Extended: true` the answer shows that secret, only now.
#[utoipa::path(post, path = "/api/v1/Notification/ChannelConfiguration/WebHook", tag = "Channels", security(("keys" = [])),
    params(("applicationId" = String, Query), ("X-Extended" = Option<bool>, Header)),
    request_body(content = WebhookForm, content_type = "multipart/form-data"),
    responses((status = 200, body = Configuration), (status = 400, body = Envelope), (status = 401, body = Envelope), (status = 402, body = Envelope)))]
pub(crate) async fn create_webhook(
    State(context): State<Context>,
    caller: Caller,
    headers: HeaderMap,
    form: Form,
) -> Result<Json<Configuration>, ApiError> {
    create(&context, &caller, ChannelKind::Webhook, &headers, &form).await
}

/// Replaces a webhook's configuration. A PUT without a signing secret or without one of our additions keeps the stored
/// one. A webhook that moves to another origin gets a new signing secret. `X-Extended: true` shows it; `RotateSecret`
/// replaces it.
#[utoipa::path(put, path = "/api/v1/Notification/ChannelConfiguration/WebHook", tag = "Channels", security(("keys" = [])),
    params(("applicationId" = String, Query), ("configurationId" = String, Query)),
    request_body(content = WebhookForm, content_type = "multipart/form-data"),
    responses((status = 200, body = Configuration), (status = 400, body = Envelope), (status = 404, body = Envelope)))]
pub(crate) async fn update_webhook(
    State(context): State<Context>,
    caller: Caller,
    headers: HeaderMap,
    form: Form,
) -> Result<Json<Configuration>, ApiError> {
    update(&context, &caller, ChannelKind::Webhook, &headers, &form).await
}

/// Adds a RabbitMQ queue. Fields: `url` (`amqps://host/vhost`), `username`, `password`, `queueName` (all required),
/// `isActive`, `includeImageData`; our additions as for webhooks.
#[utoipa::path(post, path = "/api/v1/Notification/ChannelConfiguration/RabbitMQ", tag = "Channels", security(("keys" = [])),
    params(("applicationId" = String, Query)),
    request_body(content = RabbitForm, content_type = "multipart/form-data"),
    responses((status = 200, body = Configuration), (status = 400, body = Envelope), (status = 401, body = Envelope), (status = 402, body = Envelope)))]
pub(crate) async fn create_rabbit(
    State(context): State<Context>,
    caller: Caller,
    headers: HeaderMap,
    form: Form,
) -> Result<Json<Configuration>, ApiError> {
    create(&context, &caller, ChannelKind::RabbitMq, &headers, &form).await
}

/// Replaces a RabbitMQ configuration. If the password is empty, absent or masked, the stored one is kept.
#[utoipa::path(put, path = "/api/v1/Notification/ChannelConfiguration/RabbitMQ", tag = "Channels", security(("keys" = [])),
    params(("applicationId" = String, Query), ("configurationId" = String, Query)),
    request_body(content = RabbitForm, content_type = "multipart/form-data"),
    responses((status = 200, body = Configuration), (status = 400, body = Envelope), (status = 404, body = Envelope)))]
pub(crate) async fn update_rabbit(
    State(context): State<Context>,
    caller: Caller,
    headers: HeaderMap,
    form: Form,
) -> Result<Json<Configuration>, ApiError> {
    update(&context, &caller, ChannelKind::RabbitMq, &headers, &form).await
}

/// Adds a SignalR hub of yours, whose method is invoked. Fields: `hubUrl` (required), `hubMethod` (by default
/// `ReceiveNotification`), `accessToken`, `isActive`, `includeImageData`; our additions as for webhooks.
#[utoipa::path(post, path = "/api/v1/Notification/ChannelConfiguration/SignalR", tag = "Channels", security(("keys" = [])),
    params(("applicationId" = String, Query)),
    request_body(content = SignalRForm, content_type = "multipart/form-data"),
    responses((status = 200, body = Configuration), (status = 400, body = Envelope), (status = 401, body = Envelope), (status = 402, body = Envelope)))]
pub(crate) async fn create_signal_r(
    State(context): State<Context>,
    caller: Caller,
    headers: HeaderMap,
    form: Form,
) -> Result<Json<Configuration>, ApiError> {
    create(&context, &caller, ChannelKind::SignalR, &headers, &form).await
}

/// Replaces a SignalR configuration. If the token is empty, absent or masked, the stored one is kept.
#[utoipa::path(put, path = "/api/v1/Notification/ChannelConfiguration/SignalR", tag = "Channels", security(("keys" = [])),
    params(("applicationId" = String, Query), ("configurationId" = String, Query)),
    request_body(content = SignalRForm, content_type = "multipart/form-data"),
    responses((status = 200, body = Configuration), (status = 400, body = Envelope), (status = 404, body = Envelope)))]
pub(crate) async fn update_signal_r(
    State(context): State<Context>,
    caller: Caller,
    headers: HeaderMap,
    form: Form,
) -> Result<Json<Configuration>, ApiError> {
    update(&context, &caller, ChannelKind::SignalR, &headers, &form).await
}

async fn create(
    context: &Context,
    caller: &Caller,
    kind: ChannelKind,
    headers: &HeaderMap,
    form: &Form,
) -> Result<Json<Configuration>, ApiError> {
    if context.kinds_off.contains(&kind) {
        let reason = "the operator of this deployment has switched channels of this kind off";
        return Err(ApiError::InvalidField("kind", reason.to_owned()));
    }
    let now = clock::now();
    let parsed = fields::read(context, caller.app, kind, form, None, now).await?;
    context.plan_limits.check_channel(caller.app).await.map_err(plan_error)?;
    context.table.put_channel(&parsed.channel).await.map_err(ApiError::internal)?;
    respond(context, parsed, headers, now).await
}

/// One more channel than the plan allows, or a table that failed.
fn plan_error(error: PlanError) -> ApiError {
    match error {
        PlanError::Exceeded(exceeded) => ApiError::PlanLimit(exceeded.to_string()),
        PlanError::Table(error) => ApiError::internal(error),
    }
}

async fn update(
    context: &Context,
    caller: &Caller,
    kind: ChannelKind,
    headers: &HeaderMap,
    form: &Form,
) -> Result<Json<Configuration>, ApiError> {
    let (id, now) = (caller.configuration_id()?, clock::now());
    let missing = || ApiError::no_channel(caller.app, id, Verb::Update);
    let before = context.table.channel(caller.app, id).await.map_err(ApiError::internal)?;
    let before = before.filter(|it| it.target.kind() == kind).ok_or_else(missing)?;
    let parsed = fields::read(context, caller.app, kind, form, Some(before), now).await?;
    if !context.table.replace_channel(&parsed.channel).await.map_err(ApiError::internal)? {
        return Err(missing());
    }
    // a changed channel starts with a closed circuit breaker
    context.table.delete_health(caller.app, id).await.map_err(ApiError::internal)?;
    respond(context, parsed, headers, now).await
}

async fn respond(
    context: &Context,
    parsed: fields::ParsedChannel,
    headers: &HeaderMap,
    now: OffsetDateTime,
) -> Result<Json<Configuration>, ApiError> {
    let channel = &parsed.channel;
    if channel.unconfirmed && channel.active && !parsed.challenged_recently {
        challenge(context, channel, now).await?;
    }
    let mut answer = Configuration::new(channel);
    if extended(headers) {
        answer = answer.extended(channel, &ChannelHealth::default(), domain::millis(now));
        if let Some(secret) = parsed.signing_secret {
            answer = answer.with_signing_secret(secret);
        }
        if channel.target.kind() == ChannelKind::Webhook {
            answer = answer.with_key_id(key_id(context, channel).await?);
        }
    }
    Ok(Json(answer))
}

/// Publishes a challenge, by which the receiver confirms that it wants to be called (realtime, H-9). It is delivered
/// like any other notification.
async fn challenge(context: &Context, channel: &Channel, now: OffsetDateTime) -> Result<(), ApiError> {
    let word = clock::random_alphanumeric(32);
    let data = json!({ "channel": { "id": channel.id }, "challenge": word });
    let notification = [NewNotification::new(CHALLENGE, data)];
    context
        .table
        .append(channel.app, &Stream::App, &notification, &word, now)
        .await
        .map(drop)
        .map_err(ApiError::internal)
}

/// The `kid` of the application's `v1a` key.
pub(crate) async fn key_id(context: &Context, channel: &Channel) -> Result<String, ApiError> {
    let seed = context.secrets.derive_key(channel.app, PURPOSE).await.map_err(ApiError::internal)?;
    Ok(SigningKeyPair::new(&seed).jwk()["kid"].as_str().unwrap_or_default().to_owned())
}

/// Whether the caller asks for members that the published shape does not have.
pub(crate) fn extended(headers: &HeaderMap) -> bool {
    is_true(headers, "x-extended")
}

pub(crate) fn is_true(headers: &HeaderMap, name: &str) -> bool {
    headers.get(name).is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(b"true"))
}
