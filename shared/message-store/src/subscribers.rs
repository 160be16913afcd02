//! Telling the subscriptions of a box what has changed (NMS 5.1.4, 6.19).

use domain::command::{Push, PushCommand};
use domain::message_store::{BOX_CHANGED, BoxId, BoxSubscription, DEFAULT_EVENTS, MAX_EVENTS};
use domain::millis;
use domain::notification::Position;
use domain::notification_channel::MAX_QUEUED;
use entry::{Queue, clock};
use inbox::Cursor;
use inbox::stream_reader::find_gap;
use notification_channel::{ChannelError, ChannelSender};
use oma::{Document, Link, NmsEvent, NmsEventList, SearchCriteria};
use table::{QueuedNotification, Table, TableError};

use crate::filter::Filter;
use crate::replay::{Change, choose};
use crate::shown::{event, subscription_url};

/// Changes that are read at a time.
const PAGE: usize = 100;
/// Lists of one subscription in one go, and tries against others that tell it at the same time.
const MAX_ROUNDS: usize = 200;
/// When what is left is told.
const RETRY_DELAY: time::Duration = time::Duration::seconds(2);

/// Tells subscriptions.
#[derive(Clone)]
pub struct Subscribers {
    table: Table,
    channels: ChannelSender,
    push_queue: Queue,
}

impl Subscribers {
    pub fn new(channels: ChannelSender, push_queue: Queue) -> Self {
        Self { table: channels.table.clone(), channels, push_queue }
    }

    /// Tells all subscriptions of a box what they have not been told yet. What cannot be told now is queued.
    ///
    /// # Errors
    /// If the table cannot be read or written, or the queue not be written: a repeat goes on where this stopped.
    pub async fn notify(&self, in_box: &BoxId) -> Result<(), ChannelError> {
        let mut is_left = false;
        for subscription in self.table.box_subscriptions(in_box).await? {
            is_left |= !self.notify_one(subscription).await?;
        }
        if is_left {
            let what = Push::MessageStore { store: in_box.store.clone(), name: in_box.name.clone() };
            let command = PushCommand::new(in_box.app, in_box.stream().to_string(), what);
            self.push_queue.send(&command, RETRY_DELAY).await?;
        }
        Ok(())
    }

    /// Tells one subscription list after list; `false` if something is left.
    async fn notify_one(&self, first: BoxSubscription) -> Result<bool, ChannelError> {
        let (in_box, id) = (first.in_box.clone(), first.id);
        let mut subscription = Some(first);
        for _ in 0..MAX_ROUNDS {
            let now = clock::now();
            let current = match subscription.take() {
                Some(it) => Some(it),
                None => self.table.box_subscription(&in_box, id, millis(now)).await?,
            };
            let Some(current) = current else { return Ok(true) };
            if current.has_expired(millis(now)) {
                self.table.delete_box_subscription(&in_box, id).await?;
                return Ok(true);
            }
            let Some((events, told)) = self.next_events(&current).await? else { return Ok(true) };
            let mut next = BoxSubscription { told, revision: current.revision + 1, ..current.clone() };
            if events.is_empty() {
                // a filter hides them
                self.table.put_box_subscription(&next).await?;
                continue;
            }
            let Some(channel) = self.table.notification_channel(&current.channel, millis(now)).await? else {
                // its channel is gone: nobody would be told (NMS 6.19: 404 ends the subscription)
                self.table.delete_box_subscription(&in_box, id).await?;
                return Ok(true);
            };
            let waiting = self.table.queued_notifications(&channel.id, 1).await?;
            if waiting.first().is_some_and(|it| channel.queued.saturating_sub(it.sequence) >= MAX_QUEUED) {
                return Ok(false);
            }
            let list = self.list(&current, events, told);
            next.next_index += 1;
            let Some(place) = self.table.reserve_queue_place(&channel.id).await? else { continue };
            let document = serde_json::to_string(&list).unwrap_or_default();
            let queued = QueuedNotification { sequence: place, at: millis(now), document };
            if self.table.put_told(&next, &queued, channel.expires_at / 1_000 + 86_400).await? {
                self.channels.flush_or_retry(&channel.id, 0).await?;
                subscription = Some(next);
            }
        }
        Ok(false)
    }

    /// The events of the next list, none if a filter hides all, and the position behind them; `None` if nothing has changed.
    async fn next_events(
        &self,
        subscription: &BoxSubscription,
    ) -> Result<Option<(Vec<NmsEvent>, Position)>, TableError> {
        let (in_box, app) = (&subscription.in_box, subscription.in_box.app);
        let stream = in_box.stream();
        if let Some(from) = find_gap(&self.table, app, &stream, subscription.told).await? {
            // what the token follows is not known any more: the client reads the box anew
            let newest = self.table.head(app, &stream).await?.map(|it| it.last);
            let beginning = Position { epoch: 0, sequence: 0 };
            return Ok(Some((vec![NmsEvent::ResetBox(())], newest.or(from).unwrap_or(beginning))));
        }
        let page = self.table.notifications_after(app, &stream, subscription.told.sequence, PAGE).await?;
        let mut changes = Vec::with_capacity(page.len());
        for one in page.iter().filter(|it| it.kind == BOX_CHANGED) {
            let thing = match one.data["id"].as_u64() {
                Some(id) => self.table.stored(in_box, id).await?,
                None => None,
            };
            changes.push(Change { sequence: one.id.sequence, thing });
        }
        let criteria = subscription.filter.clone().and_then(|it| serde_json::from_value::<SearchCriteria>(it).ok());
        let filter = criteria.and_then(|it| Filter::new(&it).ok());
        let most = subscription.max_events.unwrap_or(DEFAULT_EVENTS).clamp(1, MAX_EVENTS);
        let most = usize::try_from(most).unwrap_or(PAGE);
        let (created, replay_to) = (subscription.created_seq, subscription.replay_to);
        let told = choose(&changes, filter.as_ref(), created, replay_to, most);
        let Some(to) = told.to else { return Ok(None) };
        let epoch = page.iter().find(|it| it.id.sequence == to).map_or(subscription.told.epoch, |it| it.id.epoch);
        let events = told.things.iter().map(|it| event(&subscription.root, it)).collect();
        Ok(Some((events, Position { epoch, sequence: to })))
    }

    /// The list of a subscription's next index (NMS 5.3.2, `NmsEventList`).
    fn list(&self, subscription: &BoxSubscription, events: Vec<NmsEvent>, told: Position) -> Document {
        let in_box = &subscription.in_box;
        let href = subscription_url(&subscription.root, in_box, subscription.id);
        let list = NmsEventList {
            nms_event: events,
            callback_data: subscription.callback_data.clone(),
            index: Some(subscription.next_index),
            restart_token: Some(Cursor::encode(in_box.app, &in_box.stream(), told)),
            link: vec![Link { rel: "NmsSubscription".to_owned(), href }],
        };
        let empty = || Document { root: "nmsEventList".to_owned(), namespace: None, value: serde_json::Value::Null };
        Document::new("nmsEventList", &list).unwrap_or_else(|error| {
            tracing::error!(%error, "a list of events does not fit its own type");
            empty()
        })
    }
}
