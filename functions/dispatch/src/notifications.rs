//! Notifications of applications: one delivery per channel.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::error::Error;

use domain::AppId;
use domain::channel::{Channel, Ordering};
use domain::command::Delivery;
use domain::notification::{Notification, Position, Stream};
use table::{NotificationBatch, OrderedQueue, TableError};
use time::{Duration, OffsetDateTime};

use crate::context::Context;

/// Queues a delivery for each channel of the application that accepts the notification. The channels are read one time per
/// application and batch.
pub(crate) async fn deliver(
    context: &Context,
    published: Vec<NotificationBatch>,
    now: OffsetDateTime,
) -> Result<(), Box<dyn Error>> {
    let mut channels: HashMap<AppId, Vec<Channel>> = HashMap::new();
    let mut deliveries: Vec<Delivery> = Vec::new();
    for batch in published.into_iter().filter(|it| it.stream() == Some(&Stream::App)) {
        for notification in &batch.notifications {
            record_collapse_key(context, batch.app, notification, now).await?;
        }
        if batch.handled.queued {
            continue; // their publisher has queued the deliveries
        }
        let app_channels = match channels.entry(batch.app) {
            Entry::Occupied(cached) => cached.into_mut(),
            Entry::Vacant(vacant) => vacant.insert(context.table.channels(batch.app).await?),
        };
        for channel in app_channels.iter() {
            let accepted = batch.notifications.iter().filter(|it| channel.accepts(it).is_ok()).cloned();
            let in_order = |it: &Notification| channel.ordering == Ordering::Key && it.ordering_key().is_some();
            let (ordered, unordered): (Vec<Notification>, Vec<Notification>) = accepted.partition(in_order);
            deliveries.extend(Delivery::in_sequence(channel, unordered));
            deliveries.extend(first_of_keys(context, channel, ordered, now).await?);
        }
    }
    let delayed: Vec<(&Delivery, Duration)> = deliveries.iter().map(|it| (it, Duration::ZERO)).collect();
    Ok(context.delivery_queues.send(&delayed).await?)
}

/// Adds events to the queues of their ordering keys. Returns the deliveries of those that are the first of their key.
async fn first_of_keys(
    context: &Context,
    channel: &Channel,
    notifications: Vec<Notification>,
    now: OffsetDateTime,
) -> Result<Vec<Delivery>, TableError> {
    let mut queues: BTreeMap<OrderedQueue, Vec<Notification>> = BTreeMap::new();
    for notification in notifications {
        let key = notification.ordering_key().unwrap_or_default();
        queues.entry(OrderedQueue::new(channel.app, channel.id, key)).or_default().push(notification);
    }
    let mut deliveries = Vec::new();
    for (queue, notifications) in queues {
        let positions: Vec<Position> = notifications.iter().map(|it| it.id.position()).collect();
        let first = context.table.enqueue_ordered(&queue, &positions, now).await?;
        let first = notifications.into_iter().find(|it| Some(it.id.position()) == first);
        deliveries.extend(first.map(|it| Delivery { ordered: true, ..Delivery::new(channel, it) }));
    }
    Ok(deliveries)
}

/// Records the newest notification of a collapse key: pending retries of older ones are then dropped.
async fn record_collapse_key(
    context: &Context,
    app: AppId,
    notification: &Notification,
    now: OffsetDateTime,
) -> Result<(), TableError> {
    if let Some(key) = notification.collapse_key() {
        context.table.put_newest_of_collapse_key(app, "", key, notification.id.position(), now).await?;
    }
    Ok(())
}

/// Adds notifications of users to the list of recent ones, in one row per application and batch.
pub(crate) async fn record_recent(
    context: &Context,
    published: &[&NotificationBatch],
    at: i64,
    sequence: &str,
) -> Result<(), TableError> {
    let mut by_app: HashMap<AppId, Vec<Notification>> = HashMap::new();
    for batch in published.iter().filter(|it| matches!(it.stream(), Some(Stream::User(_)))) {
        by_app.entry(batch.app).or_default().extend(batch.notifications.iter().cloned());
    }
    for (app, notifications) in by_app {
        context.table.put_recent(app, &notifications, at, sequence).await?;
    }
    Ok(())
}
