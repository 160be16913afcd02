//! An emulator of SQS for standard queues. A send, a receive and a delete are in SQLite before they are answered.
//!
//! The write-ahead log survives a kill of this process at any moment. Quotas and error codes are those of AWS.

pub mod http;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use serde_json::Value;
use tokio::sync::Notify;

use crate::clock::{now_ms, pause};
use crate::lock::lock;
use crate::random::random_id;
use crate::template::Queue;

/// A message, or a batch of messages, may have 1 MiB (Amazon SQS, message quotas).
pub const MAX_MESSAGE_BYTES: usize = 1_048_576;

/// The queues and their messages.
pub struct Sqs {
    db: Mutex<Connection>,
    queues: BTreeMap<String, QueueState>,
}

struct QueueState {
    queue: Queue,
    /// Wakes the receivers that wait for this queue after a send, or after a change of visibility.
    changed: Notify,
}

/// A message to send.
#[derive(Debug, Clone)]
pub struct NewMessage {
    pub body: String,
    pub attributes: Value,
    pub delay: Duration,
}

/// A message that was received.
#[derive(Debug, Clone)]
pub struct ReceivedMessage {
    pub id: String,
    pub receipt_handle: String,
    pub body: String,
    pub attributes: Value,
    pub sent_at_ms: i64,
    pub first_received_at_ms: i64,
    pub receive_count: u32,
    /// For a dead letter, the queue that it comes from.
    pub dead_letter_source: Option<String>,
}

/// The numbers of messages in a queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueDepth {
    pub visible: u64,
    pub in_flight: u64,
    pub delayed: u64,
}

impl QueueDepth {
    pub fn total(self) -> u64 {
        self.visible + self.in_flight + self.delayed
    }
}

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS message (
  number INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL,
  attributes TEXT NOT NULL, sent INTEGER NOT NULL, visible INTEGER NOT NULL, first INTEGER NOT NULL DEFAULT 0,
  receives INTEGER NOT NULL DEFAULT 0, receipt TEXT, source TEXT);
CREATE INDEX IF NOT EXISTS next ON message (queue, visible);
CREATE INDEX IF NOT EXISTS receipt ON message (receipt);
";

impl Sqs {
    /// Opens the queues in a file.
    pub fn open(file: &Path, queues: &[Queue]) -> rusqlite::Result<Self> {
        let db = Connection::open(file)?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "NORMAL")?;
        db.execute_batch(SCHEMA)?;
        // receivers ended with their stack: the messages that they held are visible again at once
        db.execute(
            "UPDATE message SET visible = MIN(visible, ?1), receipt = NULL WHERE receipt IS NOT NULL",
            [now_ms()],
        )?;
        let state = |queue: &Queue| QueueState { queue: queue.clone(), changed: Notify::new() };
        let queues = queues.iter().map(|it| (it.name.clone(), state(it))).collect();
        Ok(Self { db: Mutex::new(db), queues })
    }

    /// The names of all queues.
    pub fn queue_names(&self) -> impl Iterator<Item = &str> {
        self.queues.keys().map(String::as_str)
    }

    pub fn queue(&self, name: &str) -> Option<&Queue> {
        self.queues.get(name).map(|it| &it.queue)
    }

    fn wake_receivers(&self, queue: &str) {
        if let Some(state) = self.queues.get(queue) {
            state.changed.notify_waiters();
        }
    }

    fn db(&self) -> MutexGuard<'_, Connection> {
        lock(&self.db)
    }

    /// Stores messages. Returns their ids.
    pub fn send(&self, queue: &str, messages: &[NewMessage]) -> rusqlite::Result<Vec<String>> {
        let now = now_ms();
        let mut db = self.db();
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut ids = Vec::with_capacity(messages.len());
        for message in messages {
            let id = random_id();
            let visible = now + i64::try_from(message.delay.as_millis()).unwrap_or(0);
            transaction
                .prepare_cached(
                    "INSERT INTO message (queue, id, body, attributes, sent, visible) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute(params![queue, id, message.body, message.attributes.to_string(), now, visible])?;
            ids.push(id);
        }
        transaction.commit()?;
        drop(db);
        self.wake_receivers(queue);
        Ok(ids)
    }

    /// Takes up to `max_messages` for `visibility`. A message that was received too often moves to the dead-letter queue
    /// instead.
    pub fn receive(
        &self,
        queue: &str,
        max_messages: usize,
        visibility: Duration,
    ) -> rusqlite::Result<Vec<ReceivedMessage>> {
        let now = now_ms();
        let redrive = self.queue(queue).and_then(|it| it.redrive.as_ref());
        let visible_at = now + i64::try_from(visibility.as_millis()).unwrap_or(0);
        let (mut received, mut moved_to) = (Vec::new(), None);
        let mut db = self.db();
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        loop {
            let messages = visible_messages(&transaction, queue, now, max_messages - received.len())?;
            let mut moved = 0;
            for (number, mut message) in messages {
                if let Some((dead, limit)) = redrive
                    && message.receive_count >= *limit
                {
                    move_to_dead_letters(&transaction, number, queue, dead, now)?;
                    (moved, moved_to) = (moved + 1, Some(dead));
                    continue;
                }
                message.receive_count += 1;
                message.receipt_handle = random_id();
                message.first_received_at_ms =
                    if message.first_received_at_ms == 0 { now } else { message.first_received_at_ms };
                transaction
                    .prepare_cached(
                        "UPDATE message SET receives = ?2, receipt = ?3, first = ?4, visible = ?5 WHERE number = ?1",
                    )?
                    .execute(params![
                        number,
                        message.receive_count,
                        message.receipt_handle,
                        message.first_received_at_ms,
                        visible_at
                    ])?;
                received.push(message);
            }
            // others may follow those that moved
            if moved == 0 {
                break;
            }
        }
        transaction.commit()?;
        drop(db);
        if let Some(dead) = moved_to {
            self.wake_receivers(dead);
        }
        Ok(received)
    }

    /// Receives messages, and waits for them up to `wait` (long polling).
    pub async fn long_poll(
        &self,
        queue: &str,
        max_messages: usize,
        visibility: Duration,
        wait: Duration,
    ) -> rusqlite::Result<Vec<ReceivedMessage>> {
        let until = tokio::time::Instant::now() + wait;
        loop {
            let remaining = until.saturating_duration_since(tokio::time::Instant::now());
            if !self.wait_for_message(queue, remaining).await? {
                return Ok(Vec::new());
            }
            let received = self.receive(queue, max_messages, visibility)?;
            if !received.is_empty() {
                return Ok(received);
            }
        }
    }

    /// Waits up to `wait` until a message is visible. `false` if none is then. It returns as soon as one is sent, or as
    /// soon as a delay or a visibility timeout ends, and asks the database once for each of these.
    pub async fn wait_for_message(&self, queue: &str, wait: Duration) -> rusqlite::Result<bool> {
        let until = tokio::time::Instant::now() + wait;
        let Some(state) = self.queues.get(queue) else {
            pause(wait).await;
            return Ok(false);
        };
        loop {
            let changed = state.changed.notified(); // before the look, so that no message is missed after it
            let next = self.next_visible_at(queue)?;
            let in_ms = next.map(|it| u64::try_from(it - now_ms()).unwrap_or(0));
            if in_ms == Some(0) {
                return Ok(true);
            }
            let now = tokio::time::Instant::now();
            if now >= until {
                return Ok(false);
            }
            let next_look = in_ms.map_or(until, |it| until.min(now + Duration::from_millis(it)));
            drop(tokio::time::timeout_at(next_look, changed).await);
        }
    }

    /// When the next message of a queue is visible, or became so, in milliseconds since 1970. `None` if it is empty.
    fn next_visible_at(&self, queue: &str) -> rusqlite::Result<Option<i64>> {
        let db = self.db();
        let mut query = db.prepare_cached("SELECT MIN(visible) FROM message WHERE queue = ?1")?;
        query.query_row([queue], |row| row.get(0))
    }

    /// The bodies of all messages of a queue, visible or not. Tests look for leftovers with it.
    pub fn bodies(&self, queue: &str) -> rusqlite::Result<Vec<String>> {
        let db = self.db();
        let mut query = db.prepare("SELECT body FROM message WHERE queue = ?1")?;
        query.query_map([queue], |row| row.get(0))?.collect()
    }

    /// Deletes a message. `false` if the receipt handle is no longer valid.
    pub fn delete(&self, receipt_handle: &str) -> rusqlite::Result<bool> {
        Ok(self.delete_all(&[receipt_handle])? > 0)
    }

    /// Deletes messages in one transaction. Returns how many there were: a receipt handle may be no longer valid.
    pub fn delete_all(&self, receipt_handles: &[&str]) -> rusqlite::Result<usize> {
        let mut db = self.db();
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut deleted = 0;
        for receipt_handle in receipt_handles {
            deleted +=
                transaction.prepare_cached("DELETE FROM message WHERE receipt = ?1")?.execute([receipt_handle])?;
        }
        transaction.commit()?;
        Ok(deleted)
    }

    /// Changes the visibility timeout of a received message. `false` if the receipt handle is no longer valid.
    pub fn change_visibility(&self, receipt_handle: &str, visibility: Duration) -> rusqlite::Result<bool> {
        let visible_at = now_ms() + i64::try_from(visibility.as_millis()).unwrap_or(0);
        let queue: Option<String> = self
            .db()
            .prepare_cached("UPDATE message SET visible = ?2 WHERE receipt = ?1 RETURNING queue")?
            .query_row(params![receipt_handle, visible_at], |row| row.get(0))
            .optional()?;
        if let Some(queue) = &queue {
            self.wake_receivers(queue);
        }
        Ok(queue.is_some())
    }

    pub fn depth(&self, queue: &str) -> rusqlite::Result<QueueDepth> {
        let now = now_ms();
        let count = |condition: &str| {
            let sql = format!("SELECT COUNT(*) FROM message WHERE queue = ?1 AND {condition}");
            self.db().prepare_cached(&sql)?.query_row(params![queue, now], |row| row.get(0))
        };
        Ok(QueueDepth {
            visible: count("visible <= ?2")?,
            in_flight: count("visible > ?2 AND receipt IS NOT NULL")?,
            delayed: count("visible > ?2 AND receipt IS NULL")?,
        })
    }

    /// Deletes messages that are older than their queue's retention period.
    pub fn expire(&self) -> rusqlite::Result<()> {
        for QueueState { queue, .. } in self.queues.values() {
            let before = now_ms() - i64::try_from(queue.retention.as_millis()).unwrap_or(i64::MAX);
            self.db().execute("DELETE FROM message WHERE queue = ?1 AND sent < ?2", params![queue.name, before])?;
        }
        Ok(())
    }
}

/// The messages that are visible, with their numbers, the first ones that became so.
fn visible_messages(
    transaction: &Transaction<'_>,
    queue: &str,
    now: i64,
    limit: usize,
) -> rusqlite::Result<Vec<(i64, ReceivedMessage)>> {
    let sql = "SELECT number, id, body, attributes, sent, first, receives, source FROM message
               WHERE queue = ?1 AND visible <= ?2 ORDER BY visible LIMIT ?3";
    let read = |row: &rusqlite::Row<'_>| {
        let attributes: String = row.get(3)?;
        let message = ReceivedMessage {
            id: row.get(1)?,
            receipt_handle: String::new(),
            body: row.get(2)?,
            attributes: serde_json::from_str(&attributes).unwrap_or_default(),
            sent_at_ms: row.get(4)?,
            first_received_at_ms: row.get(5)?,
            receive_count: row.get(6)?,
            dead_letter_source: row.get(7)?,
        };
        Ok((row.get(0)?, message))
    };
    let mut query = transaction.prepare_cached(sql)?;
    query.query_map(params![queue, now, i64::try_from(limit).unwrap_or(i64::MAX)], read)?.collect()
}

fn move_to_dead_letters(
    transaction: &Transaction<'_>,
    number: i64,
    queue: &str,
    dead_letters: &str,
    now: i64,
) -> rusqlite::Result<usize> {
    let sql = "UPDATE message SET queue = ?2, source = ?3, receives = 0, first = 0, receipt = NULL, visible = ?4
               WHERE number = ?1";
    transaction.prepare_cached(sql)?.execute(params![number, dead_letters, queue, now])
}

#[cfg(test)]
mod tests;
