//! Concurrency slots: how many items of an application are processed at a time.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::AppId;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::codec;
use crate::error::TableError;
use crate::keys::Row;
use crate::table::{Table, condition_held};

/// Places of long polls that are tried: each that is taken costs a write.
const MAX_TRIED_PLACES: u32 = 8;

#[derive(Serialize, Deserialize)]
struct ConcurrencySlotRow {
    holder: String,
    until: i64,
}

impl Table {
    /// Claims one of an application's `count` slots until `until`, beginning with the slot `first`; `None` if others
    /// hold them all.
    pub async fn acquire_slot(
        &self,
        app: AppId,
        count: u32,
        holder: &str,
        first: u32,
        now: OffsetDateTime,
        until: OffsetDateTime,
    ) -> Result<Option<u32>, TableError> {
        self.acquire_any(|number| Row::ConcurrencySlot(app, number), count, holder, first, now, until).await
    }

    /// Claims one of the `count` places of long polls, of an application or of all, as [`Table::acquire_slot`] does.
    pub async fn acquire_poll_slot(
        &self,
        app: Option<AppId>,
        count: u32,
        holder: &str,
        first: u32,
        now: OffsetDateTime,
        until: OffsetDateTime,
    ) -> Result<Option<u32>, TableError> {
        // where eight places are taken, few are free
        let row = |number: u32| Row::PollSlot(app, (first + number) % count);
        let taken = self.acquire_any(row, count.min(MAX_TRIED_PLACES), holder, 0, now, until).await?;
        Ok(taken.map(|it| (first + it) % count))
    }

    /// Releases the place of a long poll, if it is still this holder's.
    pub async fn release_poll_slot(&self, app: Option<AppId>, number: u32, holder: &str) -> Result<(), TableError> {
        self.release(&Row::PollSlot(app, number), holder).await
    }

    async fn acquire_any(
        &self,
        row: impl Fn(u32) -> Row,
        count: u32,
        holder: &str,
        first: u32,
        now: OffsetDateTime,
        until: OffsetDateTime,
    ) -> Result<Option<u32>, TableError> {
        for number in (0..count).map(|it| (it + first) % count) {
            if self.claim(&row(number), holder, now, until).await? {
                return Ok(Some(number));
            }
        }
        Ok(None)
    }

    /// Claims a slot, or extends the claim of its holder; `false` if another holds it.
    pub async fn claim_slot(
        &self,
        app: AppId,
        number: u32,
        holder: &str,
        now: OffsetDateTime,
        until: OffsetDateTime,
    ) -> Result<bool, TableError> {
        self.claim(&Row::ConcurrencySlot(app, number), holder, now, until).await
    }

    /// Claims a row until `until`, or extends the claim of its holder; `false` if another holds it.
    pub(crate) async fn claim(
        &self,
        row: &Row,
        holder: &str,
        now: OffsetDateTime,
        until: OffsetDateTime,
    ) -> Result<bool, TableError> {
        let slot = ConcurrencySlotRow { holder: holder.to_owned(), until: domain::millis(until) };
        let extra = codec::ttl(until.unix_timestamp() + 86_400);
        let put = self
            .put_item()
            .set_item(Some(codec::encode(row, &slot, extra)?))
            .condition_expression("attribute_not_exists(PK) OR #until < :now OR holder = :holder")
            .expression_attribute_names("#until", "until")
            .expression_attribute_values(":now", AttributeValue::N(domain::millis(now).to_string()))
            .expression_attribute_values(":holder", AttributeValue::S(holder.to_owned()));
        condition_held(row, put.send().await)
    }

    /// Leaves a holder's claim of a row to another holder until `until`; without effect if it is not this holder's any more.
    pub(crate) async fn hand_over(
        &self,
        row: &Row,
        holder: &str,
        to: &str,
        until: OffsetDateTime,
    ) -> Result<(), TableError> {
        let slot = ConcurrencySlotRow { holder: to.to_owned(), until: domain::millis(until) };
        let extra = codec::ttl(until.unix_timestamp() + 86_400);
        let put = self
            .put_item()
            .set_item(Some(codec::encode(row, &slot, extra)?))
            .condition_expression("holder = :holder")
            .expression_attribute_values(":holder", AttributeValue::S(holder.to_owned()));
        condition_held(row, put.send().await).map(drop)
    }

    /// Releases a slot, if it is still this holder's.
    pub async fn release_slot(&self, app: AppId, number: u32, holder: &str) -> Result<(), TableError> {
        self.release(&Row::ConcurrencySlot(app, number), holder).await
    }

    /// Releases a row, if it is still this holder's.
    pub(crate) async fn release(&self, row: &Row, holder: &str) -> Result<(), TableError> {
        let delete = self
            .delete_item(row)
            .condition_expression("holder = :holder")
            .expression_attribute_values(":holder", AttributeValue::S(holder.to_owned()));
        condition_held(row, delete.send().await).map(drop)
    }
}
