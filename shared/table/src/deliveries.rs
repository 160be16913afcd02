//! The outcome of deliveries: those that succeed at the first attempt in packed segments, the others in rows of their own.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::delivery::DeliveryOutcome;
use domain::notification::NotificationId;
use domain::{AppId, ChannelId};
use serde::{Deserialize, Serialize};

use crate::codec::{self, Attributes};
use crate::error::TableError;
use crate::keys::{self, Row};
use crate::streams::{MAX_ATTEMPTS, back_off};
use crate::table::{IF_REVISION, RangeQuery, Table, condition_held, revision_before};

/// How long outcomes are kept: 30 days.
const RETENTION_SECONDS: i64 = 30 * 86_400;
/// Segments that one query reads: a page of DynamoDB's has at most 1 MB, and a segment some KB.
const PAGE_ROWS: i32 = 100;
/// Records of failed deliveries of one channel that one request reads for those that are exhausted.
const MAX_FAILED: usize = 2_000;

/// One attempt to deliver a notification to a channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeliveryAttempt {
    pub channel: ChannelId,
    pub notification: NotificationId,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// When a redrive was requested (milliseconds since 1970), if the attempt is part of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<i64>,
    /// When it was made, in milliseconds since 1970.
    pub at: i64,
    pub took_ms: u64,
    #[serde(flatten)]
    pub outcome: DeliveryOutcome,
    /// The first KB of the receiver's response.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub answer: String,
}

/// A delivery whose first attempt failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FailedDelivery {
    pub channel: ChannelId,
    pub notification: NotificationId,
    /// `retrying`, `delivered`, `dead`, `disabled` (the channel does not want it any more) or `dropped` (nor does its
    /// publisher, or somebody has discarded it).
    pub state: String,
    /// Its attempts are used up, and it waits for somebody who redrives or discards it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub exhausted: bool,
    /// When the next attempt is due (milliseconds since 1970), while the delivery is retrying.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<i64>,
    /// The attempts by [`Delivery::attempt_key`](domain::command::Delivery::attempt_key).
    pub attempts: HashMap<String, DeliveryAttempt>,
    /// Version for optimistic locking.
    #[serde(default)]
    pub revision: u64,
}

impl FailedDelivery {
    /// The record of a delivery that has none yet.
    fn new(attempt: &DeliveryAttempt, next_at: Option<i64>) -> Self {
        let (channel, notification) = (attempt.channel, attempt.notification.clone());
        let state = "dead".to_owned();
        Self { channel, notification, state, exhausted: false, next_at, attempts: HashMap::new(), revision: 0 }
    }

    /// The attempt that was made last.
    pub fn last_attempt(&self) -> Option<&DeliveryAttempt> {
        self.attempts.values().max_by_key(|it| (it.at, it.attempt))
    }

    /// The record with one more attempt.
    fn with_attempt(
        mut self,
        number: &str,
        attempt: &DeliveryAttempt,
        state: Option<&str>,
        next_at: Option<i64>,
    ) -> Self {
        let is_later = |it: &DeliveryAttempt| it.round == attempt.round && it.attempt > attempt.attempt;
        if let Some(state) = state.filter(|_| !self.attempts.values().any(is_later)) {
            (self.state, self.next_at, self.exhausted) = (state.to_owned(), next_at, state == "dead");
        }
        self.attempts.insert(number.to_owned(), attempt.clone());
        self
    }
}

/// What a segment holds beside its packed entries.
#[derive(Serialize)]
struct Segment {
    app: AppId,
    count: usize,
}

impl Table {
    /// Stores the attempts of one batch in one row. A repeat of the batch replaces its row.
    pub async fn put_segment(&self, app: AppId, attempts: &[DeliveryAttempt], batch: &str) -> Result<(), TableError> {
        let Some(first) = attempts.iter().map(|it| it.at).min() else { return Ok(()) };
        let row = Row::Segment(app, first, batch.to_owned());
        let packed = codec::pack(&row, &attempts)?;
        let mut extra = codec::ttl(first / 1_000 + RETENTION_SECONDS);
        extra.insert("packed".into(), AttributeValue::B(packed));
        self.put(&row, &Segment { app, count: attempts.len() }, extra).await
    }

    /// Adds an attempt to a failed delivery; a repeat with the same `number` replaces it. Without a `state` the delivery
    /// keeps its own: the attempt was an additional one. It keeps its own as well if a later attempt of the same round is
    /// recorded, which happens when SQS delivers a message twice.
    ///
    /// # Errors
    /// `Conflict` if others changed the record in every try.
    pub async fn put_attempt(
        &self,
        app: AppId,
        number: &str,
        attempt: &DeliveryAttempt,
        state: Option<&str>,
        next_at: Option<i64>,
    ) -> Result<(), TableError> {
        let row = Row::FailedDelivery(app, attempt.channel, attempt.notification.clone());
        let change = |record: Option<FailedDelivery>| {
            let record = record.unwrap_or_else(|| FailedDelivery::new(attempt, next_at));
            Some(record.with_attempt(number, attempt, state, next_at))
        };
        self.change_failed_delivery(&row, change).await
    }

    /// Ends a delivery that waits for a retry, because its channel does not want it any more.
    ///
    /// # Errors
    /// `Conflict` if others changed the record in every try.
    pub async fn end_retries(&self, app: AppId, channel: ChannelId, id: &NotificationId) -> Result<(), TableError> {
        let change = |record: Option<FailedDelivery>| {
            let record = record.filter(|it| it.state == "retrying")?;
            Some(FailedDelivery { state: "disabled".to_owned(), exhausted: false, next_at: None, ..record })
        };
        self.change_failed_delivery(&Row::FailedDelivery(app, channel, id.clone()), change).await
    }

    /// Takes a delivery from those whose attempts are used up: it is queued again and due at a time (milliseconds since 1970),
    /// or discarded. It stays as it is if it has changed since it was read.
    ///
    /// # Errors
    /// `Conflict` if others changed the record in every try.
    pub async fn take_exhausted(
        &self,
        app: AppId,
        seen: &FailedDelivery,
        next_at: Option<i64>,
    ) -> Result<(), TableError> {
        let state = if next_at.is_some() { "retrying" } else { "dropped" };
        let change = |record: Option<FailedDelivery>| {
            let record = record.filter(|it| it.exhausted && it.revision == seen.revision)?;
            Some(FailedDelivery { state: state.to_owned(), exhausted: false, next_at, ..record })
        };
        self.change_failed_delivery(&Row::FailedDelivery(app, seen.channel, seen.notification.clone()), change).await
    }

    /// Changes a record, again if another revision was stored meanwhile; `None` leaves it as it is.
    async fn change_failed_delivery(
        &self,
        row: &Row,
        change: impl Fn(Option<FailedDelivery>) -> Option<FailedDelivery>,
    ) -> Result<(), TableError> {
        for tries in 0..MAX_ATTEMPTS {
            let Some(record) = change(self.get(row).await?) else { return Ok(()) };
            let record = FailedDelivery { revision: record.revision + 1, ..record };
            let last = record.attempts.values().map(|it| it.at).max().unwrap_or_default();
            let put = self
                .put_item()
                .set_item(Some(codec::encode(row, &record, codec::ttl(last / 1_000 + RETENTION_SECONDS))?))
                .condition_expression(IF_REVISION)
                .expression_attribute_values(":before", revision_before(record.revision));
            if condition_held(row, put.send().await)? {
                return Ok(());
            }
            back_off(tries).await;
        }
        Err(TableError::conflict(row))
    }

    /// The record of a delivery whose first attempt failed.
    pub async fn failed_delivery(
        &self,
        app: AppId,
        channel: ChannelId,
        id: &NotificationId,
    ) -> Result<Option<FailedDelivery>, TableError> {
        self.get(&Row::FailedDelivery(app, channel, id.clone())).await
    }

    /// The attempts of deliveries that succeeded at once. Without `since` they are those of the last `rows` batches, newest
    /// batch first; with it (milliseconds since 1970) those of the first batches from then on, oldest first.
    pub async fn successful_attempts(
        &self,
        app: AppId,
        since: Option<i64>,
        rows: i32,
    ) -> Result<Vec<DeliveryAttempt>, TableError> {
        let partition = keys::segment(app);
        let (from, forward) = (since.map_or("0".to_owned(), |it| keys::time_key(it, "")), since.is_some());
        let range = RangeQuery { partition: &partition, from: &from, to: "~", forward, consistent: false, limit: rows };
        let mut all = Vec::new();
        for row in self.query_range(range).await? {
            all.extend(unpacked(&partition, row)?);
        }
        Ok(all)
    }

    /// The attempts of deliveries that succeeded at once since a time, in milliseconds since 1970, newest batch first: of the
    /// last `rows` batches at most. With them, whether there are more.
    pub async fn newest_successful_attempts(
        &self,
        app: AppId,
        since: i64,
        rows: usize,
    ) -> Result<(Vec<DeliveryAttempt>, bool), TableError> {
        let partition = keys::segment(app);
        let (from, mut before) = (keys::time_key(since, ""), "~".to_owned());
        let (mut all, mut read) = (Vec::new(), 0);
        loop {
            let page = self.older_page((&partition, &from), &mut before, false, PAGE_ROWS).await?;
            if page.is_empty() {
                return Ok((all, false));
            }
            for row in page {
                if read == rows {
                    return Ok((all, true));
                }
                read += 1;
                all.extend(unpacked(&partition, row)?);
            }
        }
    }

    /// Deliveries to a channel whose attempts are used up, at most `limit`, and whether there are more than were read.
    pub async fn exhausted_deliveries(
        &self,
        app: AppId,
        channel: ChannelId,
        limit: usize,
    ) -> Result<(Vec<FailedDelivery>, bool), TableError> {
        let partition = keys::failed_deliveries(app, channel);
        let (mut before, mut all, mut read) = ("~".to_owned(), Vec::new(), 0);
        loop {
            let page = self.older_page((&partition, "0"), &mut before, true, PAGE_ROWS).await?;
            if page.is_empty() {
                return Ok((all, false));
            }
            read += page.len();
            for row in page {
                let record: FailedDelivery = codec::decode("failed", row)?;
                if record.exhausted && all.len() == limit {
                    return Ok((all, true));
                }
                all.extend(Some(record).filter(|it| it.exhausted));
            }
            if read >= MAX_FAILED {
                return Ok((all, true));
            }
        }
    }

    /// Failed deliveries to a channel, by descending notification id, at most 100.
    pub async fn failed_deliveries(&self, app: AppId, channel: ChannelId) -> Result<Vec<FailedDelivery>, TableError> {
        let rows = self.query_newest(keys::failed_deliveries(app, channel), 100).await?;
        rows.into_iter().map(|it| codec::decode("failed", it)).collect()
    }
}

/// Whether a flag is not set.
fn is_false(flag: &bool) -> bool {
    !flag
}

/// The attempts in the row of a segment.
fn unpacked(partition: &str, mut row: Attributes) -> Result<Vec<DeliveryAttempt>, TableError> {
    let Some(AttributeValue::B(packed)) = row.remove("packed") else { return Ok(Vec::new()) };
    let corrupt =
        |it: std::io::Error| TableError::Corrupt { kind: "segment", key: partition.to_owned(), source: Box::new(it) };
    codec::unpack(&packed).map_err(corrupt)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(attempt: u32, round: Option<i64>) -> DeliveryAttempt {
        DeliveryAttempt {
            channel: "00000000-0000-4000-8000-000000000001".parse().unwrap(),
            notification: "ntf_YXBw_1_1".parse().unwrap(),
            attempt,
            round,
            at: i64::from(attempt),
            took_ms: 1,
            outcome: DeliveryOutcome::Refused { status: 500, retry_after: None },
            answer: String::new(),
        }
    }

    #[test]
    fn a_state_is_that_of_the_latest_attempt_of_a_round() {
        let first = attempt(1, None);
        let record = FailedDelivery::new(&first, Some(5)).with_attempt("1", &first, Some("retrying"), Some(5));
        assert_eq!((record.state.as_str(), record.next_at), ("retrying", Some(5)));
        let record = record.with_attempt("2", &attempt(2, None), Some("dead"), None);
        assert_eq!((record.state.as_str(), record.next_at, record.exhausted), ("dead", None, true));
        assert_eq!(record.last_attempt().map(|it| it.attempt), Some(2));
        // the first attempt was made twice, and its repeat took longer than the second
        let record = record.with_attempt("1", &first, Some("retrying"), Some(5));
        assert_eq!((record.state.as_str(), record.next_at, record.attempts.len()), ("dead", None, 2));
        // a replay is another round, and an additional attempt changes nothing
        let record = record.with_attempt("9.1", &attempt(1, Some(9)), Some("delivered"), None);
        let record = record.with_attempt("10.1", &attempt(1, Some(10)), None, None);
        assert_eq!((record.state.as_str(), record.attempts.len(), record.exhausted), ("delivered", 4, false));
    }
}
