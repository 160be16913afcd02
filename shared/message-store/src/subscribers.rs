//! Telling the subscriptions of a box what has changed (NMS 5.1.4, 6.19).

use domain::command::{EventListDelivery, PushCommand};
use domain::message_store::{
    BOX_CHANGED, BOX_RESET, BoxId, BoxSubscription, DEFAULT_EVENTS, MAX_EVENTS, MAX_WAITING_LISTS, Stored,
};
use domain::millis;
use domain::notification::Position;
use entry::queue::MAX_DELAY;
use entry::{Queue, clock};
use inbox::Cursor;
use inbox::stream_reader::find_gap;
use notification_channel::{ChannelError, ChannelSender};
use oma::{Document, Format, Link, NmsEvent, NmsEventList, ReadError, SearchCriteria};
use table::{QueuedNotification, Table, TableError};

use crate::filter::Filter;
use crate::replay::{Change, Room, choose};
use crate::shown::{event, subscription_url};

/// Changes that are read at a time.
const PAGE: usize = 100;
/// Lists of one subscription in one go, and tries against others that tell it at the same time.
const MAX_ROUNDS: usize = 200;
/// When what is left is told at first; the time doubles with each try, up to SQS's longest delay.
const RETRY_DELAY: time::Duration = time::Duration::seconds(2);
/// The most bytes of a list's events: a message of a WebSocket has to carry them, and a row of the table hold them.
const MAX_EVENT_BYTES: usize = 100_000;

/// Tells subscriptions.
#[derive(Clone)]
pub struct Subscribers {
    table: Table,
    channels: ChannelSender,
    push_queue: Queue,
    nms_queue: Queue,
}

/// Whether there is a place for a subscription's next list.
enum ListPlace {
    /// Where it is stored.
    At(u64),
    /// Too many wait: another try is needed.
    Full,
    /// Too many wait: whoever sends them has the next ones made.
    Waiting,
    /// Its channel is gone: nobody would be told (NMS 6.19: 404 ends the subscription).
    Gone,
}

impl Subscribers {
    /// `push_queue` is that of `deliver-push`, `nms_queue` that of `deliver-nms`.
    pub fn new(channels: ChannelSender, push_queue: Queue, nms_queue: Queue) -> Self {
        Self { table: channels.table.clone(), channels, push_queue, nms_queue }
    }

    /// Tells all subscriptions of a box what they have not been told yet. What cannot be told now is queued: it is the
    /// `attempt`-th try that failed.
    ///
    /// # Errors
    /// If the table cannot be read or written, or the queue not be written: a repeat goes on where this stopped.
    pub async fn notify(&self, in_box: &BoxId, attempt: u32) -> Result<(), ChannelError> {
        let mut is_left = false;
        for subscription in self.table.box_subscriptions(in_box).await? {
            is_left |= !self.notify_one(subscription.clone()).await?;
            if attempt > 0 && self.has_waiting(&subscription).await? {
                // whoever stored a list may have died before it was sent
                self.send(&subscription).await?;
            }
        }
        if is_left {
            let command = PushCommand { attempt: attempt + 1, ..PushCommand::for_box(in_box) };
            let delay = (RETRY_DELAY * (1_u32 << attempt.min(9))).min(MAX_DELAY);
            self.push_queue.send(&command, delay).await?;
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
            let place = match self.next_place(&current, millis(now)).await? {
                ListPlace::At(place) => place,
                ListPlace::Full => return Ok(false),
                ListPlace::Waiting => return Ok(true),
                ListPlace::Gone => {
                    self.table.delete_box_subscription(&in_box, id).await?;
                    return Ok(true);
                }
            };
            let list = list(&current, events, told)?;
            next.next_index += 1;
            let document = serde_json::to_string(&list).unwrap_or_default();
            let queued = QueuedNotification { sequence: place, at: millis(now), document };
            if self.table.put_told(&next, &queued).await? {
                self.send(&next).await?;
                subscription = Some(next);
            }
        }
        Ok(false)
    }

    async fn next_place(&self, subscription: &BoxSubscription, now_ms: i64) -> Result<ListPlace, TableError> {
        let Some(channel) = &subscription.channel else {
            let index = subscription.next_index;
            let oldest = self.table.oldest_event_list(&subscription.in_box, subscription.id).await?;
            let is_full = oldest.is_some_and(|it| index - it.sequence >= MAX_WAITING_LISTS);
            return Ok(if is_full { ListPlace::Waiting } else { ListPlace::At(index) });
        };
        let Some(channel) = self.table.notification_channel(channel, now_ms).await? else { return Ok(ListPlace::Gone) };
        if self.channels.is_full(&channel).await? {
            return Ok(ListPlace::Full);
        }
        let place = self.table.reserve_queue_place(&channel.id).await?;
        Ok(place.map_or(ListPlace::Gone, ListPlace::At))
    }

    /// Whether lists wait to be sent. Those of a poll wait for it.
    async fn has_waiting(&self, subscription: &BoxSubscription) -> Result<bool, TableError> {
        Ok(match &subscription.channel {
            Some(channel) => !self.table.queued_notifications(channel, 1).await?.is_empty(),
            None => self.table.oldest_event_list(&subscription.in_box, subscription.id).await?.is_some(),
        })
    }

    /// Sends what waits: to the channel's open socket, or by `deliver-nms` to another server.
    async fn send(&self, subscription: &BoxSubscription) -> Result<(), ChannelError> {
        match &subscription.channel {
            Some(channel) => self.channels.flush_or_retry(channel, 0).await?,
            None => {
                let delivery = EventListDelivery::new(&subscription.in_box, subscription.id);
                self.nms_queue.send(&delivery, time::Duration::ZERO).await?;
            }
        }
        Ok(())
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
        if let Some(reset) = page.iter().rev().find(|it| it.kind == BOX_RESET) {
            // nothing before it is there any more (NMS 5.3.2, `ResetBox`): filters do not matter
            return Ok(Some((vec![NmsEvent::ResetBox(())], reset.id.position())));
        }
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
        let room = Room { events: most, bytes: MAX_EVENT_BYTES };
        let size = |it: &Stored| event_bytes(&subscription.root, it);
        let told = choose(&changes, filter.as_ref(), created, replay_to, room, size);
        let Some(to) = told.to else { return Ok(None) };
        let epoch = page.iter().find(|it| it.id.sequence == to).map_or(subscription.told.epoch, |it| it.id.epoch);
        let events = told.things.iter().map(|it| event(&subscription.root, it)).collect();
        Ok(Some((events, Position { epoch, sequence: to })))
    }
}

/// The list of a subscription's next index (NMS 5.3.2, `NmsEventList`).
fn list(subscription: &BoxSubscription, events: Vec<NmsEvent>, told: Position) -> Result<Document, ReadError> {
    let in_box = &subscription.in_box;
    let href = subscription_url(&subscription.root, in_box, subscription.id);
    let list = NmsEventList {
        nms_event: events,
        callback_data: subscription.callback_data.clone(),
        index: Some(subscription.next_index),
        restart_token: Some(Cursor::encode(in_box.app, &in_box.stream(), told)),
        link: vec![Link { rel: "NmsSubscription".to_owned(), href }],
    };
    Document::new("nmsEventList", &list)
}

/// The bytes of a thing's event in XML, which has more than JSON.
fn event_bytes(root: &str, thing: &Stored) -> usize {
    let list = NmsEventList { nms_event: vec![event(root, thing)], ..NmsEventList::default() };
    Document::new("nmsEventList", &list).map_or(0, |it| oma::write(&it, Format::Xml).len())
}
