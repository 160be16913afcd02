//! Long polling (NC 5.3.2 to 5.3.6, 6.5.5).
//!
//! While a poll waits, it reads the channel's row once a tick, eventually consistent: half a read unit. The row says whether
//! notifications have come, whether a newer poll has, and whether the channel is still there.

use std::time::Duration;

use domain::millis;
use domain::notification_channel::{ChannelType, MAX_LIST_BYTES, NotificationChannel, is_poll_due};
use entry::clock;
use notification_channel::{Purpose, list};
use oma::{Document, Fault, Format, RequestFormat, write};
use table::QueuedNotification;

use crate::answer::{Answer, FaultResponse};
use crate::body_schema::{LongPollingRequestParameters, NotificationList, PollForm};
use crate::context::Context;
use crate::request::OmaRequest;

/// A poll ends after this time, in milliseconds: API Gateway's integrations have 30 seconds.
const TIMEOUT_MS: i64 = 25_000;
/// The time between two reads: less than 40 read units a minute, the three reads at the beginning included.
const TICK: Duration = Duration::from_millis(860);
/// Polls that wait at the same time: of one application, and of all.
const MAX_POLLS_PER_APPLICATION: u32 = 100;
const MAX_POLLS: u32 = 500;

/// Answers with what is on a long-polling channel: once `maxNotifications` wait, or the oldest has waited for `maxWaitTime`
/// seconds, or else after 25 seconds with an empty list.
///
/// The URL is the `channelURL` of the channel, whose token is all that it takes. Each poll begins the channel's lifetime anew.
/// What a poll was answered with is not repeated (NC 6.5.5).
#[utoipa::path(post, path = "/notificationchannel/v1/poll/{token}", tag = "OMA notification channels",
    params(("token" = String, Path)),
    request_body(content((LongPollingRequestParameters = "application/json"),
        (PollForm = "application/x-www-form-urlencoded"))),
    responses((status = 200, body = NotificationList), (status = 404),
        (status = 409, description = "SVC1012: a newer poll has taken over"),
        (status = 503, description = "SVC2001: too many polls wait; `Retry-After` says when to ask again")))]
pub(crate) async fn poll(context: &Context, asked: &OmaRequest<'_>, token: &str) -> Result<Answer, FaultResponse> {
    let now = clock::now();
    let gone = Fault::unknown_resource;
    let id = context.urls.verify(&context.table, token, Purpose::Channel).await?.ok_or_else(gone)?;
    check_body(asked)?;
    let channel = context.table.glance_at_notification_channel(&id, millis(now)).await?;
    let channel = channel.filter(|it| it.channel_type == ChannelType::LongPolling).ok_or_else(gone)?;
    let holder = clock::random_alphanumeric(16);
    let until = now + time::Duration::milliseconds(TIMEOUT_MS + 5_000);
    let scopes = [(Some(id.app), MAX_POLLS_PER_APPLICATION), (None, MAX_POLLS)];
    let mut slots = Vec::new();
    let answer = async {
        for (app, most) in scopes {
            let first = u32::from_be_bytes(clock::random_bytes()) % most;
            let slot = context.table.acquire_poll_slot(app, most, &holder, first, now, until).await?;
            slots.push((app, slot.ok_or_else(FaultResponse::busy)?));
        }
        wait(context, asked.format, &channel, millis(now)).await
    };
    let answer = answer.await;
    for (app, slot) in slots {
        if let Err(error) = context.table.release_poll_slot(app, slot, &holder).await {
            tracing::warn!("a poll's place is free only when it expires: {}", entry::Chain(&error));
        }
    }
    answer
}

async fn wait(
    context: &Context,
    format: Format,
    channel: &NotificationChannel,
    began: i64,
) -> Result<Answer, FaultResponse> {
    let (table, gone) = (&context.table, Fault::unknown_resource);
    let mut channel = table.begin_poll(channel, began).await?.ok_or_else(gone)?;
    channel.xml = format == Format::Xml;
    let poll = channel.poll;
    // what is counted may be stored a moment later: it is looked for at the next tick once more
    let (mut seen, mut looks) = (channel.queued, 2_u32);
    let mut waiting: Vec<QueuedNotification> = Vec::new();
    loop {
        let over = millis(clock::now()) - began >= TIMEOUT_MS;
        if looks > 0 {
            looks -= 1;
            waiting = table.glance_at_queue(&channel.id, channel.max_notifications).await?;
        }
        let now = millis(clock::now());
        let oldest = waiting.first().map(|it| it.at);
        let is_full = waiting.iter().map(|it| it.document.len()).sum::<usize>() > MAX_LIST_BYTES;
        let due = is_poll_due(waiting.len() as u64, oldest, channel.max_notifications, channel.max_wait_time, now);
        if !waiting.is_empty() && (due || is_full || over) {
            let (text, count) = list(&channel, &waiting);
            if table.take_queued(&channel.id, poll, &waiting[..count]).await? {
                return Ok(Answer::Text(text));
            }
            check_newest(table.glance_at_notification_channel(&channel.id, now).await?, poll)?;
            looks = 2;
        }
        if over {
            return Ok(Answer::Text(write(&Document::notification_list(Vec::new(), false), format)));
        }
        let left = u64::try_from(TIMEOUT_MS - (now - began)).unwrap_or(0);
        clock::pause(TICK.min(Duration::from_millis(left))).await;
        let read = table.glance_at_notification_channel(&channel.id, millis(clock::now())).await?;
        let queued = check_newest(read, poll)?.queued;
        if queued != seen {
            (seen, looks) = (queued, 2);
        }
    }
}

/// A channel that is still there, and whose newest poll this is.
fn check_newest(channel: Option<NotificationChannel>, poll: u64) -> Result<NotificationChannel, FaultResponse> {
    let channel = channel.ok_or_else(Fault::unknown_resource)?;
    if channel.poll > poll { Err(Fault::simultaneous_requests().into()) } else { Ok(channel) }
}

/// The body of a poll says nothing (NC 5.2.2.10): it may be empty.
fn check_body(asked: &OmaRequest<'_>) -> Result<(), FaultResponse> {
    const ROOT: &str = "longPollingRequestParameters";
    if asked.body.is_empty() {
        return Ok(());
    }
    match asked.body_format()? {
        RequestFormat::Json => oma::read_json_bare(&asked.body, ROOT)?,
        RequestFormat::Xml => oma::read_xml(&asked.body, &[ROOT])?,
        RequestFormat::Form => oma::read_poll_form(&asked.body)?,
        RequestFormat::Multipart => return Err(Fault::invalid_input("Content-Type").with_status(415).into()),
    };
    Ok(())
}
