//! What waits in a channel, and its way to an open WebSocket: in order, by one sender at a time.

use std::time::Duration;

use channels::management::PostOutcome;
use domain::command::{PushCommand, delay_until};
use domain::millis;
use domain::notification_channel::{
    ChannelType, MAX_LIST_BYTES, MAX_NOTIFICATIONS, MAX_QUEUED, NotificationChannel, NotificationChannelId,
};
use entry::queue::{MAX_DELAY, QueueError};
use entry::{Queue, clock};
use inbox::connection_sender::{ConnectionSender, SendOutcome};
use oma::{ConnCheck, Document, Format};
use table::{DueEntry, DueWork, QueuedNotification, Table, TableError};
use time::OffsetDateTime;

/// How long one sender holds a channel, in milliseconds, and when it stops to begin another list.
const LEASE_MS: i64 = 15_000;
const DEADLINE_MS: i64 = 8_000;
/// The longest time until it is tried again, if the socket is not open yet, slow, or another sender holds the channel.
const MAX_RETRY_DELAY: time::Duration = time::Duration::MINUTE;
/// Rounds of sending what came meanwhile, and tries of a change against other writers.
const MAX_ROUNDS: usize = 20;
/// The most bytes of a notification: a list has to hold it.
const MAX_NOTIFICATION_BYTES: usize = MAX_LIST_BYTES - 1_000;

/// Puts notifications on channels, and sends them to open sockets.
#[derive(Clone)]
pub struct ChannelSender {
    pub table: Table,
    pub connections: ConnectionSender,
    push_queue: Queue,
}

/// What became of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnqueueOutcome {
    /// It waits, or is sent.
    Accepted,
    /// The channel does not exist any more.
    Gone,
    /// No list could carry it.
    TooLarge,
    /// Too many wait.
    Full,
}

/// What became of those that wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlushOutcome {
    /// None waits, or no socket is open: its opening flushes.
    Done,
    /// Some wait for another try.
    Later,
}

/// Why a channel could not be served.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    #[error("could not read or write the channel")]
    Table(#[from] TableError),
    #[error("a document does not fit its own type")]
    Document(#[from] oma::ReadError),
    #[error("could not queue what is left")]
    Queue(#[from] QueueError),
}

impl ChannelSender {
    pub fn new(connections: ConnectionSender, push_queue: Queue) -> Self {
        Self { table: connections.table.clone(), connections, push_queue }
    }

    /// Puts a notification on a channel, and sends it at once if its socket is open.
    ///
    /// # Errors
    /// If the table cannot be read or written: it may be on the channel nevertheless.
    pub async fn enqueue(
        &self,
        channel: &NotificationChannel,
        notification: &Document,
        now: OffsetDateTime,
    ) -> Result<EnqueueOutcome, ChannelError> {
        let stored = serde_json::to_string(notification).unwrap_or_default();
        // a poll may ask for it in either format
        if stored.len() > MAX_NOTIFICATION_BYTES || oma::write_xml(notification).len() > MAX_NOTIFICATION_BYTES {
            return Ok(EnqueueOutcome::TooLarge);
        }
        if self.is_full(channel).await? {
            return Ok(EnqueueOutcome::Full);
        }
        let Some(_) = self.table.enqueue_notification(channel, stored, now).await? else {
            return Ok(EnqueueOutcome::Gone);
        };
        if channel.channel_type == ChannelType::WebSockets {
            self.flush_or_retry(&channel.id, 0).await?;
        }
        Ok(EnqueueOutcome::Accepted)
    }

    /// Whether a channel holds as many as it may: those between its oldest and its newest place.
    ///
    /// # Errors
    /// If the table cannot be read.
    pub async fn is_full(&self, channel: &NotificationChannel) -> Result<bool, TableError> {
        if channel.queued < MAX_QUEUED {
            return Ok(false);
        }
        let oldest = self.table.queued_notifications(&channel.id, 1).await?;
        Ok(oldest.first().is_some_and(|it| channel.queued.saturating_sub(it.sequence) >= MAX_QUEUED))
    }

    /// Sends what waits in a channel, or queues another try: it is the `attempt`-th that failed.
    ///
    /// # Errors
    /// If the other try cannot be queued.
    pub async fn flush_or_retry(&self, id: &NotificationChannelId, attempt: u32) -> Result<(), QueueError> {
        let outcome = self.flush(id).await.unwrap_or_else(|error| {
            tracing::warn!("what waits in a channel is sent later: {}", entry::Chain(&error));
            FlushOutcome::Later
        });
        if outcome == FlushOutcome::Later {
            self.flush_later(id, attempt + 1).await?;
        }
        Ok(())
    }

    /// Queues a try to send what waits in a channel. The delay doubles with each attempt, up to a minute.
    ///
    /// # Errors
    /// If the queue does not take it.
    pub async fn flush_later(&self, id: &NotificationChannelId, attempt: u32) -> Result<(), QueueError> {
        let command = PushCommand::for_channel(id, false);
        let delay = time::Duration::seconds(1 << attempt.saturating_sub(1).min(6)).min(MAX_RETRY_DELAY);
        self.push_queue.send(&PushCommand { attempt, ..command }, delay).await
    }

    /// Sends what waits in a channel to its open socket: lists of at most `maxNotifications`, in order. One sender at a time
    /// holds the channel; at its end it looks for what came meanwhile.
    ///
    /// # Errors
    /// If the table cannot be read or written.
    pub async fn flush(&self, id: &NotificationChannelId) -> Result<FlushOutcome, TableError> {
        let deadline = millis(clock::now()) + DEADLINE_MS;
        for round in 0..MAX_ROUNDS as u64 {
            let now = millis(clock::now());
            if now > deadline {
                return Ok(FlushOutcome::Later);
            }
            let Some(mut channel) = self.table.notification_channel(id, now).await? else {
                return Ok(FlushOutcome::Done);
            };
            let Some(connection) = channel.connection.clone() else { return Ok(FlushOutcome::Done) };
            if channel.channel_type != ChannelType::WebSockets {
                return Ok(FlushOutcome::Done);
            }
            if channel.sender.as_ref().is_some_and(|(_, until)| *until > now) {
                return Ok(FlushOutcome::Later);
            }
            let (holder, queued) = (clock::random_alphanumeric(8), channel.queued);
            channel.sender = Some((holder.clone(), now + LEASE_MS));
            channel.revision += 1;
            if !self.table.replace_notification_channel(&channel).await? {
                clock::pause(Duration::from_millis(round * 5 + 2)).await;
                continue;
            }
            let outcome = self.send_all(&channel, &connection, deadline).await?;
            if outcome == SendOutcome::Gone && self.may_be_opening(&connection, now).await? {
                self.release(id, &holder, None).await?;
                return Ok(FlushOutcome::Later);
            }
            let closed = (outcome == SendOutcome::Gone).then_some(connection.as_str());
            let newest = self.release(id, &holder, closed).await?;
            match outcome {
                SendOutcome::Gone => return Ok(FlushOutcome::Done),
                SendOutcome::Busy(_) => return Ok(FlushOutcome::Later),
                SendOutcome::Accepted if newest.is_none_or(|it| it == queued) => return Ok(FlushOutcome::Done),
                SendOutcome::Accepted => {}
            }
        }
        Ok(FlushOutcome::Later)
    }

    /// Sends list after list until nothing waits. What was sent is deleted after it: a sender that dies sends it again.
    async fn send_all(
        &self,
        channel: &NotificationChannel,
        connection: &str,
        deadline: i64,
    ) -> Result<SendOutcome, TableError> {
        loop {
            if millis(clock::now()) > deadline {
                return Ok(SendOutcome::Busy("the time is over".to_owned()));
            }
            let waiting =
                self.table.queued_notifications(&channel.id, channel.max_notifications.min(MAX_NOTIFICATIONS)).await?;
            if waiting.is_empty() {
                return Ok(SendOutcome::Accepted);
            }
            if !self.still_holds(channel, connection).await? {
                return Ok(SendOutcome::Accepted); // a newer socket is the channel's only one
            }
            let (text, count) = list(channel, &waiting);
            match self.connections.management.post(connection, &text).await {
                PostOutcome::Posted => {}
                PostOutcome::Gone => return Ok(SendOutcome::Gone),
                PostOutcome::RetryLater(reason) => return Ok(SendOutcome::Busy(reason)),
                PostOutcome::Rejected(reason) => {
                    tracing::error!(error = reason, "a list of a channel was rejected: {reason}");
                    return Ok(SendOutcome::Busy(reason));
                }
            }
            if !self.still_holds(channel, connection).await? {
                return Ok(SendOutcome::Accepted); // it may have gone to a socket that was given up: the newer one gets it too
            }
            self.table.delete_queued(&channel.id, &waiting[..count]).await?;
        }
    }

    /// Whether this sender still holds the channel, and the socket is still its own.
    async fn still_holds(&self, channel: &NotificationChannel, connection: &str) -> Result<bool, TableError> {
        let now = self.table.notification_channel(&channel.id, 0).await?;
        Ok(now.is_some_and(|it| it.sender == channel.sender && it.connection.as_deref() == Some(connection)))
    }

    async fn may_be_opening(&self, connection: &str, now: i64) -> Result<bool, TableError> {
        let found = self.table.connection(connection).await?;
        Ok(found.is_some_and(|it| it.subscriber().may_be_opening(now)))
    }

    /// Ends the hold of a sender, and forgets a closed connection. The channel's count of notifications; `None` if the channel
    /// is gone.
    async fn release(
        &self,
        id: &NotificationChannelId,
        holder: &str,
        closed: Option<&str>,
    ) -> Result<Option<u64>, TableError> {
        let released = self
            .table
            .change_notification_channel(id, millis(clock::now()), |channel| {
                if channel.sender.as_ref().is_some_and(|it| it.0 == holder) {
                    channel.sender = None;
                }
                if closed.is_some() && channel.connection.as_deref() == closed {
                    channel.connection = None;
                }
            })
            .await?;
        Ok(released.map(|it| it.queued))
    }

    /// Ends a channel whose lifetime is over. If it is about to end, the client of an open socket is asked whether it is there.
    /// Looks again later if it is not over.
    ///
    /// # Errors
    /// If the table or the queue cannot be read or written.
    pub async fn expire(&self, id: &NotificationChannelId) -> Result<(), ChannelError> {
        let now = clock::now();
        let Some(channel) = self.table.notification_channel(id, 0).await? else { return Ok(()) };
        if channel.has_expired(millis(now)) {
            return Ok(self.delete(&channel).await?);
        }
        if channel.is_checked_later(millis(now)) {
            return Ok(());
        }
        let mut at = channel.check_at();
        if at <= millis(now) {
            self.check_connection(&channel, millis(now)).await?;
            at = channel.expires_at;
        }
        self.schedule_check(id, at, now).await?;
        self.table.change_notification_channel(id, millis(now), |it| it.next_check = at).await?;
        Ok(())
    }

    /// Has a channel looked after at a time, in milliseconds since 1970, to which its `next_check` is set after that. The queue delays
    /// it if it can, to the second.
    ///
    /// # Errors
    /// If the table or the queue cannot be written.
    pub async fn schedule_check(
        &self,
        id: &NotificationChannelId,
        at: i64,
        now: OffsetDateTime,
    ) -> Result<(), ChannelError> {
        let delay = delay_until(at, now);
        if delay > MAX_DELAY {
            return Ok(self.table.put_due(&DueEntry { at, work: DueWork::NotificationChannel(id.clone()) }).await?);
        }
        Ok(self.push_queue.send(&PushCommand::for_channel(id, true), delay).await?)
    }

    /// Sends a `connCheck` to an open socket (NC 5.3.17): its answer begins the lifetime anew.
    async fn check_connection(&self, channel: &NotificationChannel, now: i64) -> Result<(), TableError> {
        let Some(connection) = &channel.connection else { return Ok(()) };
        let check = ConnCheck { check_interval: None, new_channel_lifetime: Some(channel.granted) };
        let Ok(document) = Document::new("connCheck", &check) else { return Ok(()) };
        // first, as the answer may come at once
        let offer = |it: &mut NotificationChannel| it.offered_lifetime = Some(it.granted);
        self.table.change_notification_channel(&channel.id, now, offer).await?;
        match self.connections.management.post(connection, &write(channel, &document)).await {
            PostOutcome::Posted => {}
            other => tracing::info!(outcome = ?other, "a socket was not asked whether its client is there"),
        }
        Ok(())
    }

    /// Ends a channel: its socket is closed.
    ///
    /// # Errors
    /// If the table cannot be written.
    pub async fn delete(&self, channel: &NotificationChannel) -> Result<(), TableError> {
        // as it was at last: a socket may have been opened since it was read
        let deleted = self.table.delete_notification_channel(channel).await?;
        if let Some(connection) = deleted.and_then(|it| it.connection) {
            self.connections.management.close(&connection).await;
            self.table.delete_connection(&connection).await?;
        }
        Ok(())
    }
}

/// A document in a channel's encoding.
pub fn write(channel: &NotificationChannel, document: &Document) -> String {
    oma::write(document, if channel.xml { Format::Xml } else { Format::Json })
}

/// The list of the first that wait, as many as a message carries, and their number.
pub fn list(channel: &NotificationChannel, waiting: &[QueuedNotification]) -> (String, usize) {
    let (mut documents, mut count, mut bytes) = (Vec::new(), 0, 0);
    let most = usize::try_from(channel.max_notifications).unwrap_or(usize::MAX);
    for one in waiting.iter().take(most) {
        let document = match serde_json::from_str::<Document>(&one.document) {
            Ok(document) => document,
            Err(error) => {
                tracing::error!(%error, "a notification of a channel cannot be read and is left out");
                count += 1;
                continue;
            }
        };
        bytes += write(channel, &document).len();
        if count > 0 && bytes > MAX_NOTIFICATION_BYTES {
            break;
        }
        documents.push(document);
        count += 1;
    }
    (write(channel, &Document::notification_list(documents, false)), count)
}
