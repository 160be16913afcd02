//! A rate limiter that all environments share: one row per limit holds the time at which the next permit is free (the
//! generic cell rate algorithm's theoretical arrival time).

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use serde::Deserialize;
use time::{Duration, OffsetDateTime};

use crate::codec;
use crate::error::TableError;
use crate::keys::Row;
use crate::table::Table;

/// How often a permit is tried for while other requests change the row.
const MAX_ATTEMPTS: usize = 3;

/// Whether a request may be made, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AcquireOutcome {
    /// Granted, to be used after this time.
    GrantedAfter(Duration),
    /// Not granted: the next permit is further off than the caller would wait. Ask again after this time.
    RetryAfter(Duration),
}

#[derive(Deserialize)]
struct RateLimitRow {
    free_at: i64,
}

impl Table {
    /// Acquires a permit of the limit `key`. `cost` is the interval until the next permit, `max_wait` how long the caller
    /// would wait for this one.
    pub async fn acquire_permit(
        &self,
        key: &str,
        cost: Duration,
        max_wait: Duration,
        now: OffsetDateTime,
    ) -> Result<AcquireOutcome, TableError> {
        let at = domain::millis(now);
        let (cost, latest) = (cost.whole_milliseconds() as i64, at + max_wait.whole_milliseconds() as i64);
        for _ in 0..MAX_ATTEMPTS {
            let queued = "free_at BETWEEN :now AND :most";
            match self.update_rate_limit(key, "free_at + :cost", queued, cost, at, latest).await? {
                Ok(free_at) => {
                    return Ok(AcquireOutcome::GrantedAfter(Duration::milliseconds((free_at - cost - at).max(0))));
                }
                Err(Some(free_at)) if free_at > latest => {
                    return Ok(AcquireOutcome::RetryAfter(Duration::milliseconds(free_at - at)));
                }
                Err(_) => {}
            }
            let idle = "attribute_not_exists(free_at) OR free_at < :now";
            if self.update_rate_limit(key, ":now + :cost", idle, cost, at, latest).await?.is_ok() {
                return Ok(AcquireOutcome::GrantedAfter(Duration::ZERO));
            }
        }
        Ok(AcquireOutcome::RetryAfter(Duration::SECOND))
    }

    /// Grants no permit of the limit `key` before `until`.
    pub async fn suspend_permits(&self, key: &str, until: OffsetDateTime) -> Result<(), TableError> {
        let until = domain::millis(until);
        let earlier = "attribute_not_exists(free_at) OR free_at < :now";
        self.update_rate_limit(key, ":now + :cost", earlier, 0, until, until).await.map(drop)
    }

    /// Moves the time of the next free permit, and returns it; `Err` with the time that stays if the condition does not
    /// hold (`None` if there is no row).
    async fn update_rate_limit(
        &self,
        key: &str,
        to: &str,
        condition: &str,
        cost: i64,
        now: i64,
        latest: i64,
    ) -> Result<Result<i64, Option<i64>>, TableError> {
        let row = Row::RateLimit(key.to_owned());
        let number = |it: i64| AttributeValue::N(it.to_string());
        let mut update = self
            .update_item(&row)
            .update_expression(format!("SET free_at = {to}, #kind = :kind"))
            .condition_expression(condition)
            .expression_attribute_names("#kind", "kind")
            .expression_attribute_values(":kind", AttributeValue::S(row.kind().to_owned()))
            .expression_attribute_values(":cost", number(cost))
            .expression_attribute_values(":now", number(now))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        if condition.contains(":most") {
            update = update.expression_attribute_values(":most", number(latest));
        }
        let free_at = |row| codec::decode::<RateLimitRow>("pace", row).map(|it| it.free_at);
        match update.send().await.map_err(|it| it.into_service_error()) {
            Ok(response) => free_at(response.attributes.unwrap_or_default()).map(Ok),
            Err(UpdateItemError::ConditionalCheckFailedException(failure)) => {
                let existing = failure.item.filter(|it| !it.is_empty());
                Ok(Err(existing.map(free_at).transpose()?))
            }
            Err(source) => Err(TableError::write(&row, source)),
        }
    }
}
