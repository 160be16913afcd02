//! Notifications: one delivery per receiver.

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

use crate::handler::Context;

/// Queues a delivery for each channel of the notification's application that wants it. The channels are read once per
/// application and batch.
pub(crate) async fn deliver(
    parts: &Context,
    told: Vec<NotificationBatch>,
    now: OffsetDateTime,
) -> Result<(), Box<dyn Error>> {
    let mut channels: HashMap<AppId, Vec<Channel>> = HashMap::new();
    let mut deliveries: Vec<Delivery> = Vec::new();
    for batch in told.into_iter().filter(|it| it.stream() == Some(&Stream::App)) {
        let known = match channels.entry(batch.app) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(parts.table.channels(batch.app).await?),
        };
        for notification in &batch.notifications {
            collapse(parts, batch.app, notification, now).await?;
        }
        for channel in known.iter() {
            let wanted = batch.notifications.iter().filter(|it| channel.accepts(it).is_ok()).cloned().collect();
            deliveries.extend(Delivery::in_sequence(channel, wanted));
        }
    }
    let orders: Vec<(&Delivery, Duration)> = deliveries.iter().map(|it| (it, Duration::ZERO)).collect();
    Ok(parts.delivery_queues.send(&orders).await?)
}

/// Notes the newest notification of a collapse key: a pending retry of an older one is given up then.
async fn collapse(parts: &Context, app: AppId, it: &Notification, now: OffsetDateTime) -> Result<(), TableError> {
    if let Some(key) = it.data.get("collapseKey").and_then(Value::as_str) {
        parts.table.put_newest_of_collapse_key(app, "", key, it.id.position(), now).await?;
    }
    Ok(())
}

/// Lists what was told to users, one row per application and batch, for the view of everything.
pub(crate) async fn record_recent(
    parts: &Context,
    told: &[NotificationBatch],
    at: i64,
    sequence: &str,
) -> Result<(), TableError> {
    let mut by_app: HashMap<AppId, Vec<Notification>> = HashMap::new();
    for batch in told.iter().filter(|it| matches!(it.stream(), Some(Stream::User(_)))) {
        by_app.entry(batch.app).or_default().extend(batch.notifications.iter().cloned());
    }
    for (app, notifications) in by_app {
        parts.table.put_recent(app, &notifications, at, sequence).await?;
    }
    Ok(())
}
