//! Publishing in an application's own stream, with deliveries that do not wait for the table's stream.
//!
//! Deliveries are queued first, and the notifications are stored after. So no crash comes between the two: a delivery
//! counts once the write that it names is found ([`domain::command::PendingWrite`]), and the row says that its deliveries
//! are queued, so that `dispatch` does not queue them again. That costs no write beside the notification's own.

use std::collections::HashMap;

use domain::channel::{Channel, Ordering};
use domain::command::{Delivery, PendingWrite};
use domain::notification::{NewNotification, Notification, Position, Stream, WriteKey, published_from};
use domain::{AppId, MAX_BATCH, split_by_size};
use entry::{Chain, DeliveryQueues, Start};
use futures_util::future::try_join3;
use inbox::socket_pusher::SocketPusher;
use table::{Table, TableError, WriterWork};
use time::{Duration, OffsetDateTime};

/// Deliveries that a publisher queues itself: ten requests to a queue. More are left to `dispatch`.
const MAX_DELIVERIES: usize = 100;

/// The most bytes of notifications that are stored in one row (DynamoDB: 400 KB), and so with one write.
const MAX_ROW_BYTES: usize = 300_000;

/// Publishes notifications of applications.
#[derive(Clone)]
pub struct Publisher {
    pub table: Table,
    delivery_queues: DeliveryQueues,
    /// For the sockets that receive the application's stream.
    pusher: SocketPusher,
}

impl Publisher {
    /// The publisher of a function that has the settings of the delivery queues and of its `pusher`.
    pub fn new(start: &mut Start, pusher: SocketPusher) -> Self {
        Self { table: pusher.table().clone(), delivery_queues: start.delivery_queues(), pusher }
    }

    /// Publishes notifications in an application's own stream, in as many rows as their size needs, and returns the position
    /// of each. `retry_since` is when an earlier attempt with the same `write_id` began, in milliseconds since 1970: what it
    /// has written is found, and not published again.
    ///
    /// # Errors
    /// If the table cannot be read or written.
    pub async fn publish(
        &self,
        app: AppId,
        new: &[NewNotification],
        write_id: &str,
        retry_since: Option<i64>,
        now: OffsetDateTime,
    ) -> Result<Vec<Position>, TableError> {
        let written = match retry_since {
            Some(since) => self.table.published_since(app, &Stream::App, since).await?,
            None => HashMap::new(),
        };
        let mut positions = Vec::with_capacity(new.len());
        let rows = split_by_size(new, MAX_ROW_BYTES, MAX_BATCH, |it| it.data.to_string().len() + 1_000);
        for (index, row) in rows.into_iter().enumerate() {
            let write_id = if index == 0 { write_id.to_owned() } else { format!("{write_id}.{index}") };
            let first = match written.get(&write_id) {
                Some(first) => *first,
                None => self.publish_row(app, row, &write_id, now).await?,
            };
            positions.extend((first.sequence..).take(row.len()).map(|sequence| Position { sequence, ..first }));
        }
        Ok(positions)
    }

    async fn publish_row(
        &self,
        app: AppId,
        new: &[NewNotification],
        write_id: &str,
        now: OffsetDateTime,
    ) -> Result<Position, TableError> {
        let stream = Stream::App;
        let position = self.table.next_position(app, &stream, now);
        let push_until = self.pusher.plan(app, &stream, new.len(), now);
        let (channels, first, push_until) = try_join3(self.table.channels(app), position, push_until).await?;
        let queued = self.queue(&channels, new, first, write_id, now).await;
        let handled = WriterWork { queued, push_until };
        let position = self.table.append_at(app, &stream, first, new, write_id, handled, now).await?;
        if push_until.is_some() {
            let write = WriteKey::new(domain::millis(now), write_id, &stream);
            self.pusher.push(app, &write, &stored_at(new, position, now), now).await;
        }
        Ok(position)
    }

    /// Queues the deliveries of notifications that are about to be stored. `false` leaves them to `dispatch`.
    async fn queue(
        &self,
        channels: &[Channel],
        new: &[NewNotification],
        first: Position,
        write_id: &str,
        now: OffsetDateTime,
    ) -> bool {
        let Some(deliveries) = pending_deliveries(channels, new, first, write_id, now) else { return false };
        let all: Vec<(&Delivery, Duration)> = deliveries.iter().map(|it| (it, Duration::ZERO)).collect();
        match self.delivery_queues.send(&all).await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!("the deliveries are left to `dispatch`: {}", Chain(&error));
                false
            }
        }
    }
}

/// The deliveries of notifications that will be stored from `first` on. `None` if `dispatch` has to queue them: there are
/// too many, or a channel gets some of them in order, for which the order in the table's stream counts.
fn pending_deliveries(
    channels: &[Channel],
    new: &[NewNotification],
    first: Position,
    write_id: &str,
    now: OffsetDateTime,
) -> Option<Vec<Delivery>> {
    let notifications = stored_at(new, first, now);
    let pending = PendingWrite { write_id: write_id.to_owned(), first: first.sequence, at: domain::millis(now) };
    let mut deliveries = Vec::new();
    for channel in channels {
        let accepted: Vec<&Notification> = notifications.iter().filter(|it| channel.accepts(it).is_ok()).collect();
        let in_order = channel.ordering == Ordering::Key && accepted.iter().any(|it| it.ordering_key().is_some());
        if in_order || deliveries.len() + accepted.len() > MAX_DELIVERIES {
            return None;
        }
        let delivery =
            |it: &Notification| Delivery { pending: Some(pending.clone()), ..Delivery::new(channel, it.clone()) };
        deliveries.extend(accepted.into_iter().map(delivery));
    }
    Some(deliveries)
}

/// Notifications as they are read again: their time is stored in milliseconds.
fn stored_at(new: &[NewNotification], first: Position, now: OffsetDateTime) -> Vec<Notification> {
    published_from(&Stream::App, first, new.to_vec(), domain::from_millis(domain::millis(now)))
}
