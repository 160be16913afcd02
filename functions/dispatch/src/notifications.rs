//! Notifications: one delivery per receiver.

use std::collections::HashMap;
use std::error::Error;

use domain::AppId;
use domain::channel::{Channel, Target};
use domain::order::Delivery;
use table::Batch;
use time::Duration;

use crate::handler::Parts;

/// Queues a delivery for each active channel of each notification's application, which is read once per batch.
pub(crate) async fn deliver(parts: &Parts, told: Vec<Batch>) -> Result<(), Box<dyn Error>> {
    let mut channels: HashMap<AppId, Vec<Channel>> = HashMap::new();
    let mut deliveries: Vec<(Delivery, Duration)> = Vec::new();
    for batch in told {
        if !channels.contains_key(&batch.app) {
            let all = parts.table.channels(batch.app).await?;
            channels.insert(batch.app, all.into_iter().filter(|it| it.active).collect());
        }
        for notification in batch.notifications {
            for channel in &channels[&batch.app] {
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
