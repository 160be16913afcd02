//! Counts of items by status. `dispatch` writes what each batch of the stream changed, in a row named after the
//! batch's first record: a repeated batch replaces its row, so that it counts once.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::TransactWriteItem;
use domain::AppId;
use domain::item::ItemStatus;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{Attributes, CAPACITY, RangeQuery, Row, Table, TableError, codec, keys};

/// Rows are joined once they are older than Lambda can repeat a batch (the stream keeps records for 24 hours).
const COMPACTION_AGE_MS: i64 = 25 * 3_600 * 1_000;

/// Changes of counts by status.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally(pub BTreeMap<String, i64>);

#[derive(Serialize, Deserialize)]
struct TallyRow {
    counts: Tally,
    /// Sort key of the newest row that is part of a total.
    #[serde(default)]
    until: String,
}

impl Tally {
    /// Counts a change of state.
    pub fn change(&mut self, before: Option<ItemStatus>, after: ItemStatus) {
        if let Some(before) = before {
            *self.0.entry(before.name().to_owned()).or_default() -= 1;
        }
        *self.0.entry(after.name().to_owned()).or_default() += 1;
    }

    fn add(&mut self, other: &Self) {
        for (status, change) in &other.0 {
            *self.0.entry(status.clone()).or_default() += change;
        }
    }
}

impl Table {
    /// Stores what a batch changed. `at` and `batch` are its first record's time and sequence number.
    pub async fn put_tally(&self, app: AppId, counts: &Tally, at: i64, batch: &str) -> Result<(), TableError> {
        let body = TallyRow { counts: counts.clone(), until: String::new() };
        self.put(&Row::Tally(app, at, batch.to_owned()), &body, Attributes::new()).await
    }

    /// The counts of an application now, as far as `dispatch` has seen. Joins settled rows when there are many.
    pub async fn tally(&self, app: AppId, now: OffsetDateTime) -> Result<Tally, TableError> {
        let total: Option<TallyRow> = self.get(&Row::TallyTotal(app)).await?;
        let mut total = total.unwrap_or(TallyRow { counts: Tally::default(), until: String::new() });
        let before = total.until.clone();
        let partition = keys::tally(app);
        let settled = keys::time_key(domain::millis(now) - COMPACTION_AGE_MS, "");
        let (mut from, mut counts, mut joined) = (format!("{}!", total.until), total.counts.clone(), Vec::new());
        loop {
            let ask = RangeQuery {
                partition: &partition,
                from: &from,
                to: "9~",
                forward: true,
                consistent: true,
                limit: 1_000,
            };
            let rows = self.query_range(ask).await?;
            let Some(last) = rows.last().and_then(|it| it.get("SK")?.as_s().ok()).cloned() else { break };
            for row in rows {
                let key = row.get("SK").and_then(|it| it.as_s().ok()).cloned().unwrap_or_default();
                let it: TallyRow = codec::decode("tally", row)?;
                counts.add(&it.counts);
                if key < settled && joined.len() < 98 {
                    total.counts.add(&it.counts);
                    total.until.clone_from(&key);
                    joined.push(key);
                }
            }
            from = format!("{last}!");
        }
        if joined.len() == 98 {
            self.compact(app, &total, &before, &joined).await?;
        }
        Ok(counts)
    }

    async fn compact(&self, app: AppId, total: &TallyRow, before: &str, joined: &[String]) -> Result<(), TableError> {
        let row = Row::TallyTotal(app);
        let mut put =
            self.transaction_put(&row, total, Attributes::new(), "attribute_not_exists(PK) OR until = :before")?;
        put.expression_attribute_values =
            Some([(":before".to_owned(), aws_sdk_dynamodb::types::AttributeValue::S(before.to_owned()))].into());
        let mut rows = vec![TransactWriteItem::builder().put(put).build()];
        for key in joined {
            let (ms, batch) = key.split_once('#').unwrap_or((key, ""));
            let row = Row::Tally(app, ms.parse().unwrap_or(0), batch.to_owned());
            rows.push(TransactWriteItem::builder().delete(self.transaction_delete(&row)?).build());
        }
        let write =
            self.client.transact_write_items().set_transact_items(Some(rows)).return_consumed_capacity(CAPACITY);
        match write.send().await.map_err(|it| it.into_service_error()) {
            Ok(_) => Ok(()),
            Err(it) if it.is_transaction_canceled_exception() => Ok(()), // another reader was faster
            Err(source) => Err(TableError::write(&row, source)),
        }
    }
}
