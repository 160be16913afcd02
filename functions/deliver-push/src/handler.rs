//! Push commands: sends a frame to the subscribers of a topic, page by page. What cannot be sent now is queued again.
//!
//! A push may fail without loss: the notification is stored in its stream. A client that missed it sees so by the next
//! sequence number, or by the next pong, and resumes.

use std::collections::BTreeMap;

use domain::command::{Push, PushCommand, delay_until};
use domain::inbox::ReadState;
use domain::millis;
use domain::notification::Stream;
use domain::socket::{Protocol, Subscriber};
use entry::{Message, MessageError, clock};
use futures_util::{StreamExt, stream};
use inbox::connection_sender::SendOutcome;
use inbox::expiry;
use inbox::frame::{self, Frame};
use inbox::stream_reader::{list_unread, read_state_with_counts};
use table::TableError;
use time::{Duration, OffsetDateTime};

use crate::context::Context;

/// Subscribers that one query reads.
const PAGE_SIZE: i32 = 500;
/// How long an invocation with a single command starts further pages. The rest is queued as another command.
const MAX_PAGING_TIME: Duration = Duration::seconds(10);
/// Concurrent sends of one command; with [`MAX_CONCURRENT_COMMANDS`] there are 64 (AWS, 2.6).
const MAX_CONCURRENT_SENDS: usize = 16;
/// Commands of a batch that run concurrently.
const MAX_CONCURRENT_COMMANDS: usize = 4;
/// The size of notifications that are sent together, in bytes of JSON: what is queued again must fit into a message of 1 MiB.
const MAX_MERGED: usize = 600_000;
/// Attempts for a slow connection: after 1, 2, 4 and 8 seconds, and up to twice that.
const MAX_ATTEMPTS: u32 = 5;
/// Unread notifications that a legacy socket gets when it opens.
const MAX_UNREAD: usize = 1_000;

/// Handles a batch. One outcome per message, in their order.
pub(crate) async fn handle(
    context: &Context,
    now: OffsetDateTime,
    messages: Vec<Message>,
) -> Vec<Result<(), MessageError>> {
    let commands: Vec<Result<PushCommand, MessageError>> =
        messages.iter().map(|message| message.command("push command")).collect();
    let (merged, indexes) = merge(&commands);
    let is_single = merged.len() == 1;
    let pushes = merged.into_iter().map(|command| push(context, now, command, is_single));
    let outcomes: Vec<Result<(), MessageError>> =
        stream::iter(pushes).buffered(MAX_CONCURRENT_COMMANDS).collect().await;
    let errors: Vec<Option<String>> =
        outcomes.iter().map(|outcome| outcome.as_ref().err().map(|error| format!("{error:?}"))).collect();
    let outcome_of = |(command, index): (Result<PushCommand, MessageError>, Option<usize>)| {
        command?;
        match index.and_then(|index| errors.get(index)?.clone()) {
            Some(reason) => Err(MessageError::Retry(reason.into())),
            None => Ok(()),
        }
    };
    commands.into_iter().zip(indexes).map(outcome_of).collect()
}

/// Merges the notifications of one topic into one command, in order. Returns the commands, and for each message the index of
/// its command.
fn merge(commands: &[Result<PushCommand, MessageError>]) -> (Vec<PushCommand>, Vec<Option<usize>>) {
    let mut merged: Vec<PushCommand> = Vec::new();
    let mut indexes = Vec::with_capacity(commands.len());
    for command in commands {
        let Ok(command) = command else {
            indexes.push(None);
            continue;
        };
        let is_mergeable =
            |it: &PushCommand| it.only.is_none() && it.after.is_none() && matches!(it.what, Push::Notifications { .. });
        let size = |it: &PushCommand| serde_json::to_string(&it.what).map_or(MAX_MERGED, |json| json.len());
        let joins = |other: &PushCommand| {
            let same_topic = (other.app, &other.channel) == (command.app, &command.channel);
            same_topic && is_mergeable(other) && is_mergeable(command)
        };
        let index = merged.iter().position(joins).filter(|index| size(&merged[*index]) + size(command) < MAX_MERGED);
        match (index, &command.what) {
            (Some(index), Push::Notifications { notifications: more }) => {
                if let Push::Notifications { notifications } = &mut merged[index].what {
                    notifications.extend(more.iter().cloned());
                    notifications.sort_by_key(|it| it.id.sequence);
                    notifications.dedup_by_key(|it| it.id.sequence);
                }
            }
            _ => merged.push(command.clone()),
        }
        indexes.push(Some(index.unwrap_or(merged.len() - 1)));
    }
    (merged, indexes)
}

/// Sends to the subscribers of a topic, page by page. Beside other commands the pages after the first one are queued, so that
/// the shards of a broadcast run concurrently; a single command sends page after page, which needs no request to the queue.
/// If this invocation fails, SQS delivers the command again.
async fn push(
    context: &Context,
    now: OffsetDateTime,
    mut command: PushCommand,
    is_single: bool,
) -> Result<(), MessageError> {
    if let Push::Expire { user, at } = &command.what {
        return expire(context, &command, user, *at).await;
    }
    if let Some(key) = &command.only {
        let subscriber = context.table.subscriber(command.app, &command.channel, key).await?;
        return push_page(context, now, &command, &Vec::from_iter(subscriber)).await;
    }
    loop {
        let after = command.after.as_deref();
        let page = context.table.subscribers(command.app, &command.channel, after, PAGE_SIZE).await?;
        let after = page.last().map(|it| it.key().to_owned()).filter(|_| page.len() == PAGE_SIZE as usize);
        let next = after.map(|after| PushCommand { after: Some(after), ..command.clone() });
        let enqueue_next = !is_single || clock::now() - now > MAX_PAGING_TIME;
        if let Some(next) = next.as_ref().filter(|_| enqueue_next) {
            context.queue.send(next, Duration::ZERO).await?; // first, so that another invocation starts with it meanwhile
        }
        push_page(context, now, &command, &page).await?;
        match next {
            Some(next) if !enqueue_next => command = next,
            _ => return Ok(()),
        }
    }
}

/// Deletes what has expired in an inbox. The write itself makes `dispatch` push the new read state.
async fn expire(context: &Context, command: &PushCommand, user: &str, at: i64) -> Result<(), MessageError> {
    let now = clock::now();
    if at > millis(now) {
        return Ok(context.queue.send(command, delay_until(at, now)).await?); // the clock of the queue may be ahead of ours
    }
    if expiry::delete_expired(&context.table, command.app, user, now).await? {
        Ok(())
    } else {
        Err(MessageError::Retry("an inbox is changing all the time".into()))
    }
}

async fn push_page(
    context: &Context,
    now: OffsetDateTime,
    command: &PushCommand,
    subscribers: &[Subscriber],
) -> Result<(), MessageError> {
    let texts = encode_messages(context, command, subscribers).await?;
    let none = Vec::new();
    let sends = subscribers.iter().map(async |subscriber| {
        let outcome = send(context, now, command, subscriber, texts.get(&subscriber.protocol).unwrap_or(&none)).await;
        match outcome {
            // the failed send is retried alone, so that other subscribers and pages are not sent again
            Err(failure) if command.only.is_none() => {
                tracing::warn!("a send to a socket is retried: {failure:?}");
                retry(context, command, subscriber).await
            }
            other => other,
        }
    });
    let outcomes: Vec<Result<(), MessageError>> =
        stream::iter(sends).buffer_unordered(MAX_CONCURRENT_SENDS).collect().await;
    outcomes.into_iter().collect()
}

/// The messages of a command, in each protocol that a subscriber uses.
async fn encode_messages(
    context: &Context,
    command: &PushCommand,
    subscribers: &[Subscriber],
) -> Result<BTreeMap<Protocol, Vec<String>>, TableError> {
    let is_used = |protocol: Protocol| subscribers.iter().any(|it| it.protocol == protocol);
    let mut texts = BTreeMap::new();
    if subscribers.is_empty() {
        return Ok(texts);
    }
    let frame = match &command.what {
        Push::Notifications { notifications } => {
            let Some(first) = notifications.first() else { return Ok(texts) };
            let (stream, unread) = (&first.id.stream, ReadState::default());
            if is_used(Protocol::Legacy) && matches!(stream, Stream::User(_)) {
                texts.insert(Protocol::Legacy, frame::encode_legacy(notifications, &unread, clock::now()));
            }
            Frame::notifications(command.app, stream, notifications, &unread, clock::now())
        }
        Push::ReadState { user, revision } => {
            let (read_state, counts) = read_state_with_counts(&context.table, command.app, user, clock::now()).await?;
            if read_state.revision > *revision {
                return Ok(texts); // the command of the newer revision sends it
            }
            Frame::read_state(user, &read_state, counts)
        }
        Push::Greet => {
            let stream: Stream = command.channel.parse().unwrap_or(Stream::App);
            if let Stream::User(user) = &stream {
                let read_state = context.table.read_state(command.app, user).await?;
                let (now, table) = (clock::now(), &context.table);
                let unread = list_unread(table, command.app, &stream, &read_state, false, MAX_UNREAD, now).await?;
                texts.insert(Protocol::Legacy, frame::encode_legacy(&unread, &read_state, now));
            }
            return Ok(texts);
        }
        Push::Expire { .. } => return Ok(texts), // it changes the inbox, and sends nothing
    };
    for protocol in [Protocol::Native, Protocol::SignalR] {
        if is_used(protocol) {
            texts.insert(protocol, frame.encode(protocol));
        }
    }
    Ok(texts)
}

/// Queues a command again for one subscriber. The delay doubles with each attempt, and a random part of up to the same time
/// spreads retries of sends that failed together.
async fn retry(context: &Context, command: &PushCommand, subscriber: &Subscriber) -> Result<(), MessageError> {
    let only = Some(subscriber.key().to_owned());
    let next = PushCommand { only, after: None, attempt: command.attempt + 1, ..command.clone() };
    let min_seconds = f64::from(1_u32 << (command.attempt - 1).min(4));
    let delay = Duration::seconds_f64((min_seconds * (1.0 + clock::random_fraction())).round());
    Ok(context.queue.send(&next, delay).await?)
}

async fn send(
    context: &Context,
    now: OffsetDateTime,
    command: &PushCommand,
    subscriber: &Subscriber,
    texts: &[String],
) -> Result<(), MessageError> {
    if texts.is_empty() {
        return Ok(());
    }
    match context.sender.send(subscriber, texts, &clock::random_alphanumeric(20), now).await? {
        SendOutcome::Accepted => Ok(()),
        // `$connect` may not have been answered yet
        SendOutcome::Gone if subscriber.may_be_opening(millis(now)) && command.attempt < MAX_ATTEMPTS => {
            retry(context, command, subscriber).await
        }
        SendOutcome::Gone => {
            match context.sender.connection_of(subscriber).await? {
                Some(connection) => context.sender.unregister(&connection).await?,
                None => context.table.delete_subscriber(command.app, &command.channel, subscriber.key()).await?,
            }
            Ok(())
        }
        SendOutcome::Busy(reason) if command.attempt < MAX_ATTEMPTS => {
            tracing::info!("a socket is slow, the send is retried: {reason}");
            retry(context, command, subscriber).await
        }
        SendOutcome::Busy(reason) => {
            // the client is too slow to follow: it connects again and resumes
            tracing::warn!("a socket is too slow and is closed: {reason}");
            context.sender.management.close(&subscriber.connection).await;
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
        let command: PushCommand = serde_json::from_str(event["Records"][0]["body"].as_str().unwrap()).unwrap();
        assert_eq!((command.channel.as_str(), command.attempt), ("user:123", 1));
        assert!(
            matches!(&command.what, Push::Notifications { notifications } if notifications[0].kind == "message.received")
        );
        let event: serde_json::Value =
            serde_json::from_str(include_str!("../../../events/deliver-push.expire.json")).unwrap();
        let command: PushCommand = serde_json::from_str(event["Records"][0]["body"].as_str().unwrap()).unwrap();
        assert!(matches!(&command.what, Push::Expire { user, at: 1_764_324_000_000 } if user == "123"));
    }

    #[test]
    fn news_of_one_stream_goes_out_together_and_in_order() {
        let command = |channel: &str, numbers: &[u64], only: Option<&str>| {
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
        let broken = Err(MessageError::DeadLetter("no order".into()));
        let commands = [
            command("user:a", &[3, 4], None),
            command("user:b", &[1], None),
            broken,
            command("user:a", &[2, 3], None),
            command("user:a", &[1], Some("x")),
        ];
        let (merged, indexes) = merge(&commands);
        assert_eq!(indexes, [Some(0), Some(1), None, Some(0), Some(2)]);
        let numbers = |command: &PushCommand| match &command.what {
            Push::Notifications { notifications } => {
                notifications.iter().map(|it| it.id.sequence).collect::<Vec<u64>>()
            }
            _ => Vec::new(),
        };
        assert_eq!(merged.iter().map(numbers).collect::<Vec<_>>(), [vec![2, 3, 4], vec![1], vec![1]]);
    }
}
