//! Push commands: sends a frame to the subscribers of a topic, page by page. What cannot be sent now is queued again.
//!
//! A push may fail without loss: the notification is stored in its stream. A client that missed it sees so by the next
//! sequence number, or by the next pong, and resumes.

use domain::command::{Push, PushCommand, delay_until};
use domain::message_store::BoxId;
use domain::millis;
use domain::notification::Stream;
use domain::notification_channel::NotificationChannelId;
use domain::socket::Subscriber;
use entry::{Message, MessageError, clock};
use futures_util::{StreamExt, stream};
use inbox::expiry;
use inbox::push::{MAX_ATTEMPTS, push_to, retry_command};
use time::{Duration, OffsetDateTime};

use crate::context::Context;

/// Subscribers that one query reads.
const PAGE_SIZE: i32 = 500;
/// How long an invocation with a single command starts further pages. The rest is queued as another command.
const MAX_PAGING_TIME: Duration = Duration::seconds(10);
/// Commands of a batch that run concurrently, each with 16 sends: together 64 (AWS, 2.6).
const MAX_CONCURRENT_COMMANDS: usize = 4;
/// The size of notifications that are sent together, in bytes of JSON: what is queued again must fit into a message of 1 MiB.
const MAX_MERGED: usize = 600_000;

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
        let is_mergeable = |it: &PushCommand| {
            let whole = it.only.is_none() && it.after.is_none() && it.unless_pushed.is_none();
            whole && matches!(it.what, Push::Notifications { .. })
        };
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
    if let Push::NotificationChannel { user, number, expires } = &command.what {
        let id = NotificationChannelId { app: command.app, user: user.clone(), number: *number };
        if *expires {
            context.channels.expire(&id).await?;
        }
        return Ok(context.channels.flush_or_retry(&id, command.attempt).await?);
    }
    if let Push::MessageStore { store, name } = &command.what {
        let in_box = BoxId { app: command.app, store: store.clone(), name: name.clone() };
        return Ok(context.subscribers.notify(&in_box, command.attempt).await?);
    }
    if let Some(write) = command.unless_pushed.take() {
        let writes = [(command.app, write.clone())];
        if !context.table.pushed_writes(&writes).await?.is_empty() {
            return Ok(());
        }
        push_all(context, now, command.clone(), is_single).await?;
        if let Push::Notifications { notifications } = &command.what
            && notifications.first().is_some_and(|it| matches!(it.id.stream, Stream::User(_)))
        {
            // the list of recent ones; of what is for everyone this is one topic of several
            context.table.record_pushed(command.app, &write, notifications).await?;
        }
        return Ok(());
    }
    push_all(context, now, command, is_single).await
}

/// Sends to the subscribers that a command names, or to all.
async fn push_all(
    context: &Context,
    now: OffsetDateTime,
    mut command: PushCommand,
    is_single: bool,
) -> Result<(), MessageError> {
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

/// Sends to a page of subscribers. A failed send is queued again alone, so that other subscribers and pages are not sent
/// again.
async fn push_page(
    context: &Context,
    now: OffsetDateTime,
    command: &PushCommand,
    subscribers: &[Subscriber],
) -> Result<(), MessageError> {
    let failed = push_to(&context.sender, command, subscribers, now).await?;
    if failed.is_empty() {
        return Ok(());
    }
    if command.only.is_some() && command.attempt >= MAX_ATTEMPTS {
        return Err(MessageError::Retry("a send to a socket failed".into())); // the table cannot be read or written
    }
    let retries: Vec<(PushCommand, Duration)> =
        failed.into_iter().map(|it| (retry_command(command, it), retry_delay(command.attempt))).collect();
    Ok(context.queue.send_all(&retries).await?)
}

/// The delay doubles with each attempt, and a random part of up to the same time spreads retries of sends that failed
/// together.
fn retry_delay(attempt: u32) -> Duration {
    let min_seconds = f64::from(1_u32 << (attempt - 1).min(4));
    Duration::seconds_f64((min_seconds * (1.0 + clock::random_fraction())).round())
}

#[cfg(test)]
mod tests {
    use domain::notification::{NewNotification, NotificationId};

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
            let notification = |sequence: &u64| {
                let id = NotificationId { stream: channel.parse().unwrap(), epoch: 1, sequence: *sequence };
                NewNotification::new("tick", serde_json::json!({})).published(id, OffsetDateTime::UNIX_EPOCH)
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
