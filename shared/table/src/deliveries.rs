//! What became of deliveries: the good ones in segments, the others in rows of their own.

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::delivery::DeliveryOutcome;
use domain::notification::NotificationId;
use domain::{AppId, ChannelId};
use serde::{Deserialize, Serialize};

use crate::{Attributes, CAPACITY, RangeQuery, Row, Table, TableError, codec, keys};

/// How long outcomes are kept, in seconds: 30 days.
const RETENTION_SECONDS: i64 = 30 * 86_400;

/// One attempt to deliver.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeliveryAttempt {
    pub channel: ChannelId,
    pub notification: NotificationId,
    pub attempt: u32,
    /// When somebody asked for it again, if somebody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<i64>,
    pub at: i64,
    pub took_ms: u64,
    #[serde(flatten)]
    pub outcome: DeliveryOutcome,
    /// The first KB of what the receiver answered.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub answer: String,
}

/// A delivery that did not go well at once: its attempts by number, and where it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FailedDelivery {
    pub channel: ChannelId,
    pub notification: NotificationId,
    /// `retrying`, `delivered`, `dead`, `disabled` or `dropped`.
    pub state: String,
    /// When the next attempt is due, in milliseconds, while it is retrying.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<i64>,
    /// By [`Delivery::number`](domain::command::Delivery::number).
    pub attempts: HashMap<String, DeliveryAttempt>,
}

/// What a segment says in clear; its entries are packed.
#[derive(Serialize)]
struct Segment {
    app: AppId,
    count: usize,
}

impl Table {
    /// Stores the outcomes of one batch in one row. The same batch again replaces its row.
    pub async fn put_segment(&self, app: AppId, attempts: &[DeliveryAttempt], batch: &str) -> Result<(), TableError> {
        let Some(first) = attempts.iter().map(|it| it.at).min() else { return Ok(()) };
        let row = Row::Segment(app, first, batch.to_owned());
        let packed = codec::pack(&attempts).map_err(|it| TableError::write(&row, it))?;
        let mut extra = codec::ttl(first / 1_000 + RETENTION_SECONDS);
        extra.insert("packed".into(), AttributeValue::B(Blob::new(packed)));
        self.put(&row, &Segment { app, count: attempts.len() }, extra).await
    }

    /// Adds an attempt to the record of a delivery that did not go well at once. Written twice, it is there once.
    /// Without a state the delivery stays as it stood: somebody had it made once more, in vain.
    pub async fn put_attempt(
        &self,
        app: AppId,
        number: &str,
        attempt: &DeliveryAttempt,
        state: Option<&str>,
        next_at: Option<i64>,
    ) -> Result<(), TableError> {
        let row = Row::FailedDelivery(app, attempt.channel, attempt.notification.clone());
        let before: Option<FailedDelivery> = self.get(&row).await?;
        let (channel, notification) = (attempt.channel, attempt.notification.clone());
        let empty =
            || FailedDelivery { channel, notification, state: "dead".to_owned(), next_at, attempts: HashMap::new() };
        let mut record = before.unwrap_or_else(empty);
        if let Some(state) = state {
            state.clone_into(&mut record.state);
            record.next_at = next_at;
        }
        record.attempts.insert(number.to_owned(), attempt.clone());
        self.put(&row, &record, codec::ttl(attempt.at / 1_000 + RETENTION_SECONDS)).await
    }

    /// The record of a delivery that did not go well at once.
    pub async fn failed_delivery(
        &self,
        app: AppId,
        channel: ChannelId,
        id: &NotificationId,
    ) -> Result<Option<FailedDelivery>, TableError> {
        self.get(&Row::FailedDelivery(app, channel, id.clone())).await
    }

    /// The outcomes of deliveries that went well at the first attempt, newest first: the last `rows` batches before a
    /// time, or the first ones after `since` (both in milliseconds), oldest first.
    pub async fn successful_attempts(
        &self,
        app: AppId,
        since: Option<i64>,
        rows: i32,
    ) -> Result<Vec<DeliveryAttempt>, TableError> {
        let partition = keys::segment(app);
        let (from, forward) = (since.map_or("0".to_owned(), |it| keys::time_key(it, "")), since.is_some());
        let ask = RangeQuery { partition: &partition, from: &from, to: "~", forward, consistent: false, limit: rows };
        let mut all = Vec::new();
        for mut row in self.query_range(ask).await? {
            if let Some(AttributeValue::B(packed)) = row.remove("packed") {
                let corrupt =
                    |source| TableError::Corrupt { kind: "segment", key: partition.clone(), source: Box::new(source) };
                let entries: Vec<DeliveryAttempt> = codec::unpack(packed.as_ref()).map_err(corrupt)?;
                all.extend(entries);
            }
        }
        Ok(all)
    }

    /// Deliveries to a channel that did not go well at once, by notification, at most 100.
    pub async fn failed_deliveries(&self, app: AppId, channel: ChannelId) -> Result<Vec<FailedDelivery>, TableError> {
        let partition = keys::failed_deliveries(app, channel);
        let query = self.client.query().table_name(&self.name).return_consumed_capacity(CAPACITY).limit(100);
        let query = query
            .key_condition_expression("PK = :pk")
            .expression_attribute_values(":pk", AttributeValue::S(partition.clone()));
        let rows: Vec<Attributes> = query
            .scan_index_forward(false)
            .send()
            .await
            .map_err(|it| TableError::Read { row: partition, source: Box::new(it) })?
            .items
            .unwrap_or_default();
        rows.into_iter().map(|it| codec::decode("failed", it)).collect()
    }
}
