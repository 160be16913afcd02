//! Counts of items by status. `dispatch` writes the changes of each batch of the stream in a row named after the batch's
//! first record: a repeat of the batch replaces its row, so that it counts one time.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use domain::AppId;
use domain::item::ItemStatus;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::codec::{self, Attributes};
use crate::error::TableError;
use crate::keys::{self, Row};
use crate::table::{RangeQuery, Table};

/// Rows are added to the total once Lambda cannot repeat their batch any more: DynamoDB Streams keep records for 24 hours.
const COMPACTION_AGE_MS: i64 = 25 * 3_600 * 1_000;

/// Rows that one transaction compacts: it takes 100 writes (DynamoDB limit), and one is the total.
const MAX_COMPACTED: usize = 98;

/// Changes of counts by status.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally(pub BTreeMap<String, i64>);

#[derive(Serialize, Deserialize)]
struct TallyRow {
    counts: Tally,
    /// The sort key of the newest row that is part of the total.
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
    /// Stores the changes of a batch. `at` (milliseconds since 1970) and `batch` are its first record's time and sequence
    /// number.
    pub async fn put_tally(&self, app: AppId, counts: &Tally, at: i64, batch: &str) -> Result<(), TableError> {
        let body = TallyRow { counts: counts.clone(), until: String::new() };
        self.put(&Row::Tally(app, at, batch.to_owned()), &body, Attributes::new()).await
    }

    /// The current counts of an application, as far as `dispatch` has processed the stream. Adds the oldest rows to the
    /// total when there are as many as one transaction takes.
    pub async fn tally(&self, app: AppId, now: OffsetDateTime) -> Result<Tally, TableError> {
        let total: Option<TallyRow> = self.get(&Row::TallyTotal(app)).await?;
        let mut total = total.unwrap_or(TallyRow { counts: Tally::default(), until: String::new() });
        let before = total.until.clone();
        let partition = keys::tally(app);
        let settled = keys::time_key(domain::millis(now) - COMPACTION_AGE_MS, "");
        let (mut from, mut counts) = (format!("{}!", total.until), total.counts.clone());
        let mut compacted = Vec::new();
        loop {
            let range = RangeQuery {
                partition: &partition,
                from: &from,
                to: "9~",
                forward: true,
                consistent: true,
                limit: 1_000,
            };
            let rows = self.query_range(range).await?;
            let Some(last) = rows.last().map(codec::sort_key) else { break };
            for row in rows {
                let key = codec::sort_key(&row);
                let row: TallyRow = codec::decode("tally", row)?;
                counts.add(&row.counts);
                if key < settled && compacted.len() < MAX_COMPACTED {
                    total.counts.add(&row.counts);
                    total.until.clone_from(&key);
                    compacted.push(key);
                }
            }
            from = format!("{last}!"); // behind the last
        }
        if compacted.len() == MAX_COMPACTED {
            self.compact(app, &total, &before, &compacted).await?;
        }
        Ok(counts)
    }

    /// Replaces rows by the total that has them, unless another reader has changed the total since `before`.
    async fn compact(&self, app: AppId, total: &TallyRow, before: &str, keys: &[String]) -> Result<(), TableError> {
        let row = Row::TallyTotal(app);
        let condition = "attribute_not_exists(PK) OR until = :before";
        let mut put = self.transaction_put(&row, total, Attributes::new(), condition)?;
        put.expression_attribute_values = Some([(":before".to_owned(), AttributeValue::S(before.to_owned()))].into());
        let mut writes = vec![TransactWriteItem::builder().put(put).build()];
        for key in keys {
            let (ms, batch) = key.split_once('#').unwrap_or((key, ""));
            let row = Row::Tally(app, ms.parse().unwrap_or(0), batch.to_owned());
            writes.push(TransactWriteItem::builder().delete(self.transaction_delete(&row)?).build());
        }
        match self.transaction(writes).send().await.map_err(|it| it.into_service_error()) {
            Ok(_) => Ok(()),
            Err(error) if error.is_transaction_canceled_exception() => Ok(()), // another reader was faster
            Err(source) => Err(TableError::write(&row, source)),
        }
    }
}
