//! An application's settings, the rows that find it by a webhook's secret or an Iconik domain, and its limits.

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_dynamodb::types::ReturnValue;
use domain::AppId;
use domain::settings::{DailyUsage, Settings};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Attributes, CAPACITY, RangeQuery, Row, Table, TableError, codec, keys};

/// Whose webhooks come with a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IconikWebhook {
    pub app: AppId,
    /// The Iconik domain that they must come from.
    pub domain: Option<String>,
    /// Our own user there: what it does is no news.
    pub user: Option<String>,
    /// Collections that are watched; none means everything.
    #[serde(default)]
    pub collections: Vec<Uuid>,
    /// The secret is good until then, in milliseconds; after it was changed.
    #[serde(default)]
    pub until: Option<i64>,
}

/// How long counts of a day are kept.
const USAGE_RETENTION: time::Duration = time::Duration::days(60);

impl Table {
    /// An application's settings; the defaults, if it never set any.
    pub async fn settings(&self, app: AppId) -> Result<Settings, TableError> {
        Ok(self.get(&Row::Settings(app)).await?.unwrap_or_default())
    }

    pub async fn put_settings(&self, app: AppId, settings: &Settings) -> Result<(), TableError> {
        self.put(&Row::Settings(app), settings, Attributes::new()).await
    }

    /// Whose webhooks come with the secret of this SHA-256.
    pub async fn iconik_webhook(&self, hash: &str) -> Result<Option<IconikWebhook>, TableError> {
        self.get(&Row::IconikWebhook(hash.to_owned())).await
    }

    pub async fn put_iconik_webhook(&self, hash: &str, hook: &IconikWebhook) -> Result<(), TableError> {
        let extra = hook.until.map(|it| codec::ttl(it / 1_000 + 1)).unwrap_or_default();
        self.put(&Row::IconikWebhook(hash.to_owned()), hook, extra).await
    }

    /// Notes that an application belongs to an Iconik domain, as Iconik itself said, or does not any more.
    pub async fn put_iconik_domain(&self, domain: &str, app: AppId, named: bool) -> Result<(), TableError> {
        self.put(&Row::IconikDomain(domain.to_owned(), app), &IconikDomainRow { app, named }, Attributes::new()).await
    }

    /// The applications that Iconik itself named for a domain. Those that claim it are passed over, however many they are.
    pub async fn applications_of_domain(&self, domain: &str) -> Result<Vec<AppId>, TableError> {
        let partition = keys::iconik_domain(domain);
        let (mut from, mut apps) = ("0".to_owned(), Vec::new());
        loop {
            let ask =
                RangeQuery { partition: &partition, from: &from, to: "~", forward: true, consistent: true, limit: 100 };
            let rows = self.query_range(ask).await?;
            let whole = rows.len() < 100;
            for row in rows {
                let it: IconikDomainRow = codec::decode("domain", row)?;
                from = format!("{} ", it.app); // behind this one
                if it.named {
                    apps.push(it.app);
                }
            }
            if whole {
                return Ok(apps);
            }
        }
    }

    /// Counts an item of so many bytes on a day (`2026-11-21`); answers what the day's counts are now.
    pub async fn add_usage(
        &self,
        app: AppId,
        day: &str,
        bytes: u64,
        now: OffsetDateTime,
    ) -> Result<DailyUsage, TableError> {
        let row = Row::Usage(app, day.to_owned());
        let (pk, sk) = row.key();
        let number = |it: u64| AttributeValue::N(it.to_string());
        let expires = (now + USAGE_RETENTION).unix_timestamp();
        let update = self.client.update_item().table_name(&self.name).return_consumed_capacity(CAPACITY);
        let update = update.key("PK", AttributeValue::S(pk)).key("SK", AttributeValue::S(sk));
        let update = update
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
        let answer = update.send().await.map_err(|it| TableError::write(&row, it))?;
        codec::decode("usage", answer.attributes.unwrap_or_default())
    }

    /// Whether something that happens once a day has happened: `2026-11-21#usage.warning`.
    pub async fn has_daily_flag(&self, app: AppId, mark: &str) -> Result<bool, TableError> {
        Ok(self.get::<DailyUsage>(&Row::Usage(app, mark.to_owned())).await?.is_some())
    }

    pub async fn set_daily_flag(&self, app: AppId, mark: &str, now: OffsetDateTime) -> Result<(), TableError> {
        let expires = (now + USAGE_RETENTION).unix_timestamp();
        self.put(&Row::Usage(app, mark.to_owned()), &DailyUsage::default(), codec::ttl(expires)).await
    }

    /// What was processed on a day.
    pub async fn usage(&self, app: AppId, day: &str) -> Result<DailyUsage, TableError> {
        Ok(self.get(&Row::Usage(app, day.to_owned())).await?.unwrap_or_default())
    }

    /// Takes, or goes on holding, one of an application's `most` places for work; `None` if all are taken.
    pub async fn acquire_slot(
        &self,
        app: AppId,
        most: u32,
        holder: &str,
        first: u32,
        now: OffsetDateTime,
        until: OffsetDateTime,
    ) -> Result<Option<u32>, TableError> {
        for number in (0..most).map(|it| (it + first) % most) {
            if self.claim_slot(app, number, holder, now, until).await? {
                return Ok(Some(number));
            }
        }
        Ok(None)
    }

    /// Holds a place; `false` if it is another's.
    pub async fn claim_slot(
        &self,
        app: AppId,
        number: u32,
        holder: &str,
        now: OffsetDateTime,
        until: OffsetDateTime,
    ) -> Result<bool, TableError> {
        let row = Row::ConcurrencySlot(app, number);
        let slot = ConcurrencySlotRow { holder: holder.to_owned(), until: domain::millis(until) };
        let extra = codec::ttl(until.unix_timestamp() + 86_400);
        let put = self.client.put_item().table_name(&self.name).return_consumed_capacity(CAPACITY);
        let put = put
            .set_item(Some(codec::encode(&row, &slot, extra)?))
            .condition_expression("attribute_not_exists(PK) OR #until < :now OR holder = :holder")
            .expression_attribute_names("#until", "until")
            .expression_attribute_values(":now", AttributeValue::N(domain::millis(now).to_string()))
            .expression_attribute_values(":holder", AttributeValue::S(holder.to_owned()));
        match put.send().await.map_err(|it| it.into_service_error()) {
            Ok(_) => Ok(true),
            Err(it) if it.is_conditional_check_failed_exception() => Ok(false),
            Err(source) => Err(TableError::write(&row, source)),
        }
    }

    /// Gives a place back, if it is still this holder's.
    pub async fn release_slot(&self, app: AppId, number: u32, holder: &str) -> Result<(), TableError> {
        let row = Row::ConcurrencySlot(app, number);
        let (pk, sk) = row.key();
        let delete = self.client.delete_item().table_name(&self.name).return_consumed_capacity(CAPACITY);
        let delete = delete.key("PK", AttributeValue::S(pk)).key("SK", AttributeValue::S(sk));
        let delete = delete
            .condition_expression("holder = :holder")
            .expression_attribute_values(":holder", AttributeValue::S(holder.to_owned()));
        match delete.send().await.map_err(|it| it.into_service_error()) {
            Ok(_) => Ok(()),
            Err(it) if it.is_conditional_check_failed_exception() => Ok(()),
            Err(source) => Err(TableError::write(&row, source)),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct IconikDomainRow {
    app: AppId,
    /// Iconik named the domain for the application's token; without this the row is a claim, and counts for nothing.
    #[serde(default)]
    named: bool,
}

#[derive(Serialize, Deserialize)]
struct ConcurrencySlotRow {
    holder: String,
    until: i64,
}
