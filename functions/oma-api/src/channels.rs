//! Channels: list, read, delete, and their lifetime (NC 6.2, 6.3).

use domain::AppId;
use domain::millis;
use domain::notification_channel::{ChannelType, NotificationChannel, NotificationChannelId, granted_lifetime};
use entry::clock;
use oma::{ChannelData, Document, Fault, NotificationChannelLifetime, NotificationChannelList};

use crate::answer::{Answer, FaultResponse};
use crate::context::Context;
use crate::request::OmaRequest;
use crate::route::channels_url;

/// A user's channels (NC 6.1.3).
#[utoipa::path(get, path = "/notificationchannel/v1/{userId}/channels", tag = "OMA notification channels",
    security(("keys" = [])), params(("userId" = String, Path)),
    responses((status = 200, body = NotificationChannelList)))]
pub(crate) async fn list(
    context: &Context,
    asked: &OmaRequest<'_>,
    app: AppId,
    user: &str,
) -> Result<Answer, FaultResponse> {
    let mut list = Vec::new();
    for channel in context.table.notification_channels(app, user, millis(clock::now())).await? {
        list.push(shown(context, asked, &channel).await?);
    }
    let resource_url = channels_url(&asked.root, user);
    let list = NotificationChannelList { notification_channel: list, resource_url };
    Ok(Answer::ok(Document::new("notificationChannelList", &list)?))
}

/// The channel of a path.
pub(crate) async fn find(
    context: &Context,
    app: AppId,
    user: &str,
    id: &str,
) -> Result<NotificationChannel, FaultResponse> {
    let missing = Fault::unknown_resource;
    // numbers have one text
    let number = id.parse::<u64>().ok().filter(|it| it.to_string() == id).ok_or_else(missing)?;
    let id = NotificationChannelId { app, user: user.to_owned(), number };
    let found = context.table.notification_channel(&id, millis(clock::now())).await?;
    Ok(found.ok_or_else(missing)?)
}

/// One channel, with the lifetime that was granted (NC 6.2.3).
#[utoipa::path(get, path = "/notificationchannel/v1/{userId}/channels/{channelId}", tag = "OMA notification channels",
    security(("keys" = [])), params(("userId" = String, Path), ("channelId" = String, Path)),
    responses((status = 200, body = oma::NotificationChannel), (status = 404)))]
pub(crate) async fn get(
    context: &Context,
    asked: &OmaRequest<'_>,
    channel: &NotificationChannel,
) -> Result<Answer, FaultResponse> {
    Ok(Answer::ok(document(context, asked, channel).await?))
}

/// Deletes a channel: a poll that waits is answered with 404, and its socket is closed (NC 6.2.6).
#[utoipa::path(delete, path = "/notificationchannel/v1/{userId}/channels/{channelId}",
    tag = "OMA notification channels", security(("keys" = [])),
    params(("userId" = String, Path), ("channelId" = String, Path)), responses((status = 204), (status = 404)))]
pub(crate) async fn delete(context: &Context, channel: &NotificationChannel) -> Result<Answer, FaultResponse> {
    context.sender.delete(channel).await?;
    Ok(Answer::Empty)
}

/// The lifetime that is left (NC 6.4.3).
#[utoipa::path(get, path = "/notificationchannel/v1/{userId}/channels/{channelId}/channelLifetime",
    tag = "OMA notification channels", security(("keys" = [])),
    params(("userId" = String, Path), ("channelId" = String, Path)),
    responses((status = 200, body = NotificationChannelLifetime), (status = 404)))]
pub(crate) fn lifetime(channel: &NotificationChannel) -> Result<Answer, FaultResponse> {
    answer_lifetime(channel.remaining(millis(clock::now())))
}

/// Begins the lifetime anew: 60 to 86,400 seconds are granted, and by default 86,400 (NC 6.4.4).
#[utoipa::path(put, path = "/notificationchannel/v1/{userId}/channels/{channelId}/channelLifetime",
    tag = "OMA notification channels", security(("keys" = [])),
    params(("userId" = String, Path), ("channelId" = String, Path)), request_body = NotificationChannelLifetime,
    responses((status = 200, body = NotificationChannelLifetime), (status = 404)))]
pub(crate) async fn refresh(
    context: &Context,
    asked: &OmaRequest<'_>,
    channel: &NotificationChannel,
) -> Result<Answer, FaultResponse> {
    let wanted: NotificationChannelLifetime = asked.document("notificationChannelLifetime")?.parse()?;
    if wanted.channel_lifetime == Some(0) {
        return Err(Fault::invalid_input("channelLifetime").into());
    }
    let granted = granted_lifetime(wanted.channel_lifetime);
    if !grant(context, &channel.id, granted).await? {
        return Err(Fault::unknown_resource().into());
    }
    answer_lifetime(granted)
}

/// Grants a channel a lifetime from now on; `false` if it does not exist any more.
pub(crate) async fn grant(context: &Context, id: &NotificationChannelId, granted: u64) -> Result<bool, FaultResponse> {
    let (time, now) = (clock::now(), millis(clock::now()));
    let Some(mut channel) = context.table.notification_channel(id, now).await? else { return Ok(false) };
    channel.granted = granted;
    channel.refresh(granted, now);
    let check = channel.unplanned_check(now);
    if let Some(at) = check {
        // it may end before the time at which it is looked after next
        context.sender.schedule_check(id, at, time).await?;
    }
    let change = |it: &mut NotificationChannel| {
        it.granted = granted;
        it.refresh(granted, now);
        it.next_check = check.unwrap_or(it.next_check);
    };
    Ok(context.table.change_notification_channel(id, now, change).await?.is_some())
}

fn answer_lifetime(seconds: u64) -> Result<Answer, FaultResponse> {
    let lifetime = NotificationChannelLifetime { channel_lifetime: Some(seconds) };
    Ok(Answer::ok(Document::new("notificationChannelLifetime", &lifetime)?))
}

/// A channel's document.
pub(crate) async fn document(
    context: &Context,
    asked: &OmaRequest<'_>,
    channel: &NotificationChannel,
) -> Result<Document, FaultResponse> {
    Ok(Document::new("notificationChannel", &shown(context, asked, channel).await?)?)
}

/// The `resourceURL` of a channel.
pub(crate) fn resource_url(root: &str, id: &NotificationChannelId) -> String {
    format!("{}/{}", channels_url(root, &id.user), id.number)
}

async fn shown(
    context: &Context,
    asked: &OmaRequest<'_>,
    channel: &NotificationChannel,
) -> Result<oma::NotificationChannel, FaultResponse> {
    let data = ChannelData {
        channel_url: Some(context.urls.channel_url(&asked.root, channel).await?),
        max_notifications: Some(channel.max_notifications),
        max_wait_time: (channel.channel_type == ChannelType::LongPolling).then_some(channel.max_wait_time),
        ..ChannelData::default()
    };
    Ok(oma::NotificationChannel {
        client_correlator: channel.client_correlator.clone(),
        application_tag: channel.application_tag.clone(),
        channel_type: match channel.channel_type {
            ChannelType::LongPolling => oma::ChannelType::LongPolling,
            ChannelType::WebSockets => oma::ChannelType::WebSockets,
        },
        channel_data: Some(data),
        channel_lifetime: Some(channel.granted),
        callback_url: Some(context.urls.callback_url(&asked.root, channel).await?),
        resource_url: Some(resource_url(&asked.root, &channel.id)),
    })
}
