//! The connection to an asset manager: what is remembered of it, and the pace of its requests.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use domain::AppId;
use domain::asset_manager::AssetManagerState;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::{Attributes, CAPACITY, Row, Table, TableError, codec, keys};

/// What a request's turn costs in waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AcquireOutcome {
    /// Granted; use it after this time.
    GrantedAfter(Duration),
    /// Not granted: the next turn is further off than the caller would wait.
    RetryAfter(Duration),
}

/// A state, with the application that it is of.
#[derive(Serialize, Deserialize)]
struct AssetManagerRow {
    app: AppId,
    state: AssetManagerState,
}

#[derive(Deserialize)]
struct AssetManagerIndexRow {
    app: AppId,
}

#[derive(Deserialize)]
struct RateLimitRow {
    free_at: i64,
}

impl Table {
    pub async fn asset_manager(&self, app: AppId) -> Result<AssetManagerState, TableError> {
        let row: Option<AssetManagerRow> = self.get(&Row::AssetManager(app)).await?;
        Ok(row.map(|it| it.state).unwrap_or_default())
    }

    /// Stores a state; `sweep` finds it when its next look is due, unless it is not `watched` any more.
    pub async fn put_asset_manager(
        &self,
        app: AppId,
        state: &AssetManagerState,
        watched: bool,
    ) -> Result<(), TableError> {
        let mut extra = Attributes::new();
        if watched {
            extra.insert("open".into(), AttributeValue::S("MANAGERS".into()));
            extra.insert("open_at".into(), AttributeValue::S(keys::time_key(state.next_at, &app.to_string())));
        }
        self.put(&Row::AssetManager(app), &AssetManagerRow { app, state: state.clone() }, extra).await
    }

    /// The applications whose asset manager is to be looked at by `now`.
    pub async fn asset_managers_due(&self, now: OffsetDateTime) -> Result<Vec<AppId>, TableError> {
        let due: Vec<AssetManagerIndexRow> =
            self.query_open_index("MANAGERS", &keys::time_key(domain::millis(now), "~"), "manager", 1_000).await?;
        Ok(due.into_iter().map(|it| it.app).collect())
    }

    /// Takes a place in the line of an application's requests: `cost` is how long the line grows by it, `longest` how
    /// far off the place may be.
    pub async fn acquire_permit(
        &self,
        key: &str,
        cost: Duration,
        longest: Duration,
        now: OffsetDateTime,
    ) -> Result<AcquireOutcome, TableError> {
        let at = domain::millis(now);
        let (cost, most) = (cost.whole_milliseconds() as i64, at + longest.whole_milliseconds() as i64);
        for _ in 0..3 {
            let behind = self
                .update_rate_limit(key, "free_at + :cost", "free_at BETWEEN :now AND :most", cost, at, most)
                .await?;
            match behind {
                Ok(free_at) => {
                    return Ok(AcquireOutcome::GrantedAfter(Duration::milliseconds((free_at - cost - at).max(0))));
                }
                Err(Some(free_at)) if free_at > most => {
                    return Ok(AcquireOutcome::RetryAfter(Duration::milliseconds(free_at - at)));
                }
                Err(_) => {}
            }
            // nobody waits: the line begins anew
            let first = "attribute_not_exists(free_at) OR free_at < :now";
            if self.update_rate_limit(key, ":now + :cost", first, cost, at, most).await?.is_ok() {
                return Ok(AcquireOutcome::GrantedAfter(Duration::ZERO));
            }
        }
        Ok(AcquireOutcome::RetryAfter(Duration::SECOND))
    }

    /// Nobody's turn comes before `until`.
    pub async fn suspend_permits(&self, key: &str, until: OffsetDateTime) -> Result<(), TableError> {
        let until = domain::millis(until);
        let later = "attribute_not_exists(free_at) OR free_at < :now";
        self.update_rate_limit(key, ":now + :cost", later, 0, until, until).await.map(drop)
    }

    /// Moves the line's end; `Err` with where it was, if the condition does not hold.
    async fn update_rate_limit(
        &self,
        key: &str,
        to: &str,
        condition: &str,
        cost: i64,
        now: i64,
        most: i64,
    ) -> Result<Result<i64, Option<i64>>, TableError> {
        let row = Row::RateLimit(key.to_owned());
        let (pk, sk) = row.key();
        let number = |it: i64| AttributeValue::N(it.to_string());
        let update = self.client.update_item().table_name(&self.name).return_consumed_capacity(CAPACITY);
        let mut update = update
            .key("PK", AttributeValue::S(pk))
            .key("SK", AttributeValue::S(sk))
            .update_expression(format!("SET free_at = {to}, #kind = :kind"))
            .condition_expression(condition)
            .expression_attribute_names("#kind", "kind")
            .expression_attribute_values(":kind", AttributeValue::S(row.kind().to_owned()))
            .expression_attribute_values(":cost", number(cost))
            .expression_attribute_values(":now", number(now))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        if condition.contains(":most") {
            update = update.expression_attribute_values(":most", number(most));
        }
        match update.send().await.map_err(|it| it.into_service_error()) {
            Ok(it) => codec::decode::<RateLimitRow>("pace", it.attributes.unwrap_or_default()).map(|it| Ok(it.free_at)),
            Err(UpdateItemError::ConditionalCheckFailedException(it)) => {
                let there = it.item.filter(|it| !it.is_empty());
                Ok(Err(there.map(|it| codec::decode::<RateLimitRow>("pace", it)).transpose()?.map(|it| it.free_at)))
            }
            Err(source) => Err(TableError::write(&row, source)),
        }
    }
}
