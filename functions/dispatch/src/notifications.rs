//! Notifications: one delivery per receiver.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::error::Error;

use domain::AppId;
use domain::channel::{Channel, Target};
use domain::notification::{Notification, Stream};
use domain::order::Delivery;
use table::{Batch, TableError};
use time::Duration;

use crate::handler::Parts;

/// Queues a delivery for each active channel of each notification's application, which is read once per batch.
pub(crate) async fn deliver(parts: &Parts, told: Vec<Batch>) -> Result<(), Box<dyn Error>> {
    let mut channels: HashMap<AppId, Vec<Channel>> = HashMap::new();
    let mut deliveries: Vec<(Delivery, Duration)> = Vec::new();
    for batch in told.into_iter().filter(|it| it.stream() == Some(&Stream::App)) {
        let known = match channels.entry(batch.app) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let all = parts.table.channels(batch.app).await?;
                unknown.insert(all.into_iter().filter(|it| it.active).collect())
            }
        };
        for notification in batch.notifications {
            for channel in known.iter() {
                match channel.target {
                    Target::Webhook(_) => {
                        let notification = notification.clone();
                        let delivery = Delivery { v: 1, app: batch.app, channel: channel.id, attempt: 1, notification };
                        deliveries.push((delivery, Duration::ZERO));
                    }
                }
            }
        }
    }
    Ok(parts.webhooks.send_all(&deliveries).await?)
}

/// Lists what was told to users, one row per application and batch, for the view of everything.
pub(crate) async fn list(parts: &Parts, told: &[Batch], at: i64, sequence: &str) -> Result<(), TableError> {
    let mut by_app: HashMap<AppId, Vec<Notification>> = HashMap::new();
    for batch in told.iter().filter(|it| matches!(it.stream(), Some(Stream::User(_)))) {
        by_app.entry(batch.app).or_default().extend(batch.notifications.iter().cloned());
    }
    for (app, notifications) in by_app {
        parts.table.list_told(app, &notifications, at, sequence).await?;
    }
    Ok(())
}
