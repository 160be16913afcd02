//! A batch of deliveries, side by side; each channel is read once, as it is now.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use channels::Sender;
use channels::webhook::Webhook;
use domain::address::Allowed;
use domain::channel::{Channel, Target};
use domain::delivery::Outcome;
use domain::order::Delivery;
use domain::{AppId, ChannelId};
use entry::{Failure, Message, Queue, Secrets, clock};
use futures_util::{StreamExt, stream};
use table::{Attempt, Table};
use time::OffsetDateTime;

use crate::settle;

/// Attempts that are under way at once, and so the most that one slow receiver can hold up.
const AT_ONCE: usize = 50;

/// What the handler works with.
pub(crate) struct Parts {
    pub(crate) table: Table,
    pub(crate) secrets: Secrets,
    pub(crate) queue: Queue,
    pub(crate) client: reqwest::Client,
    pub(crate) allowed: Allowed,
}

/// A channel with its signing secret's bytes.
pub(crate) struct Receiver {
    pub(crate) channel: Channel,
    key: Vec<u8>,
}

type Receivers = HashMap<(AppId, ChannelId), Option<Receiver>>;

pub(crate) async fn handle(parts: &Parts, now: OffsetDateTime, messages: Vec<Message>) -> Vec<Result<(), Failure>> {
    let orders: Vec<Result<Delivery, Failure>> = messages.iter().map(|it| it.order("delivery")).collect();
    let receivers = match receivers(parts, &orders).await {
        Ok(it) => it,
        Err(error) => {
            let again = || Failure::Again(error.to_string().into());
            return orders.into_iter().map(|it| it.and_then(|_| Err(again()))).collect();
        }
    };
    let receivers = &receivers;
    let attempts = orders.into_iter().map(async |order| deliver(parts, receivers, now, order?).await);
    let outcomes: Vec<Result<Option<(AppId, Attempt)>, Failure>> =
        stream::iter(attempts).buffered(AT_ONCE).collect().await;

    let mut good: BTreeMap<AppId, Vec<Attempt>> = BTreeMap::new();
    for (app, attempt) in outcomes.iter().filter_map(|it| it.as_ref().ok()?.clone()) {
        good.entry(app).or_default().push(attempt);
    }
    let batch = messages.first().map_or_else(String::new, |it| it.id.clone());
    for (app, attempts) in &good {
        if let Err(error) = parts.table.put_segment(*app, attempts, &batch).await {
            // the receivers have them; only our own record is short
            tracing::error!(error = %entry::Chain(&error), "could not record {} deliveries", attempts.len());
        }
    }
    outcomes.into_iter().map(|it| it.map(|_| ())).collect()
}

/// One attempt. What went well at once is answered, to be recorded with the others of the batch.
async fn deliver(
    parts: &Parts,
    receivers: &Receivers,
    now: OffsetDateTime,
    order: Delivery,
) -> Result<Option<(AppId, Attempt)>, Failure> {
    let Some(Some(receiver)) = receivers.get(&(order.app, order.channel)) else { return Ok(None) };
    if order.attempt > 1 && settle::made(parts, &order).await? {
        return Ok(None); // the queue gave us this attempt twice
    }
    let Target::Webhook(target) = &receiver.channel.target;
    let webhook = Webhook { client: &parts.client, allowed: &parts.allowed, url: &target.url, key: &receiver.key };
    let began = Instant::now();
    let outcome = webhook.send(&order.notification, clock::now()).await;
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let (id, kind, at) = (&order.notification.id, &order.notification.kind, domain::millis(now));
    tracing::info!(notification.id = %id, channel.id = %order.channel, attempt = order.attempt, took_ms, "{kind} {id}: {outcome}");
    let good = order.attempt == 1 && matches!(outcome, Outcome::Delivered { .. });
    let attempt =
        Attempt { channel: order.channel, notification: id.clone(), attempt: order.attempt, at, took_ms, outcome };
    if good {
        return Ok(Some((order.app, attempt)));
    }
    settle::settle(parts, &receiver.channel, order, attempt, now).await.map(|()| None)
}

/// The channels of a batch that are still there and active.
async fn receivers(
    parts: &Parts,
    orders: &[Result<Delivery, Failure>],
) -> Result<Receivers, Box<dyn std::error::Error>> {
    let mut receivers = Receivers::new();
    for order in orders.iter().flatten() {
        let name = (order.app, order.channel);
        if receivers.contains_key(&name) {
            continue;
        }
        let channel = parts.table.channel(order.app, order.channel).await?.filter(|it| it.active);
        let receiver = match channel {
            None => None,
            Some(channel) => {
                let Target::Webhook(target) = &channel.target;
                let field = entry::secrets::channel_field(channel.id);
                let key = parts.secrets.open(order.app, &field, &target.secret).await?;
                Some(Receiver { channel, key })
            }
        };
        receivers.insert(name, receiver);
    }
    Ok(receivers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_events_decode() {
        let event = include_str!("../../../events/deliver-webhook.first-attempt.json");
        let event: serde_json::Value = serde_json::from_str(event).unwrap();
        let order: Delivery = serde_json::from_str(event["Records"][0]["body"].as_str().unwrap()).unwrap();
        assert_eq!((order.attempt, order.notification.kind.as_str()), (1, "item.completed"));
    }
}
