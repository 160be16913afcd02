//! What an application processed on a day, and flags that are set once a day.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, TransactWriteItem};
use domain::AppId;
use domain::notification::NewNotification;
use domain::settings::DailyUsage;
use time::{Duration, OffsetDateTime};

use crate::codec;
use crate::commit::CommitOutcome;
use crate::error::TableError;
use crate::keys::Row;
use crate::table::{IF_ABSENT, Table};

/// How long the counts of a day are kept.
const RETENTION: Duration = Duration::days(60);

impl Table {
    /// Counts an item of `bytes` on a day (`2026-11-21`); returns the day's counts with it.
    pub async fn add_usage(
        &self,
        app: AppId,
        day: &str,
        bytes: u64,
        now: OffsetDateTime,
    ) -> Result<DailyUsage, TableError> {
        let row = Row::Usage(app, day.to_owned());
        let number = |it: u64| AttributeValue::N(it.to_string());
        let expires = (now + RETENTION).unix_timestamp();
        let update = self
            .update_item(&row)
            .update_expression("ADD #items :one, #bytes :bytes SET #ttl = :ttl, #kind = :kind")
            .expression_attribute_names("#items", "items")
            .expression_attribute_names("#bytes", "bytes")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_names("#kind", "kind")
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":bytes", number(bytes))
            .expression_attribute_values(":ttl", AttributeValue::N(expires.to_string()))
            .expression_attribute_values(":kind", AttributeValue::S(row.kind().to_owned()))
            .return_values(ReturnValue::AllNew);
        let response = update.send().await.map_err(|it| TableError::write(&row, it))?;
        codec::decode("usage", response.attributes.unwrap_or_default())
    }

    /// Whether a flag of a day is set: `2026-11-21#usage.warning`.
    pub async fn has_daily_flag(&self, app: AppId, flag: &str) -> Result<bool, TableError> {
        Ok(self.get::<DailyUsage>(&Row::Usage(app, flag.to_owned())).await?.is_some())
    }

    /// Sets a flag of a day and publishes what it stands for, in one transaction: of several writers, one publishes.
    pub async fn publish_with_daily_flag(
        &self,
        app: AppId,
        flag: &str,
        notification: NewNotification,
        now: OffsetDateTime,
    ) -> Result<CommitOutcome, TableError> {
        let row = Row::Usage(app, flag.to_owned());
        let ttl = codec::ttl((now + RETENTION).unix_timestamp());
        let put = self.transaction_put(&row, &DailyUsage::default(), ttl, IF_ABSENT)?;
        let writes = vec![TransactWriteItem::builder().put(put).build()];
        self.write_and_publish(&row, app, writes, &[notification], now).await
    }

    /// What was processed on a day (`2026-11-21`).
    pub async fn usage(&self, app: AppId, day: &str) -> Result<DailyUsage, TableError> {
        Ok(self.get(&Row::Usage(app, day.to_owned())).await?.unwrap_or_default())
    }
}
