//! What waits in a notification channel (NC): put behind the others, taken by polls, deleted once it was sent.

use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, ReturnValue, TransactWriteItem};
use domain::notification_channel::{NotificationChannel, NotificationChannelId};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::codec::{self, Attributes};
use crate::error::TableError;
use crate::keys::{self, Row};
use crate::notification_channels::channel_row;
use crate::table::{RangeQuery, Table};

/// How long a notification waits for a client whose channel goes on living: as long as notifications are kept, 30 days.
const QUEUED_SECONDS: i64 = 30 * 86_400;

/// A notification that waits in a channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueuedNotification {
    /// Its place in the channel.
    pub sequence: u64,
    /// When it arrived, in milliseconds since 1970.
    pub at: i64,
    /// The document, as JSON.
    pub document: String,
}

#[derive(Deserialize)]
struct QueuedCount {
    queued: u64,
}

impl Table {
    /// Puts a notification behind those that wait in a channel. `None` if the channel does not exist any more.
    pub async fn enqueue_notification(
        &self,
        channel: &NotificationChannel,
        document: String,
        now: OffsetDateTime,
    ) -> Result<Option<u64>, TableError> {
        let Some(sequence) = self.reserve_queue_place(&channel.id).await? else { return Ok(None) };
        let queued = QueuedNotification { sequence, at: domain::millis(now), document };
        self.put(&queued_row(&channel.id, sequence), &queued, queued_ttl(&queued)).await?;
        Ok(Some(sequence))
    }

    /// The next place in a channel's queue; `None` if the channel does not exist any more. A place that stays empty does not
    /// matter.
    pub async fn reserve_queue_place(&self, id: &NotificationChannelId) -> Result<Option<u64>, TableError> {
        let row = channel_row(id);
        let counted = || {
            self.update_item(&row)
                .update_expression("ADD queued :one")
                .condition_expression("attribute_exists(PK)")
                .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
                .return_values(ReturnValue::UpdatedNew)
        };
        let found: Option<QueuedCount> = self.update_channel(&row, counted).await?;
        Ok(found.map(|it| it.queued))
    }

    /// The oldest notifications that wait in a channel.
    pub async fn queued_notifications(
        &self,
        id: &NotificationChannelId,
        limit: u64,
    ) -> Result<Vec<QueuedNotification>, TableError> {
        self.read_queue(id, limit, true).await
    }

    /// The same, eventually consistent: half the price, and the latest may be missing.
    pub async fn glance_at_queue(
        &self,
        id: &NotificationChannelId,
        limit: u64,
    ) -> Result<Vec<QueuedNotification>, TableError> {
        self.read_queue(id, limit, false).await
    }

    async fn read_queue(
        &self,
        id: &NotificationChannelId,
        limit: u64,
        consistent: bool,
    ) -> Result<Vec<QueuedNotification>, TableError> {
        let partition = keys::channel_queue(id);
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let range = RangeQuery { partition: &partition, from: "0", to: "~", forward: true, consistent, limit };
        self.query_range(range).await?.into_iter().map(|it| codec::decode("nc-queued", it)).collect()
    }

    /// Takes notifications, at most 99, out of a channel for a poll; `false` if another poll has begun meanwhile, or has taken
    /// them.
    pub async fn take_queued(
        &self,
        id: &NotificationChannelId,
        poll: u64,
        taken: &[QueuedNotification],
    ) -> Result<bool, TableError> {
        let row = channel_row(id);
        let (pk, sk) = row.key();
        let check = ConditionCheck::builder()
            .table_name(self.name())
            .key("PK", AttributeValue::S(pk))
            .key("SK", AttributeValue::S(sk))
            .condition_expression("poll = :poll")
            .expression_attribute_values(":poll", AttributeValue::N(poll.to_string()));
        let check = check.build().map_err(|it| TableError::write(&row, it))?;
        let mut writes = vec![TransactWriteItem::builder().condition_check(check).build()];
        for one in taken {
            let delete = self.transaction_delete(&queued_row(id, one.sequence))?;
            writes.push(TransactWriteItem::builder().delete(delete).build());
        }
        match self.transaction(writes).send().await.map_err(|it| it.into_service_error()) {
            Ok(_) => Ok(true),
            Err(error) if error.is_transaction_canceled_exception() => Ok(false),
            Err(error) => Err(TableError::write(&row, error)),
        }
    }

    /// Deletes notifications that were sent.
    pub async fn delete_queued(
        &self,
        id: &NotificationChannelId,
        sent: &[QueuedNotification],
    ) -> Result<(), TableError> {
        for one in sent {
            self.delete(&queued_row(id, one.sequence)).await?;
        }
        Ok(())
    }
}

pub(crate) fn queued_row(id: &NotificationChannelId, sequence: u64) -> Row {
    Row::QueuedNotification(id.app, id.user.clone(), id.number, sequence)
}

/// The channel may outlive the lifetime that it has now.
pub(crate) fn queued_ttl(queued: &QueuedNotification) -> Attributes {
    codec::ttl(queued.at / 1_000 + QUEUED_SECONDS)
}
