//! Sends to open sockets what this function has stored itself, so that it does not wait for the table's stream.
//!
//! The row says until when its writer pushes; the writer records that it did. Without the record `dispatch` has it pushed
//! as ever. So a kill at any step costs at most a repeated push, and never the push.
//!
//! The record costs a write unit, which a batch shares. So single notifications are pushed at once at a bounded rate; in a
//! burst `dispatch` pushes them in batches, which is cheaper, and hardly later than the burst itself.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use domain::command::{Push, PushCommand};
use domain::notification::{Notification, Stream, WriteKey};
use domain::socket::{BROADCAST_SHARDS, broadcast_topic};
use domain::{AppId, millis};
use entry::{Chain, Queue, Start, TtlCache};
use futures_util::future::try_join_all;
use table::{Table, TableError};
use time::OffsetDateTime;

use crate::connection_sender::ConnectionSender;
use crate::presence::Presence;
use crate::push::{push_to, retry_command};

/// Until when a writer pushes, in milliseconds after its write. It ends well before.
const LEASE_MS: i64 = 5_000;
const MAX_PUSH_TIME: Duration = Duration::from_secs(3);
/// Subscribers of a topic to which a writer sends itself. The rest is queued.
const PAGE_SIZE: i32 = 500;
/// Writes of fewer notifications than this count against the [`Allowance`]: the record costs each of them more than a
/// tenth of a write unit.
const MIN_BATCH: usize = 10;
/// Single writes that are pushed at once: so many a second, and so many in a row after a rest.
const SINGLE_WRITES_PER_SECOND: f64 = 10.0;
const MAX_SINGLE_WRITES_AT_ONCE: f64 = 20.0;
/// How long it is cached that an application has no connections: a second costs hardly a read, and who connects waits for
/// `dispatch` no longer.
const WITHOUT_CONNECTIONS_TTL: Duration = Duration::from_secs(1);
const MAX_CACHED: usize = 1_000;
/// The delay of the first retry of a send.
const RETRY_DELAY: time::Duration = time::Duration::SECOND;

/// Pushes for the functions that store notifications.
#[derive(Clone)]
pub struct SocketPusher {
    sender: ConnectionSender,
    /// The queue of `deliver-push`.
    queue: Queue,
    presence: Arc<Presence>,
    /// Applications that had no connections a moment ago: what is stored for these meanwhile is `dispatch`'s, which looks.
    without_connections: Arc<TtlCache<AppId, ()>>,
    allowance: Arc<Mutex<Allowance>>,
}

/// How many single writes may still be pushed at once, in this environment.
struct Allowance {
    left: f64,
    at: Instant,
}

impl Allowance {
    fn new(now: Instant) -> Self {
        Self { left: MAX_SINGLE_WRITES_AT_ONCE, at: now }
    }

    /// Takes one, if there is one.
    fn take(&mut self, now: Instant) -> bool {
        let earned = now.saturating_duration_since(self.at).as_secs_f64() * SINGLE_WRITES_PER_SECOND;
        (self.left, self.at) = ((self.left + earned).min(MAX_SINGLE_WRITES_AT_ONCE), now);
        let granted = self.left >= 1.0;
        self.left -= f64::from(u8::from(granted));
        granted
    }
}

/// The topics to which the notifications of a stream are pushed.
pub fn topics(stream: &Stream) -> Vec<String> {
    match stream {
        Stream::Everyone => (0..BROADCAST_SHARDS).map(broadcast_topic).collect(),
        Stream::User(_) | Stream::Group(_) | Stream::App => vec![stream.to_string()],
        Stream::Box(_) => Vec::new(), // its subscriptions have channels
    }
}

impl SocketPusher {
    /// The pusher of a function that has the settings `SOCKET_ENDPOINT` and `PUSH_QUEUE`.
    pub fn new(start: &mut Start, table: Table) -> Self {
        let (sender, queue) = (ConnectionSender::new(start, table), start.queue("PUSH_QUEUE"));
        let allowance = Arc::new(Mutex::new(Allowance::new(Instant::now())));
        let without_connections = Arc::new(TtlCache::new(MAX_CACHED));
        Self { sender, queue, presence: Arc::default(), without_connections, allowance }
    }

    /// The table, in which the notifications are.
    pub fn table(&self) -> &Table {
        &self.sender.table
    }

    /// Until when the writer of `count` notifications pushes them, in milliseconds since 1970; `None` if nobody listens, or
    /// if this is one of too many single writes. Who comes to listen after this is found by [`SocketPusher::push`], or by
    /// `dispatch`.
    ///
    /// # Errors
    /// If the table cannot be read.
    pub async fn plan(
        &self,
        app: AppId,
        stream: &Stream,
        count: usize,
        now: OffsetDateTime,
    ) -> Result<Option<i64>, TableError> {
        let table = &self.sender.table;
        let topics = topics(stream);
        if self.without_connections.get(&app).is_some() {
            return Ok(None);
        }
        if !self.presence.has_connections(table, app, millis(now)).await? {
            self.without_connections.put(app, (), WITHOUT_CONNECTIONS_TTL);
            return Ok(None);
        }
        let has_subscribers = match topics.as_slice() {
            [topic] => !table.subscribers(app, topic, None, 1).await?.is_empty(),
            _ => true, // whoever is connected listens to what is for everyone
        };
        let is_allowed =
            || count >= MIN_BATCH || self.allowance.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now());
        Ok((has_subscribers && is_allowed()).then(|| millis(now) + LEASE_MS))
    }

    /// Pushes notifications of one stream that are stored, and records it. What fails is left to `dispatch`.
    pub async fn push(&self, app: AppId, write: &WriteKey, notifications: &[Notification], now: OffsetDateTime) {
        match tokio::time::timeout(MAX_PUSH_TIME, self.try_push(app, write, notifications, now)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!("a push is left to `dispatch`: {}", Chain(error.as_ref())),
            Err(_) => tracing::warn!("a push is left to `dispatch`: it takes too long"),
        }
    }

    async fn try_push(
        &self,
        app: AppId,
        write: &WriteKey,
        notifications: &[Notification],
        now: OffsetDateTime,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let Some(first) = notifications.first() else { return Ok(()) };
        let topics = topics(&first.id.stream);
        let command = |topic: &String| {
            let push = Push::Notifications { notifications: notifications.to_vec() };
            PushCommand::new(app, topic.clone(), push)
        };
        let commands: Vec<PushCommand> = topics.iter().map(command).collect();
        let mut pushes = Vec::with_capacity(commands.len());
        for command in &commands {
            pushes.push(self.push_topic(command, now));
        }
        let later = try_join_all(pushes).await?.concat();
        if !later.is_empty() {
            self.queue.send_all(&later).await?;
        }
        Ok(self.sender.table.record_pushed(app, write, notifications).await?)
    }

    /// Sends to the subscribers of a topic. Returns what has to be queued, with its delay.
    async fn push_topic(
        &self,
        command: &PushCommand,
        now: OffsetDateTime,
    ) -> Result<Vec<(PushCommand, time::Duration)>, TableError> {
        let page = self.sender.table.subscribers(command.app, &command.channel, None, PAGE_SIZE).await?;
        let failed = push_to(&self.sender, command, &page, now).await?;
        let mut later: Vec<(PushCommand, time::Duration)> =
            failed.into_iter().map(|it| (retry_command(command, it), RETRY_DELAY)).collect();
        if let Some(last) = page.last().filter(|_| page.len() == PAGE_SIZE as usize) {
            let next = PushCommand { after: Some(last.key().to_owned()), ..command.clone() };
            later.push((next, time::Duration::ZERO));
        }
        Ok(later)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_writes_are_pushed_at_once_after_a_rest_and_at_a_bounded_rate() {
        let start = Instant::now();
        let mut allowance = Allowance::new(start);
        let granted = |allowance: &mut Allowance, at: Instant| (0..100).filter(|_| allowance.take(at)).count();
        assert_eq!(granted(&mut allowance, start), 20);
        assert_eq!(granted(&mut allowance, start + Duration::from_secs(1)), 10);
        assert_eq!(granted(&mut allowance, start + Duration::from_secs(60)), 20);
    }
}
