//! One order: a page of a channel's receivers is told; what is left over comes again by itself.
//!
//! Nothing is lost here: the notification stands in its stream, and whoever was not reached sees that by the next number,
//! or by the next sign of life, and resumes.

use std::collections::BTreeMap;

use domain::command::{Push, PushCommand, delay_until};
use domain::inbox::ReadState;
use domain::millis;
use domain::notification::Stream;
use domain::socket::{Protocol, Subscriber};
use entry::{Failure, Message, Queue, clock};
use futures_util::{StreamExt, stream};
use inbox::connection_sender::{ConnectionSender, SendOutcome};
use inbox::expiry;
use inbox::frame::{self, Frame};
use inbox::stream_reader::{list_unread, read_state_with_counts};
use table::{Table, TableError};
use time::{Duration, OffsetDateTime};

/// Receivers that are read at once.
const PAGE_SIZE: i32 = 500;
/// How long an invocation that has one order alone begins further pages. What is left goes on with another order.
const MAX_PAGING_TIME: Duration = Duration::seconds(10);
/// Posts of one order, and orders, under way at once (AWS, 2.6: 64 posts).
const AT_ONCE: usize = 16;
const CONCURRENT_ORDERS: usize = 4;
/// News that goes out together, in bytes of JSON: what is left over of it must fit into a message of 1 MiB.
const MAX_MERGED: usize = 600_000;
/// Attempts for a receiver that is slow: 1, 2, 4 and 8 seconds later, and up to twice that.
const MAX_ATTEMPTS: u32 = 5;
/// Unread notifications that a seed's socket is told when it opens.
const MAX_UNREAD: usize = 1_000;

/// What the handler works with.
pub(crate) struct Context {
    pub(crate) table: Table,
    pub(crate) sender: ConnectionSender,
    pub(crate) queue: Queue,
}

pub(crate) async fn handle(context: &Context, now: OffsetDateTime, messages: Vec<Message>) -> Vec<Result<(), Failure>> {
    let orders: Vec<Result<PushCommand, Failure>> = messages.iter().map(|it| it.order("push order")).collect();
    let (work, indexes) = merge(&orders);
    let alone = work.len() == 1;
    let deliveries = work.into_iter().map(|it| deliver(context, now, it, alone));
    let outcomes: Vec<Result<(), Failure>> = stream::iter(deliveries).buffered(CONCURRENT_ORDERS).collect().await;
    let errors: Vec<Option<String>> = outcomes.iter().map(|it| it.as_ref().err().map(|it| format!("{it:?}"))).collect();
    let settled = |(order, place): (Result<PushCommand, Failure>, Option<usize>)| {
        order?;
        match place.and_then(|it| errors.get(it)?.clone()) {
            Some(why) => Err(Failure::Retry(why.into())),
            None => Ok(()),
        }
    };
    orders.into_iter().zip(indexes).map(settled).collect()
}

/// Orders as they are carried out, and which of them each message became: news of one stream goes out together, in order.
fn merge(orders: &[Result<PushCommand, Failure>]) -> (Vec<PushCommand>, Vec<Option<usize>>) {
    let mut work: Vec<PushCommand> = Vec::new();
    let mut indexes = Vec::with_capacity(orders.len());
    for order in orders {
        let Ok(order) = order else {
            indexes.push(None);
            continue;
        };
        let joins = |it: &PushCommand| {
            let first = |it: &PushCommand| it.only.is_none() && it.after.is_none();
            let news = |it: &PushCommand| matches!(it.what, Push::Notifications { .. });
            (it.app, &it.channel) == (order.app, &order.channel) && [it, order].iter().all(|it| first(it) && news(it))
        };
        let size = |it: &PushCommand| serde_json::to_string(&it.what).map_or(MAX_MERGED, |it| it.len());
        let place = work.iter().position(joins).filter(|it| size(&work[*it]) + size(order) < MAX_MERGED);
        match (place, &order.what) {
            (Some(at), Push::Notifications { notifications: more }) => {
                if let Push::Notifications { notifications } = &mut work[at].what {
                    notifications.extend(more.iter().cloned());
                    notifications.sort_by_key(|it| it.id.sequence);
                    notifications.dedup_by_key(|it| it.id.sequence);
                }
            }
            _ => work.push(order.clone()),
        }
        indexes.push(Some(place.unwrap_or(work.len() - 1)));
    }
    (work, indexes)
}

/// Tells the receivers of a channel, page by page. Beside other orders what follows the first page is handed over, so that
/// the shards of a broadcast go out side by side; alone, a page follows the other, which costs no request of the queue. If
/// this invocation dies the order comes again.
async fn deliver(context: &Context, now: OffsetDateTime, mut order: PushCommand, alone: bool) -> Result<(), Failure> {
    if let Push::Expire { user, at } = &order.what {
        return expire(context, &order, user, *at).await;
    }
    if let Some(key) = &order.only {
        let receiver = context.table.subscriber(order.app, &order.channel, key).await?;
        return deliver_page(context, now, &order, &Vec::from_iter(receiver)).await;
    }
    loop {
        let receivers = context.table.receivers(order.app, &order.channel, order.after.as_deref(), PAGE_SIZE).await?;
        let after = receivers.last().map(|it| it.key().to_owned()).filter(|_| receivers.len() == PAGE_SIZE as usize);
        let next = after.map(|after| PushCommand { after: Some(after), ..order.clone() });
        let hand_over = !alone || clock::now() - now > MAX_PAGING_TIME;
        if let Some(next) = next.as_ref().filter(|_| hand_over) {
            context.queue.send(next, Duration::ZERO).await?; // at once: another invocation begins with it meanwhile
        }
        deliver_page(context, now, &order, &receivers).await?;
        match next {
            Some(next) if !hand_over => order = next,
            _ => return Ok(()),
        }
    }
}

/// Deletes what has expired in an inbox: its sockets are told as of every mark.
async fn expire(context: &Context, order: &PushCommand, user: &str, at: i64) -> Result<(), Failure> {
    let now = clock::now();
    if at > millis(now) {
        return Ok(context.queue.send(order, delay_until(at, now)).await?); // a queue's clock may be ahead of ours
    }
    if expiry::delete_expired(&context.table, order.app, user, now).await? {
        Ok(())
    } else {
        Err(Failure::Retry("an inbox is changing all the time".into()))
    }
}

async fn deliver_page(
    parts: &Context,
    now: OffsetDateTime,
    order: &PushCommand,
    receivers: &[Subscriber],
) -> Result<(), Failure> {
    let texts = texts(parts, order, receivers).await?;
    let none = Vec::new();
    let told = receivers.iter().map(async |it| {
        let told = tell(parts, now, order, it, texts.get(&it.protocol).unwrap_or(&none)).await;
        match told {
            // one that fails is told again alone: the others, and the pages behind them, have nothing to do with it
            Err(failure) if order.only.is_none() => {
                tracing::warn!("a socket is told again: {failure:?}");
                let (next, wait) = again(order, it);
                Ok(parts.queue.send(&next, wait).await?)
            }
            other => other,
        }
    });
    let outcomes: Vec<Result<(), Failure>> = stream::iter(told).buffer_unordered(AT_ONCE).collect().await;
    outcomes.into_iter().collect()
}

/// The messages of an order, in each protocol that somebody needs.
async fn texts(
    context: &Context,
    order: &PushCommand,
    receivers: &[Subscriber],
) -> Result<BTreeMap<Protocol, Vec<String>>, TableError> {
    let wanted = |protocol: Protocol| receivers.iter().any(|it| it.protocol == protocol);
    let mut texts = BTreeMap::new();
    if receivers.is_empty() {
        return Ok(texts);
    }
    let frame = match &order.what {
        Push::Notifications { notifications } => {
            let Some(first) = notifications.first() else { return Ok(texts) };
            let stream = &first.id.stream;
            if wanted(Protocol::Seed) && matches!(stream, Stream::User(_)) {
                texts.insert(Protocol::Seed, frame::encode_legacy(notifications, &ReadState::default(), clock::now()));
            }
            Frame::notifications(order.app, stream, notifications, &ReadState::default(), clock::now())
        }
        Push::ReadState { user, revision } => {
            let (marks, counts) = read_state_with_counts(&context.table, order.app, user, clock::now()).await?;
            if marks.revision > *revision {
                return Ok(texts); // the order of that revision tells it
            }
            Frame::read_state(user, &marks, counts)
        }
        Push::Greet => {
            let stream: Stream = order.channel.parse().unwrap_or(Stream::App);
            if let Stream::User(user) = &stream {
                let marks = context.table.read_state(order.app, user).await?;
                let now = clock::now();
                let all = list_unread(&context.table, order.app, &stream, &marks, false, MAX_UNREAD, now).await?;
                texts.insert(Protocol::Seed, frame::encode_legacy(&all, &marks, now));
            }
            return Ok(texts);
        }
        Push::Expire { .. } => return Ok(texts), // it is for the inbox itself
    };
    for protocol in [Protocol::Native, Protocol::SignalR] {
        if wanted(protocol) {
            texts.insert(protocol, frame.texts(protocol));
        }
    }
    Ok(texts)
}

/// The order for one receiver that was not reached, and how long it waits: as long again at most, so that those that were
/// refused together do not come together.
fn again(order: &PushCommand, receiver: &Subscriber) -> (PushCommand, Duration) {
    let only = Some(receiver.key().to_owned());
    let next = PushCommand { only, after: None, attempt: order.attempt + 1, ..order.clone() };
    let min_seconds = f64::from(1_u32 << (order.attempt - 1).min(4));
    (next, Duration::seconds_f64((min_seconds * (1.0 + clock::random_fraction())).round()))
}

async fn tell(
    context: &Context,
    now: OffsetDateTime,
    order: &PushCommand,
    receiver: &Subscriber,
    texts: &[String],
) -> Result<(), Failure> {
    if texts.is_empty() {
        return Ok(());
    }
    match context.sender.tell(receiver, texts, &clock::random_alphanumeric(20), now).await? {
        SendOutcome::Accepted => Ok(()),
        // its `$connect` may not have been answered yet
        SendOutcome::Gone if receiver.may_be_opening(millis(now)) && order.attempt < MAX_ATTEMPTS => {
            let (next, wait) = again(order, receiver);
            Ok(context.queue.send(&next, wait).await?)
        }
        SendOutcome::Gone => {
            match context.sender.connection_of(receiver).await? {
                Some(connection) => context.sender.unregister(&connection).await?,
                None => context.table.delete_subscriber(order.app, &order.channel, receiver.key()).await?,
            }
            Ok(())
        }
        SendOutcome::Busy(why) if order.attempt < MAX_ATTEMPTS => {
            tracing::info!("a socket is slow, and is told again: {why}");
            let (next, wait) = again(order, receiver);
            Ok(context.queue.send(&next, wait).await?)
        }
        SendOutcome::Busy(why) => {
            // it is too slow to follow: closed, it comes back and resumes
            tracing::warn!("a socket is too slow and is closed: {why}");
            context.sender.management.close(&receiver.connection).await;
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
        let order: PushCommand = serde_json::from_str(event["Records"][0]["body"].as_str().unwrap()).unwrap();
        assert_eq!((order.channel.as_str(), order.attempt), ("user:123", 1));
        assert!(
            matches!(&order.what, Push::Notifications { notifications } if notifications[0].kind == "message.received")
        );
        let event: serde_json::Value =
            serde_json::from_str(include_str!("../../../events/deliver-push.expire.json")).unwrap();
        let order: PushCommand = serde_json::from_str(event["Records"][0]["body"].as_str().unwrap()).unwrap();
        assert!(matches!(&order.what, Push::Expire { user, at: 1_764_324_000_000 } if user == "123"));
    }

    #[test]
    fn news_of_one_stream_goes_out_together_and_in_order() {
        let order = |channel: &str, numbers: &[u64], only: Option<&str>| {
            let notification = |sequence: &u64| domain::notification::Notification {
                id: domain::notification::NotificationId {
                    stream: channel.parse().unwrap(),
                    epoch: 1,
                    sequence: *sequence,
                },
                kind: "tick".into(),
                timestamp: OffsetDateTime::UNIX_EPOCH,
                data: serde_json::json!({}),
            };
            let what = Push::Notifications { notifications: numbers.iter().map(notification).collect() };
            let app = domain::AppId::random([1; 16]);
            Ok(PushCommand { only: only.map(str::to_owned), ..PushCommand::new(app, channel.to_owned(), what) })
        };
        let broken = Err(Failure::DeadLetter("no order".into()));
        let orders = [
            order("user:a", &[3, 4], None),
            order("user:b", &[1], None),
            broken,
            order("user:a", &[2, 3], None),
            order("user:a", &[1], Some("x")),
        ];
        let (work, places) = merge(&orders);
        assert_eq!(places, [Some(0), Some(1), None, Some(0), Some(2)]);
        let numbers = |it: &PushCommand| match &it.what {
            Push::Notifications { notifications } => {
                notifications.iter().map(|it| it.id.sequence).collect::<Vec<u64>>()
            }
            _ => Vec::new(),
        };
        assert_eq!(work.iter().map(numbers).collect::<Vec<_>>(), [vec![2, 3, 4], vec![1], vec![1]]);
    }
}
