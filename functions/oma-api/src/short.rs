//! The seed's dialect: short paths, bare JSON, the remaining lifetime as `channelLifeTime`.

use axum::Json;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::AppId;
use domain::millis;
use domain::notification_channel::{ChannelType, NotificationChannel, granted_lifetime};
use entry::clock;
use oma::encoded;
use serde_json::Value;

use crate::answer::FaultResponse;
use crate::channels::{find, grant};
use crate::context::Context;
use crate::create::{NewChannel, store};
use crate::dialect::{Detail, body, invalid, member};
use crate::request::{MAX_TEXT_BYTES, OmaRequest, caller};
use crate::route::Route;
use crate::seed_body::{SeedChannel, SeedChannelData, SeedChannelIn, SeedLifetime, SeedLifetimeIn, SeedRefusal};

/// Notifications of a list, if the client does not say (the dialect's own default).
const DEFAULT_NOTIFICATIONS: u64 = 7_200;

/// Answers a request to a short path.
pub(crate) async fn answer(context: &Context, route: &Route, asked: &OmaRequest<'_>) -> Result<Response, Detail> {
    let (method, headers) = (&asked.parts.method, &asked.parts.headers);
    match route {
        Route::ShortChannels { user } => {
            let (app, user) = caller(context, headers, user).await?;
            match *method {
                Method::POST => create(context, asked, app, &user).await,
                _ => list(context, asked, app, &user).await,
            }
        }
        Route::ShortChannel { user, id } => {
            let (app, user) = caller(context, headers, user).await?;
            match *method {
                Method::DELETE => delete(context, app, &user, id).await,
                _ => get(context, asked, app, &user, id).await,
            }
        }
        Route::ShortLifetime { user, id } => {
            let (app, user) = caller(context, headers, user).await?;
            match *method {
                Method::PUT => refresh(context, asked, app, &user, id).await,
                _ => remaining_lifetime(context, app, &user, id).await,
            }
        }
        _ => Err(FaultResponse::from(oma::Fault::unknown_resource()).into()),
    }
}

/// A user's channels, with what remains of their lifetimes.
#[utoipa::path(get, path = "/{userId}/channels", tag = "OMA, as the seed has it", security(("keys" = [])),
    params(("userId" = String, Path)), responses((status = 200, body = Vec<SeedChannel>)))]
pub(crate) async fn list(
    context: &Context,
    asked: &OmaRequest<'_>,
    app: AppId,
    user: &str,
) -> Result<Response, Detail> {
    let (now, mut all) = (millis(clock::now()), Vec::new());
    for channel in context.table.notification_channels(app, user, now).await.map_err(FaultResponse::from)? {
        all.push(shown(context, asked, &channel, remaining(&channel, now)).await?);
    }
    Ok(Json(all).into_response())
}

/// One channel, with what remains of its lifetime.
#[utoipa::path(get, path = "/{userId}/channels/{channelId}", tag = "OMA, as the seed has it", security(("keys" = [])),
    params(("userId" = String, Path), ("channelId" = String, Path)),
    responses((status = 200, body = SeedChannel), (status = 404, body = SeedRefusal)))]
pub(crate) async fn get(
    context: &Context,
    asked: &OmaRequest<'_>,
    app: AppId,
    user: &str,
    id: &str,
) -> Result<Response, Detail> {
    let channel = find(context, app, user, id).await?;
    let lifetime = remaining(&channel, millis(clock::now()));
    Ok(Json(shown(context, asked, &channel, lifetime).await?).into_response())
}

/// Deletes a channel, and closes its socket. It is done as well if there is no such channel.
#[utoipa::path(delete, path = "/{userId}/channels/{channelId}", tag = "OMA, as the seed has it",
    security(("keys" = [])), params(("userId" = String, Path), ("channelId" = String, Path)), responses((status = 204)))]
pub(crate) async fn delete(context: &Context, app: AppId, user: &str, id: &str) -> Result<Response, Detail> {
    match find(context, app, user, id).await {
        Ok(channel) => context.sender.delete(&channel).await.map_err(FaultResponse::from)?,
        Err(missing) if missing.fault.status == 404 => {}
        Err(other) => return Err(other.into()),
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The lifetime that is left.
#[utoipa::path(get, path = "/{userId}/channels/{channelId}/channelLifetime", tag = "OMA, as the seed has it",
    security(("keys" = [])), params(("userId" = String, Path), ("channelId" = String, Path)),
    responses((status = 200, body = SeedLifetime), (status = 404, body = SeedRefusal)))]
pub(crate) async fn remaining_lifetime(
    context: &Context,
    app: AppId,
    user: &str,
    id: &str,
) -> Result<Response, Detail> {
    let channel = find(context, app, user, id).await?;
    Ok(Json(SeedLifetime { channel_life_time: remaining(&channel, millis(clock::now())) }).into_response())
}

/// Begins the lifetime anew.
#[utoipa::path(put, path = "/{userId}/channels/{channelId}/channelLifetime", tag = "OMA, as the seed has it",
    security(("keys" = [])), params(("userId" = String, Path), ("channelId" = String, Path)),
    request_body = SeedLifetimeIn, responses((status = 200, body = SeedLifetime), (status = 404, body = SeedRefusal)))]
pub(crate) async fn refresh(
    context: &Context,
    asked: &OmaRequest<'_>,
    app: AppId,
    user: &str,
    id: &str,
) -> Result<Response, Detail> {
    let channel = find(context, app, user, id).await?;
    let granted = lifetime(&body(asked)?)?;
    if !grant(context, &channel.id, granted).await? {
        return Err(FaultResponse::from(oma::Fault::unknown_resource()).into());
    }
    Ok(Json(SeedLifetime { channel_life_time: granted }).into_response())
}

/// Creates a WebSockets channel: each request a new one, whatever its correlator is.
#[utoipa::path(post, path = "/{userId}/channels", tag = "OMA, as the seed has it", security(("keys" = [])),
    params(("userId" = String, Path)), request_body = SeedChannelIn,
    responses((status = 201, body = SeedChannel),
        (status = 403, description = "The credentials are good, but not for this; or the user has 50 channels")))]
pub(crate) async fn create(
    context: &Context,
    asked: &OmaRequest<'_>,
    app: AppId,
    user: &str,
) -> Result<Response, Detail> {
    let body = body(asked)?;
    let member = |names: [&'static str; 2]| member(&body, names);
    if member(["channelType", "channel_type"]) != ChannelType::WebSockets.name() {
        return Err(invalid("channelType: it is `WebSockets`"));
    }
    let text = |names: [&'static str; 2]| match member(names) {
        Value::Null => Ok(None),
        Value::String(text) if text.len() <= MAX_TEXT_BYTES => Ok(Some(text.clone())),
        _ => Err(invalid(&format!("{}: it is a text of at most {MAX_TEXT_BYTES} bytes", names[0]))),
    };
    let data = member(["channelData", "channel_data"]);
    let most = match data.get("maxNotifications").or_else(|| data.get("max_notifications")) {
        None | Some(Value::Null) => DEFAULT_NOTIFICATIONS,
        Some(given) => {
            given.as_u64().filter(|it| *it > 0).ok_or_else(|| invalid("maxNotifications: a number from 1"))?
        }
    };
    let new = NewChannel {
        channel_type: ChannelType::WebSockets,
        xml: false,
        max_notifications: most.min(DEFAULT_NOTIFICATIONS),
        max_wait_time: 0,
        granted: lifetime(&body)?,
        client_correlator: text(["clientCorrelator", "client_correlator"])?,
        application_tag: text(["applicationTag", "application_tag"])?,
        digest: None, // its clients create again and again with the same correlator
    };
    let Ok(channel) = store(context, app, user, new).await? else {
        return Err(FaultResponse::from(oma::Fault::policy_error("correlator")).into()); // without a digest there is none
    };
    let shown = shown(context, asked, &channel, channel.granted).await?;
    Ok((StatusCode::CREATED, Json(shown)).into_response())
}

/// The lifetime that is granted; a member in any of its spellings.
fn lifetime(body: &Value) -> Result<u64, Detail> {
    let names = ["channelLifeTime", "channel_life_time", "channelLifetime"];
    match names.iter().map(|it| &body[*it]).find(|it| !it.is_null()) {
        None => Ok(granted_lifetime(None)),
        Some(given) => {
            let seconds = given.as_u64().filter(|it| *it > 0);
            seconds.map(|it| granted_lifetime(Some(it))).ok_or_else(|| invalid("channelLifeTime: a number from 1"))
        }
    }
}

/// What is left of a lifetime: of a new channel a second less than was granted, as time has passed.
fn remaining(channel: &NotificationChannel, now: i64) -> u64 {
    channel.remaining(now).min(channel.granted.saturating_sub(1))
}

async fn shown(
    context: &Context,
    asked: &OmaRequest<'_>,
    channel: &NotificationChannel,
    lifetime: u64,
) -> Result<SeedChannel, FaultResponse> {
    let (root, number) = (&asked.root, channel.id.number);
    Ok(SeedChannel {
        channel_type: channel.channel_type.name().to_owned(),
        channel_life_time: lifetime,
        client_correlator: channel.client_correlator.clone(),
        application_tag: channel.application_tag.clone(),
        channel_data: SeedChannelData {
            channel_url: context.urls.channel_url(root, channel).await?,
            max_notifications: channel.max_notifications,
        },
        resource_url: format!("{root}/{}/channels/{number}", encoded(&channel.id.user)),
        callback_url: context.urls.callback_url(root, channel).await?,
        id: number,
    })
}
