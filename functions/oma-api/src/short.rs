//! The seed's dialect: short paths, bare JSON, the remaining lifetime as `channelLifeTime`.

use axum::Json;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::AppId;
use domain::millis;
use domain::notification_channel::{ChannelType, NotificationChannel, granted_lifetime};
use entry::clock;
use oma::encoded;
use serde_json::{Value, json};

use crate::answer::FaultResponse;
use crate::channels::{find, grant};
use crate::context::Context;
use crate::create::{NewChannel, store};
use crate::dialect::{Detail, body, invalid, member};
use crate::request::{MAX_TEXT_BYTES, OmaRequest, caller};
use crate::route::Route;

/// Notifications of a list, if the client does not say (the dialect's own default).
const DEFAULT_NOTIFICATIONS: u64 = 7_200;

/// Answers a request to a short path.
pub(crate) async fn answer(context: &Context, route: &Route, asked: &OmaRequest<'_>) -> Result<Response, Detail> {
    let (method, headers) = (&asked.parts.method, &asked.parts.headers);
    let now = millis(clock::now());
    match route {
        Route::ShortChannels { user } => {
            let (app, user) = caller(context, headers, user).await?;
            if *method == Method::POST {
                return create(context, asked, app, &user).await;
            }
            let mut all = Vec::new();
            for channel in context.table.notification_channels(app, &user, now).await.map_err(FaultResponse::from)? {
                all.push(shown(context, asked, &channel, remaining(&channel, now)).await?);
            }
            Ok(Json(all).into_response())
        }
        Route::ShortChannel { user, id } => {
            let (app, user) = caller(context, headers, user).await?;
            let found = find(context, app, &user, id).await;
            if *method == Method::DELETE {
                match found {
                    Ok(channel) => context.sender.delete(&channel).await.map_err(FaultResponse::from)?,
                    Err(missing) if missing.fault.status == 404 => {}
                    Err(other) => return Err(other.into()),
                }
                return Ok(StatusCode::NO_CONTENT.into_response());
            }
            let channel = found?;
            Ok(Json(shown(context, asked, &channel, remaining(&channel, now)).await?).into_response())
        }
        Route::ShortLifetime { user, id } => {
            let (app, user) = caller(context, headers, user).await?;
            let channel = find(context, app, &user, id).await?;
            let seconds = match *method {
                Method::PUT => {
                    let granted = lifetime(&body(asked)?)?;
                    if !grant(context, &channel.id, granted).await? {
                        return Err(FaultResponse::from(oma::Fault::unknown_resource()).into());
                    }
                    granted
                }
                _ => remaining(&channel, now),
            };
            Ok(Json(json!({ "channelLifeTime": seconds })).into_response())
        }
        _ => Err(FaultResponse::from(oma::Fault::unknown_resource()).into()),
    }
}

async fn create(context: &Context, asked: &OmaRequest<'_>, app: AppId, user: &str) -> Result<Response, Detail> {
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
) -> Result<Value, FaultResponse> {
    let (root, number) = (&asked.root, channel.id.number);
    Ok(json!({
        "channelType": channel.channel_type.name(),
        "channelLifeTime": lifetime,
        "clientCorrelator": channel.client_correlator,
        "applicationTag": channel.application_tag,
        "channelData": {
            "channelURL": context.urls.channel_url(root, channel).await?,
            "maxNotifications": channel.max_notifications,
        },
        "resourceURL": format!("{root}/{}/channels/{number}", encoded(&channel.id.user)),
        "callbackURL": context.urls.callback_url(root, channel).await?,
        "id": number,
    }))
}
