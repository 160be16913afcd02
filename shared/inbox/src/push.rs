//! Sending to the subscribers of a topic. The function that stores a notification does it at once; what it could not do,
//! and what others changed, `deliver-push` does.

use std::collections::BTreeMap;

use domain::command::{Push, PushCommand};
use domain::inbox::ReadState;
use domain::millis;
use domain::notification::Stream;
use domain::socket::{Protocol, Subscriber};
use entry::clock;
use futures_util::{StreamExt, stream};
use table::TableError;
use time::OffsetDateTime;

use crate::connection_sender::{ConnectionSender, SendOutcome};
use crate::frame::{self, Frame};
use crate::stream_reader::{list_unread, read_state_with_counts};

/// Concurrent sends of one command.
const MAX_CONCURRENT_SENDS: usize = 16;
/// Attempts for a slow connection.
pub const MAX_ATTEMPTS: u32 = 5;
/// Unread notifications that a legacy socket gets when it opens.
const MAX_UNREAD: usize = 1_000;

/// Sends a command to subscribers. Returns those to which it has to be sent again, later.
///
/// # Errors
/// If what is sent cannot be read from the table.
pub async fn push_to<'a>(
    sender: &ConnectionSender,
    command: &PushCommand,
    subscribers: &'a [Subscriber],
    now: OffsetDateTime,
) -> Result<Vec<&'a Subscriber>, TableError> {
    let texts = encode_messages(sender, command, subscribers).await?;
    let mut sends = Vec::with_capacity(subscribers.len());
    for subscriber in subscribers {
        let texts = texts.get(&subscriber.protocol).map(Vec::as_slice).unwrap_or_default();
        sends.push(try_send(sender, command, subscriber, texts, now));
    }
    let outcomes: Vec<Option<&Subscriber>> = stream::iter(sends).buffer_unordered(MAX_CONCURRENT_SENDS).collect().await;
    Ok(outcomes.into_iter().flatten().collect())
}

/// Sends messages to one subscriber; returns it if that has to be done again, later.
async fn try_send<'a>(
    sender: &ConnectionSender,
    command: &PushCommand,
    subscriber: &'a Subscriber,
    texts: &[String],
    now: OffsetDateTime,
) -> Option<&'a Subscriber> {
    match send(sender, command, subscriber, texts, now).await {
        Ok(true) => None,
        Ok(false) => Some(subscriber),
        Err(error) => {
            tracing::warn!("a send to a socket is retried: {error}");
            Some(subscriber)
        }
    }
}

/// The command that sends to one subscriber once more.
pub fn retry_command(command: &PushCommand, subscriber: &Subscriber) -> PushCommand {
    let only = Some(subscriber.key().to_owned());
    PushCommand { only, after: None, attempt: command.attempt + 1, unless_pushed: None, ..command.clone() }
}

/// The messages of a command, in each protocol that a subscriber uses.
async fn encode_messages(
    sender: &ConnectionSender,
    command: &PushCommand,
    subscribers: &[Subscriber],
) -> Result<BTreeMap<Protocol, Vec<String>>, TableError> {
    let is_used = |protocol: Protocol| subscribers.iter().any(|it| it.protocol == protocol);
    let mut texts = BTreeMap::new();
    if subscribers.is_empty() {
        return Ok(texts);
    }
    let table = &sender.table;
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
            let (read_state, counts) = read_state_with_counts(table, command.app, user, clock::now()).await?;
            if read_state.revision > *revision {
                return Ok(texts); // the command of the newer revision sends it
            }
            Frame::read_state(user, &read_state, counts)
        }
        Push::Greet => {
            let stream: Stream = command.channel.parse().unwrap_or(Stream::App);
            if let Stream::User(user) = &stream {
                let read_state = table.read_state(command.app, user).await?;
                let now = clock::now();
                let unread = list_unread(table, command.app, &stream, &read_state, false, MAX_UNREAD, now).await?;
                texts.insert(Protocol::Legacy, frame::encode_legacy(&unread, &read_state, now));
            }
            return Ok(texts);
        }
        // they send nothing to subscribers
        Push::Expire { .. } | Push::NotificationChannel { .. } | Push::MessageStore { .. } => return Ok(texts),
    };
    for protocol in [Protocol::Native, Protocol::SignalR] {
        if is_used(protocol) {
            texts.insert(protocol, frame.encode(protocol));
        }
    }
    Ok(texts)
}

/// Sends messages to one subscriber. `false`: later once more.
async fn send(
    sender: &ConnectionSender,
    command: &PushCommand,
    subscriber: &Subscriber,
    texts: &[String],
    now: OffsetDateTime,
) -> Result<bool, TableError> {
    if texts.is_empty() {
        return Ok(true);
    }
    match sender.send(subscriber, texts, &clock::random_alphanumeric(20), now).await? {
        SendOutcome::Accepted => Ok(true),
        // `$connect` may not have been answered yet
        SendOutcome::Gone if subscriber.may_be_opening(millis(now)) && command.attempt < MAX_ATTEMPTS => Ok(false),
        SendOutcome::Gone => {
            match sender.connection_of(subscriber).await? {
                Some(connection) => sender.unregister(&connection).await?,
                None => sender.table.delete_subscriber(command.app, &command.channel, subscriber.key()).await?,
            }
            Ok(true)
        }
        SendOutcome::Busy(reason) if command.attempt < MAX_ATTEMPTS => {
            tracing::info!("a socket is slow, the send is retried: {reason}");
            Ok(false)
        }
        SendOutcome::Busy(reason) => {
            // the client is too slow to follow: it connects again and resumes
            tracing::warn!("a socket is too slow and is closed: {reason}");
            sender.management.close(&subscriber.connection).await;
            Ok(true)
        }
    }
}
