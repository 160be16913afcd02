//! One order: a page of a channel's receivers is told; what is left over comes again by itself.
//!
//! Nothing is lost here: the notification stands in its stream, and whoever was not reached sees that by the next number,
//! or by the next sign of life, and resumes.

use std::collections::BTreeMap;

use domain::inbox::Marks;
use domain::millis;
use domain::notification::Stream;
use domain::order::{Push, PushOrder};
use domain::socket::{Protocol, Receiver};
use entry::{Failure, Message, Queue, clock};
use futures_util::{StreamExt, stream};
use inbox::frame::{self, Frame};
use inbox::reading::{bounds, unread};
use inbox::sending::{Lines, Sent};
use table::{Table, TableError};
use time::{Duration, OffsetDateTime};

/// Receivers of one invocation: an order for more goes on where it stopped.
const PAGE: i32 = 500;
/// Posts under way at once (AWS, 2.6).
const AT_ONCE: usize = 64;
/// Attempts for a receiver that is slow: 1, 2, 4 and 8 seconds later.
const ATTEMPTS: u32 = 5;
/// Unread notifications that a seed's socket is told when it opens.
const MOST_UNREAD: usize = 1_000;

/// What the handler works with.
pub(crate) struct Parts {
    pub(crate) table: Table,
    pub(crate) lines: Lines,
    pub(crate) queue: Queue,
}

pub(crate) async fn handle(parts: &Parts, now: OffsetDateTime, message: Message) -> Result<(), Failure> {
    let order: PushOrder = message.order("push order")?;
    let receivers = match &order.only {
        Some(key) => parts.table.receiver(order.app, &order.channel, key).await?.into_iter().collect(),
        None => parts.table.receivers(order.app, &order.channel, order.after.as_deref(), PAGE).await?,
    };
    if order.only.is_none() && receivers.len() == PAGE as usize {
        // first what is left, so that nobody is forgotten if this invocation dies
        let after = receivers.last().map(|it| it.key().to_owned());
        parts.queue.send(&PushOrder { after, ..order.clone() }, Duration::ZERO).await?;
    }
    let texts = texts(parts, &order, &receivers).await?;
    let none = Vec::new();
    let told = receivers.iter().map(|it| tell(parts, now, &order, it, texts.get(&it.protocol).unwrap_or(&none)));
    let outcomes: Vec<Result<(), Failure>> = stream::iter(told).buffer_unordered(AT_ONCE).collect().await;
    outcomes.into_iter().collect()
}

/// The messages of an order, in each protocol that somebody needs.
async fn texts(
    parts: &Parts,
    order: &PushOrder,
    receivers: &[Receiver],
) -> Result<BTreeMap<Protocol, Vec<String>>, TableError> {
    let wanted = |protocol: Protocol| receivers.iter().any(|it| it.protocol == protocol);
    let mut texts = BTreeMap::new();
    if receivers.is_empty() {
        return Ok(texts);
    }
    let frame = match &order.what {
        Push::News { notifications } => {
            let Some(first) = notifications.first() else { return Ok(texts) };
            let stream = &first.id.stream;
            if wanted(Protocol::Seed) && matches!(stream, Stream::User(_)) {
                texts.insert(Protocol::Seed, frame::seed(notifications, &Marks::default()));
            }
            Frame::notifications(order.app, stream, notifications, &Marks::default())
        }
        Push::Marks { user, marks } => {
            let (floor, head) = bounds(&parts.table, order.app, &Stream::User(user.clone())).await?;
            Frame::marks(user, marks, marks.counts(floor, head))
        }
        Push::Greet => {
            if let Some(Ok(stream @ Stream::User(_))) = order.channel.parse::<Stream>().ok().map(Ok::<_, ()>) {
                let Stream::User(user) = &stream else { return Ok(texts) };
                let marks = parts.table.marks(order.app, user).await?;
                let all = unread(&parts.table, order.app, &stream, &marks, false, MOST_UNREAD).await?;
                texts.insert(Protocol::Seed, frame::seed(&all, &marks));
            }
            return Ok(texts);
        }
    };
    for protocol in [Protocol::Native, Protocol::SignalR] {
        if wanted(protocol) {
            texts.insert(protocol, frame.texts(protocol));
        }
    }
    Ok(texts)
}

async fn tell(
    parts: &Parts,
    now: OffsetDateTime,
    order: &PushOrder,
    receiver: &Receiver,
    texts: &[String],
) -> Result<(), Failure> {
    if texts.is_empty() {
        return Ok(());
    }
    let again = || {
        let only = Some(receiver.key().to_owned());
        let next = PushOrder { only, after: None, attempt: order.attempt + 1, ..order.clone() };
        let wait = Duration::seconds(1 << (order.attempt - 1).min(4));
        (next, wait)
    };
    match parts.lines.tell(receiver, texts, &clock::word(20), now).await? {
        Sent::Done => Ok(()),
        // its `$connect` may not have been answered yet
        Sent::Gone if receiver.is_young(millis(now)) && order.attempt < ATTEMPTS => {
            let (next, wait) = again();
            Ok(parts.queue.send(&next, wait).await?)
        }
        Sent::Gone => {
            match parts.lines.connection_of(receiver).await? {
                Some(connection) => parts.lines.forget(&connection).await?,
                None => parts.table.drop_receiver(order.app, &order.channel, receiver.key()).await?,
            }
            Ok(())
        }
        Sent::Busy(why) if order.attempt < ATTEMPTS => {
            tracing::info!("a socket is slow, and is told again: {why}");
            let (next, wait) = again();
            Ok(parts.queue.send(&next, wait).await?)
        }
        Sent::Busy(why) => {
            // it is too slow to follow: closed, it comes back and resumes
            tracing::warn!("a socket is too slow and is closed: {why}");
            parts.lines.posts.close(&receiver.connection).await;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_event_decodes() {
        let event: serde_json::Value =
            serde_json::from_str(include_str!("../../../events/deliver-push.news.json")).unwrap();
        let order: PushOrder = serde_json::from_str(event["Records"][0]["body"].as_str().unwrap()).unwrap();
        assert_eq!((order.channel.as_str(), order.attempt), ("user:123", 1));
        assert!(matches!(order.what, Push::News { notifications } if notifications[0].kind == "message.received"));
    }
}
