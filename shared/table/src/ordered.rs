//! The order of deliveries within an ordering key: what of a key waits for a channel, and how far the channel has come. Only
//! the first that waits is delivered; when it is final, the next one is.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::notification::{NotificationId, Position, Stream};
use domain::{AppId, ChannelId};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::codec;
use crate::error::TableError;
use crate::keys::{self, Row};
use crate::streams::RETENTION;
use crate::table::{RangeQuery, Table, condition_held};

/// The events of one ordering key on their way to one channel.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OrderedQueue {
    pub app: AppId,
    pub channel: ChannelId,
    /// The SHA-256 of the ordering key, in hex.
    key_hash: String,
}

#[derive(Serialize, Deserialize)]
struct PositionRow {
    epoch: i64,
    sequence: u64,
}

impl OrderedQueue {
    pub fn new(app: AppId, channel: ChannelId, ordering_key: &str) -> Self {
        Self { app, channel, key_hash: domain::id::sha256_hex(ordering_key.as_bytes()) }
    }

    fn finished(&self) -> Row {
        Row::OrderedFinished(self.app, self.channel, self.key_hash.clone())
    }

    fn waiting(&self, position: Position) -> Row {
        Row::OrderedWaiting(self.app, self.channel, self.key_hash.clone(), position.epoch, position.sequence)
    }
}

impl Table {
    /// Adds events, in their order, behind those that wait. Returns the one to deliver now if it is one of these: the first
    /// of all that wait. Can be repeated: what is final already is not added again.
    ///
    /// # Errors
    /// If the table cannot be read or written.
    pub async fn enqueue_ordered(
        &self,
        queue: &OrderedQueue,
        positions: &[Position],
        now: OffsetDateTime,
    ) -> Result<Option<Position>, TableError> {
        let finished = self.finished_position(queue).await?;
        let new = positions.iter().filter(|it| finished.is_none_or(|finished| **it > finished));
        for Position { epoch, sequence } in new.clone().copied() {
            let row = queue.waiting(Position { epoch, sequence });
            let ttl = codec::ttl((now + RETENTION).unix_timestamp());
            self.put(&row, &PositionRow { epoch, sequence }, ttl).await?;
        }
        let first = self.first_waiting(queue).await?;
        Ok(first.filter(|first| new.clone().any(|it| it == first)))
    }

    /// Records that an event is delivered or given up. Returns the next one to deliver, if one waits. Can be repeated.
    ///
    /// # Errors
    /// If the table cannot be read or written.
    pub async fn finish_ordered(
        &self,
        queue: &OrderedQueue,
        position: Position,
        now: OffsetDateTime,
    ) -> Result<Option<NotificationId>, TableError> {
        let row = queue.finished();
        let ttl = codec::ttl((now + RETENTION).unix_timestamp());
        let body = PositionRow { epoch: position.epoch, sequence: position.sequence };
        let put = self
            .put_item()
            .set_item(Some(codec::encode(&row, &body, ttl)?))
            .condition_expression(
                "attribute_not_exists(PK) OR epoch < :epoch OR (epoch = :epoch AND #sequence < :sequence)",
            )
            .expression_attribute_names("#sequence", "sequence")
            .expression_attribute_values(":epoch", AttributeValue::N(position.epoch.to_string()))
            .expression_attribute_values(":sequence", AttributeValue::N(position.sequence.to_string()));
        condition_held(&row, put.send().await)?;
        self.delete(&queue.waiting(position)).await?;
        let next = self.first_waiting(queue).await?;
        Ok(next.map(|position| NotificationId::new(Stream::App, position)))
    }

    /// Whether an event of a key is final for a channel already.
    ///
    /// # Errors
    /// If the table cannot be read.
    pub async fn is_finished(&self, queue: &OrderedQueue, position: Position) -> Result<bool, TableError> {
        Ok(self.finished_position(queue).await?.is_some_and(|finished| finished >= position))
    }

    async fn finished_position(&self, queue: &OrderedQueue) -> Result<Option<Position>, TableError> {
        let row: Option<PositionRow> = self.get(&queue.finished()).await?;
        Ok(row.map(|it| Position { epoch: it.epoch, sequence: it.sequence }))
    }

    async fn first_waiting(&self, queue: &OrderedQueue) -> Result<Option<Position>, TableError> {
        let partition = keys::ordered(queue.app, queue.channel, &queue.key_hash);
        let range = RangeQuery {
            partition: &partition,
            from: keys::FIRST_WAITING,
            to: "~",
            forward: true,
            consistent: true,
            limit: 1,
        };
        let Some(row) = self.query_range(range).await?.pop() else { return Ok(None) };
        let row: PositionRow = codec::decode("waiting", row)?;
        Ok(Some(Position { epoch: row.epoch, sequence: row.sequence }))
    }
}
