//! Notifications of applications: one delivery per channel.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::error::Error;

use domain::AppId;
use domain::channel::Channel;
use domain::command::Delivery;
use domain::notification::{Notification, Stream};
use serde_json::Value;
use table::{NotificationBatch, TableError};
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
        let app_channels = match channels.entry(batch.app) {
            Entry::Occupied(cached) => cached.into_mut(),
            Entry::Vacant(vacant) => vacant.insert(context.table.channels(batch.app).await?),
        };
        for notification in &batch.notifications {
            record_collapse_key(context, batch.app, notification, now).await?;
        }
        for channel in app_channels.iter() {
            let accepted = batch.notifications.iter().filter(|it| channel.accepts(it).is_ok()).cloned().collect();
            deliveries.extend(Delivery::in_sequence(channel, accepted));
        }
    }
    let delayed: Vec<(&Delivery, Duration)> = deliveries.iter().map(|it| (it, Duration::ZERO)).collect();
    Ok(context.delivery_queues.send(&delayed).await?)
}

/// Records the newest notification of a collapse key: pending retries of older ones are then dropped.
async fn record_collapse_key(
    context: &Context,
    app: AppId,
    notification: &Notification,
    now: OffsetDateTime,
) -> Result<(), TableError> {
    if let Some(key) = notification.data.get("collapseKey").and_then(Value::as_str) {
        context.table.put_newest_of_collapse_key(app, "", key, notification.id.position(), now).await?;
    }
    Ok(())
}

/// Adds notifications of users to the list of recent ones, in one row per application and batch.
pub(crate) async fn record_recent(
    context: &Context,
    published: &[NotificationBatch],
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
