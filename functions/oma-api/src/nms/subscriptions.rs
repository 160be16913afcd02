//! Subscriptions to a box's changes (NMS 6.17, 6.18).

use domain::message_store::{BoxId, BoxSubscription, granted_duration};
use domain::millis;
use domain::notification::Position;
use domain::notification_channel::NotificationChannelId;
use domain::ssrf::check_new_url;
use entry::clock;
use inbox::Cursor;
use message_store::{Filter, FilterError, box_url, subscription_url};
use notification_channel::Purpose;
use oma::{
    CallbackReference, Document, Fault, Format, Link, NmsSubscription, NmsSubscriptionList, NmsSubscriptionUpdate,
};

use super::changes::notify;
use crate::answer::{Answer, FaultResponse};
use crate::context::Context;
use crate::request::{OmaRequest, check_texts};

/// Subscriptions of one box.
const MAX_SUBSCRIPTIONS: usize = 50;
/// Tries of an update against what tells the subscription meanwhile.
const MAX_TRIES: usize = 20;

/// Creates a subscription: the answer says the index of the first list, and from where on changes are told.
///
/// `notifyURL` is the `callbackURL` of a channel, or the URL of a server of the client's own. With a `restartToken` what follows it is told again. `duration` is 86,400
/// seconds if not said, and at most (NMS 6.17.5).
#[utoipa::path(post, path = "/nms/v1/{storeName}/{boxId}/subscriptions", tag = "OMA message store",
    security(("keys" = [])), params(("storeName" = String, Path), ("boxId" = String, Path)),
    request_body = NmsSubscription,
    responses((status = 201, body = NmsSubscription),
        (status = 400, description = "SVC0002: %1 names the part that cannot be. SVC0003: %1 is none of %2. \
            SVC0004 with `notifyURL`: there is no such channel, or it is no URL that we post to"),
        (status = 403, description = "POL0001 with `subscriptions`: the box has 50 of them; with `scope` or `user`: the credentials are \
            good, but not for this"),
        (status = 409, description = "SVC0005: another subscription has this correlator; `link` leads to it")))]
pub(super) async fn create(context: &Context, asked: &OmaRequest<'_>, in_box: &BoxId) -> Result<Answer, FaultResponse> {
    let document = asked.document("nmsSubscription")?;
    let given: NmsSubscription = document.parse()?;
    let callback_data = &given.callback_reference.callback_data;
    check_texts(&[("clientCorrelator", &given.client_correlator), ("callbackData", callback_data)])?;
    if let Some(filter) = &given.filter {
        Filter::new(filter).map_err(filter_fault)?;
    }
    let channel = channel_of(context, asked, &given.callback_reference.notify_url).await?;
    let now = millis(clock::now());
    let stored = context.table.box_subscriptions(in_box).await?;
    let (others, ended): (Vec<BoxSubscription>, Vec<BoxSubscription>) =
        stored.into_iter().partition(|it| !it.has_expired(now));
    let correlator = given.client_correlator.as_ref().filter(|it| !it.is_empty());
    let same = others.iter().find(|it| correlator.is_some() && it.client_correlator.as_ref() == correlator);
    if let Some(existing) = same {
        let url = subscription_url(&asked.root, in_box, existing.id);
        let is_same = existing.notify_url == given.callback_reference.notify_url
            && existing.filter == given.filter.as_ref().and_then(|it| serde_json::to_value(it).ok());
        if is_same {
            return Ok(Answer::Document {
                status: 201,
                document: shown(asked, existing, now, None)?,
                location: Some(url),
            });
        }
        let link = Link { rel: "NmsSubscription".to_owned(), href: url };
        return Err(Fault::duplicate_correlator(correlator.cloned().unwrap_or_default(), link).into());
    }
    if others.len() >= MAX_SUBSCRIPTIONS {
        return Err(Fault::policy_error("subscriptions").into());
    }
    for one in ended {
        // it would stay until the box changes
        context.table.delete_box_subscription(in_box, one.id).await?;
    }
    let newest = newest(context, in_box).await?;
    let token = given.restart_token.filter(|it| !it.is_empty());
    let start = match &token {
        Some(token) => position(in_box, token)?,
        None => newest,
    };
    let subscription = BoxSubscription {
        in_box: in_box.clone(),
        id: context.table.next_box_id(in_box).await?,
        notify_url: given.callback_reference.notify_url,
        channel,
        callback_data: given.callback_reference.callback_data,
        notification_format: given.callback_reference.notification_format.map(|it| format_name(it).to_owned()),
        filter: given.filter.as_ref().and_then(|it| serde_json::to_value(it).ok()),
        client_correlator: given.client_correlator,
        max_events: given.max_events,
        expires_at: expiry(given.duration, now),
        next_index: 1,
        told: start,
        replay_to: if token.is_some() { newest.sequence } else { 0 },
        created_seq: newest.sequence,
        root: asked.root.clone(),
        revision: 1,
    };
    context.table.put_box_subscription(&subscription).await?;
    let answer = shown(asked, &subscription, now, token)?;
    if start != newest {
        notify(context, in_box).await;
    }
    let location = Some(subscription_url(&asked.root, in_box, subscription.id));
    Ok(Answer::Document { status: 201, document: answer, location })
}

/// The subscriptions of a box (NMS 6.17.3).
#[utoipa::path(get, path = "/nms/v1/{storeName}/{boxId}/subscriptions", tag = "OMA message store",
    security(("keys" = [])), params(("storeName" = String, Path), ("boxId" = String, Path)),
    responses((status = 200, body = NmsSubscriptionList)))]
pub(super) async fn list(context: &Context, asked: &OmaRequest<'_>, in_box: &BoxId) -> Result<Answer, FaultResponse> {
    let now = millis(clock::now());
    let mut list = NmsSubscriptionList {
        subscription: Vec::new(),
        resource_url: format!("{}/subscriptions", box_url(&asked.root, in_box)),
    };
    for one in context.table.box_subscriptions(in_box).await?.iter().filter(|it| !it.has_expired(now)) {
        list.subscription.push(content(asked, one, now, None));
    }
    Ok(Answer::ok(Document::new("nmsSubscriptionList", &list)?))
}

/// One subscription, with the duration that is left (NMS 6.18.3).
#[utoipa::path(get, path = "/nms/v1/{storeName}/{boxId}/subscriptions/{subscriptionId}", tag = "OMA message store",
    security(("keys" = [])),
    params(("storeName" = String, Path), ("boxId" = String, Path), ("subscriptionId" = String, Path)),
    responses((status = 200, body = NmsSubscription), (status = 404)))]
pub(super) async fn get(
    context: &Context,
    asked: &OmaRequest<'_>,
    in_box: &BoxId,
    id: u64,
) -> Result<Answer, FaultResponse> {
    let now = millis(clock::now());
    let found = find(context, asked, in_box, id, now).await?;
    Ok(Answer::ok(shown(asked, &found, now, None)?))
}

/// Gives a subscription more time, and tells it again from a token on. The index goes on (NMS 6.18.5).
#[utoipa::path(post, path = "/nms/v1/{storeName}/{boxId}/subscriptions/{subscriptionId}", tag = "OMA message store",
    security(("keys" = [])),
    params(("storeName" = String, Path), ("boxId" = String, Path), ("subscriptionId" = String, Path)),
    request_body = NmsSubscriptionUpdate,
    responses((status = 200, body = NmsSubscription), (status = 404)))]
pub(super) async fn update(
    context: &Context,
    asked: &OmaRequest<'_>,
    in_box: &BoxId,
    id: u64,
) -> Result<Answer, FaultResponse> {
    let now = millis(clock::now());
    find(context, asked, in_box, id, now).await?;
    let given: NmsSubscriptionUpdate = asked.document("nmsSubscriptionUpdate")?.parse()?;
    let token = given.restart_token.filter(|it| !it.is_empty());
    let updated = change(context, asked, in_box, id, Some(given.duration), token.as_deref()).await?;
    Ok(Answer::ok(shown(asked, &updated, now, token)?))
}

/// Tells a subscription again from a token on.
pub(crate) async fn replay(
    context: &Context,
    asked: &OmaRequest<'_>,
    in_box: &BoxId,
    id: u64,
    token: &str,
) -> Result<BoxSubscription, FaultResponse> {
    change(context, asked, in_box, id, None, Some(token)).await
}

/// Changes the duration of a subscription, or where it goes on, and tells it what it has not been told.
async fn change(
    context: &Context,
    asked: &OmaRequest<'_>,
    in_box: &BoxId,
    id: u64,
    duration: Option<Option<u64>>,
    token: Option<&str>,
) -> Result<BoxSubscription, FaultResponse> {
    let now = millis(clock::now());
    let start = token.map(|it| position(in_box, it)).transpose()?;
    for _ in 0..MAX_TRIES {
        let mut subscription = find(context, asked, in_box, id, now).await?;
        if let Some(duration) = duration {
            subscription.expires_at = expiry(duration, now);
        }
        if let Some(start) = start {
            subscription.told = start;
            subscription.replay_to = newest(context, in_box).await?.sequence;
        }
        subscription.revision += 1;
        if context.table.put_box_subscription(&subscription).await? {
            notify(context, in_box).await;
            return Ok(subscription);
        }
    }
    Err(FaultResponse::busy())
}

/// Ends a subscription (NMS 6.18.6).
#[utoipa::path(delete, path = "/nms/v1/{storeName}/{boxId}/subscriptions/{subscriptionId}", tag = "OMA message store",
    security(("keys" = [])),
    params(("storeName" = String, Path), ("boxId" = String, Path), ("subscriptionId" = String, Path)),
    responses((status = 204), (status = 404)))]
pub(super) async fn delete(
    context: &Context,
    asked: &OmaRequest<'_>,
    in_box: &BoxId,
    id: u64,
) -> Result<Answer, FaultResponse> {
    find(context, asked, in_box, id, millis(clock::now())).await?;
    context.table.delete_box_subscription(in_box, id).await?;
    Ok(Answer::Empty)
}

/// The fault of a filter.
pub(super) fn filter_fault(error: FilterError) -> FaultResponse {
    match error {
        FilterError::Invalid(part) => Fault::invalid_input(part).into(),
        FilterError::Unsupported(offered) => Fault::invalid_value("type", offered).into(),
    }
}

async fn find(
    context: &Context,
    asked: &OmaRequest<'_>,
    in_box: &BoxId,
    id: u64,
    now: i64,
) -> Result<BoxSubscription, FaultResponse> {
    let link = || Link { rel: "NmsSubscription".to_owned(), href: subscription_url(&asked.root, in_box, id) };
    let found = context.table.box_subscription(in_box, id, now).await?;
    Ok(found.ok_or_else(|| Fault::unknown_resource().with_link(link()))?)
}

/// The notification channel of a `notifyURL`, if it is a `callbackURL` of ours: its token says the rest. `None` if it is another
/// server's, to which we may post.
async fn channel_of(
    context: &Context,
    asked: &OmaRequest<'_>,
    url: &str,
) -> Result<Option<NotificationChannelId>, FaultResponse> {
    if let Some((_, token)) = url.rsplit_once("/notificationchannel/v1/callbacks/")
        && let Some(id) = context.urls.verify(&context.table, token, Purpose::Callback).await?
    {
        return Ok(Some(id));
    }
    let is_ours = url.starts_with(&format!("{}/", asked.root));
    if is_ours || check_new_url(url, &context.allowed_networks).is_err() {
        return Err(Fault::invalid_address("notifyURL").into());
    }
    Ok(None)
}

/// The position behind a box's latest change.
async fn newest(context: &Context, in_box: &BoxId) -> Result<Position, FaultResponse> {
    let head = context.table.head(in_box.app, &in_box.stream()).await?;
    Ok(head.map_or(Position { epoch: 0, sequence: 0 }, |it| it.last))
}

fn position(in_box: &BoxId, token: &str) -> Result<Position, FaultResponse> {
    let position = Cursor::decode(token, in_box.app, &in_box.stream());
    Ok(position.map_err(|_| Fault::invalid_input("restartToken"))?)
}

fn expiry(duration: Option<u64>, now: i64) -> i64 {
    now + i64::try_from(granted_duration(duration)).unwrap_or(0) * 1_000
}

fn format_name(format: Format) -> &'static str {
    match format {
        Format::Json => "JSON",
        Format::Xml => "XML",
    }
}

/// A subscription's document; `token` is the one that the request gave, which is returned as it came.
fn shown(
    asked: &OmaRequest<'_>,
    subscription: &BoxSubscription,
    now: i64,
    token: Option<String>,
) -> Result<Document, FaultResponse> {
    Ok(Document::new("nmsSubscription", &content(asked, subscription, now, token))?)
}

fn content(asked: &OmaRequest<'_>, subscription: &BoxSubscription, now: i64, token: Option<String>) -> NmsSubscription {
    let in_box = &subscription.in_box;
    let told = || Cursor::encode(in_box.app, &in_box.stream(), subscription.told);
    let format = match subscription.notification_format.as_deref() {
        Some("XML") => Some(Format::Xml),
        Some(_) => Some(Format::Json),
        None => None,
    };
    NmsSubscription {
        callback_reference: CallbackReference {
            notify_url: subscription.notify_url.clone(),
            callback_data: subscription.callback_data.clone(),
            notification_format: format,
        },
        duration: Some(u64::try_from((subscription.expires_at - now).max(0) / 1_000).unwrap_or(0)),
        filter: subscription.filter.clone().and_then(|it| serde_json::from_value(it).ok()),
        client_correlator: subscription.client_correlator.clone(),
        resource_url: Some(subscription_url(&asked.root, in_box, subscription.id)),
        index: Some(subscription.next_index),
        restart_token: Some(token.unwrap_or_else(told)),
        max_events: subscription.max_events,
        object_attribute_names: Vec::new(),
        inline_imdn: None,
    }
}
