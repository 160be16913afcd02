//! What an application has used in a calendar month. Notifications are counted where they are stored already, so that a
//! count costs no write per notification: those of the application's own stream by its numbers, those of inboxes by the
//! rows that list the recent ones, each of which holds how many it has.

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
use domain::AppId;
use domain::billing::limits::{month, month_start};
use domain::notification::Stream;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::codec::{self, Attributes};
use crate::error::TableError;
use crate::keys::{self, Row};
use crate::streams::{MAX_ATTEMPTS, StreamRow, back_off};
use crate::table::{IF_ABSENT, RangeQuery, Table, condition_held};

/// Rows that list notifications are complete after this time: `dispatch` lags behind by less, or raises an alarm.
const SETTLED_AFTER: Duration = Duration::minutes(10);
/// How far the sum has to move before it is stored again.
const STORED_EACH: Duration = Duration::minutes(5);
/// How long a month is kept.
const RETENTION: Duration = Duration::days(400);
/// Rows that one request reads.
const PAGE_ROWS: i32 = 1_000;

/// What is summed up of a month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct MonthRow {
    /// The number of the month's first notification in the application's stream, or the one that it will have.
    first: u64,
    /// Notifications of inboxes in the rows before `until`.
    inboxes: u64,
    /// A sort key of the rows that list recent notifications.
    until: String,
    /// The time of `until`, in milliseconds since 1970.
    until_at: i64,
}

#[derive(Deserialize)]
struct CountRow {
    #[serde(default)]
    count: u64,
}

#[derive(Serialize)]
struct UserRow {
    at: i64,
}

impl Table {
    /// The notifications that an application has stored in the calendar month of `now`, in its stream and in inboxes. Those
    /// of inboxes whose row came more than ten minutes late are not counted.
    ///
    /// # Errors
    /// If the table cannot be read.
    pub async fn notifications_of_month(&self, app: AppId, now: OffsetDateTime) -> Result<u64, TableError> {
        let row = Row::MonthlyUsage(app, month(now));
        let stored: Option<MonthRow> = self.get(&row).await?;
        let is_new = stored.is_none();
        let mut sum = match stored {
            Some(stored) => stored,
            None => self.begin_month(app, month_start(now)).await?,
        };
        let (before, settled) = (sum.until.clone(), (now - SETTLED_AFTER).max(month_start(now)));
        let mut unsettled = 0;
        let (partition, end) = (keys::recent_notifications(app), keys::time_key(domain::millis(settled), ""));
        let mut from = sum.until.clone();
        loop {
            let range = RangeQuery {
                partition: &partition,
                from: &from,
                to: "9~",
                forward: true,
                consistent: false,
                limit: PAGE_ROWS,
            };
            let rows = self.query_range_of(range, "count").await?;
            let Some(last) = rows.last().map(codec::sort_key) else { break };
            for row in rows {
                let is_settled = codec::sort_key(&row) < end;
                let count = codec::decode::<CountRow>("told", row)?.count;
                if is_settled { sum.inboxes += count } else { unsettled += count }
            }
            from = format!("{last}!"); // behind the last
        }
        let moved = domain::millis(settled) - sum.until_at;
        if is_new || moved >= STORED_EACH.whole_milliseconds() as i64 {
            (sum.until, sum.until_at) = (end, domain::millis(settled));
            self.put_month(&row, &sum, &before, now).await?;
        }
        let head = self.head(app, &Stream::App).await?.map_or(0, |it| it.last.sequence);
        // a stream whose rows have all expired begins anew
        let published = if head + 1 >= sum.first { head + 1 - sum.first } else { head };
        Ok(published + sum.inboxes + unsettled)
    }

    async fn begin_month(&self, app: AppId, start: OffsetDateTime) -> Result<MonthRow, TableError> {
        let at = domain::millis(start);
        let first = self.first_number_since(app, &Stream::App, at).await?;
        Ok(MonthRow { first, inboxes: 0, until: keys::time_key(at, ""), until_at: at })
    }

    /// The number of the first notification of a stream that was stored at a time (milliseconds since 1970) or later, or
    /// the number that it will have: by bisection, since times grow with numbers.
    async fn first_number_since(&self, app: AppId, stream: &Stream, at: i64) -> Result<u64, TableError> {
        let Some(head) = self.head(app, stream).await? else { return Ok(1) };
        let oldest = self.oldest_position(app, stream).await?.map_or(head.last.sequence, |it| it.sequence);
        let (partition, mut from, mut to) = (keys::stream_partition(app, stream), oldest, head.last.sequence + 1);
        while from < to {
            let middle = from + (to - from) / 2;
            let key = keys::sequence_key(middle);
            let range =
                RangeQuery { partition: &partition, from: "0", to: &key, forward: false, consistent: false, limit: 1 };
            let Some(row) = self.query_range(range).await?.pop() else {
                from = middle + 1; // it has expired meanwhile
                continue;
            };
            let row: StreamRow = codec::decode("notification", row)?;
            if row.at >= at {
                to = row.first.max(from);
            } else {
                from = (row.first + row.count).max(middle + 1);
            }
        }
        Ok(from)
    }

    /// Stores the sum of a month, unless another environment has done so since it was read.
    async fn put_month(&self, row: &Row, sum: &MonthRow, before: &str, now: OffsetDateTime) -> Result<(), TableError> {
        let ttl = codec::ttl((now + RETENTION).unix_timestamp());
        let put = self
            .put_item()
            .set_item(Some(codec::encode(row, sum, ttl)?))
            .condition_expression("attribute_not_exists(PK) OR #until = :before")
            .expression_attribute_names("#until", "until")
            .expression_attribute_values(":before", AttributeValue::S(before.to_owned()));
        condition_held(row, put.send().await).map(drop)
    }

    /// Counts a user in the calendar month of `now`, once; `false` if there are `allowed` other ones already.
    ///
    /// # Errors
    /// `Conflict` if other users were counted at the same time in every try.
    pub async fn count_user(
        &self,
        app: AppId,
        user: &str,
        allowed: u64,
        now: OffsetDateTime,
    ) -> Result<bool, TableError> {
        let (month, ttl) = (month(now), codec::ttl((now + RETENTION).unix_timestamp()));
        let row = Row::MonthlyUser(app, month.clone(), user.to_owned());
        for attempt in 0..MAX_ATTEMPTS {
            if self.get_row(&row).await?.is_some() {
                return Ok(true);
            }
            if self.users_of_month(app, now).await? >= allowed {
                return Ok(false);
            }
            let put = self.transaction_put(&row, &UserRow { at: domain::millis(now) }, ttl.clone(), IF_ABSENT)?;
            let count = self.count_one_more(&Row::MonthlyUserCount(app, month.clone()), allowed, &ttl)?;
            let writes =
                vec![TransactWriteItem::builder().put(put).build(), TransactWriteItem::builder().update(count).build()];
            match self.transaction(writes).send().await.map_err(|it| it.into_service_error()) {
                Ok(_) => return Ok(true),
                // counted by another request, or beside one: what is so now shows which
                Err(error) if error.is_transaction_canceled_exception() => back_off(attempt).await,
                Err(source) => return Err(TableError::write(&row, source)),
            }
        }
        Err(TableError::conflict(&row))
    }

    /// How many users were counted in the calendar month of `now`.
    pub async fn users_of_month(&self, app: AppId, now: OffsetDateTime) -> Result<u64, TableError> {
        let row: Option<CountRow> = self.get(&Row::MonthlyUserCount(app, month(now))).await?;
        Ok(row.map_or(0, |it| it.count))
    }

    fn count_one_more(&self, row: &Row, allowed: u64, ttl: &Attributes) -> Result<Update, TableError> {
        let (pk, sk) = row.key();
        let number = |it: u64| AttributeValue::N(it.to_string());
        let expires = ttl.get("ttl").cloned().unwrap_or(AttributeValue::Null(true));
        let update = Update::builder()
            .table_name(self.name())
            .key("PK", AttributeValue::S(pk))
            .key("SK", AttributeValue::S(sk))
            .update_expression("ADD #count :one SET #ttl = :ttl, #kind = :kind")
            .condition_expression("attribute_not_exists(PK) OR #count < :allowed")
            .expression_attribute_names("#count", "count")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_names("#kind", "kind")
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":allowed", number(allowed))
            .expression_attribute_values(":ttl", expires)
            .expression_attribute_values(":kind", AttributeValue::S(row.kind().to_owned()));
        update.build().map_err(|it| TableError::write(row, it))
    }
}
