//! What was done with an inbox: one row per user, packed, since somebody who reads every second notification makes many
//! ranges.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, Put};
use domain::AppId;
use domain::expiry::Expiry;
use domain::inbox::{ReadState, SequenceRanges};
use time::OffsetDateTime;

use crate::{Attributes, CAPACITY, ReadStateChange, Row, Table, TableError, codec};

/// The most bytes of a row of packed marks: an item has 400 KB (AWS, DynamoDB's limits). Some hundred thousand ranges fit.
const MAX_PACKED_BYTES: usize = 350_000;

/// A row of marks for this state. The ranges are packed as steps: seen, read, archived, deleted, closed; then, if there
/// is any, what expires.
fn encode(row: &Row, app: AppId, user: &str, marks: &ReadState) -> Result<Attributes, TableError> {
    let sets =
        [&marks.seen, &marks.read, &marks.archived, &marks.deleted, &marks.closed].map(SequenceRanges::to_deltas);
    let mut sets = Vec::from(sets);
    if marks.expired > 0 || !marks.expiring.is_empty() {
        sets.push(pack_expiries(marks));
    }
    let packed = codec::pack(&sets).map_err(|it| TableError::write(row, it))?;
    if packed.len() > MAX_PACKED_BYTES {
        return Err(TableError::full(row));
    }
    let extra = [("packed".to_owned(), AttributeValue::B(Blob::new(packed)))].into();
    codec::encode(row, &ReadStateChange { app, user: user.to_owned(), revision: marks.revision }, extra)
}

/// The marks that a row holds.
fn decode(mut row: Attributes) -> Result<ReadState, TableError> {
    let packed = row.remove("packed");
    let ReadStateChange { app, user, revision } = codec::decode("marks", row)?;
    let corrupt = |source: Box<dyn std::error::Error + Send + Sync>| TableError::Corrupt {
        kind: "marks",
        key: format!("{app} {user}"),
        source,
    };
    let Some(AttributeValue::B(packed)) = packed else { return Err(corrupt("the row holds no marks".into())) };
    let sets: Vec<Vec<u64>> = codec::unpack(packed.as_ref()).map_err(|it| corrupt(it.into()))?;
    let [seen, read, archived, deleted, closed] = std::array::from_fn(|it| match sets.get(it) {
        Some(steps) => SequenceRanges::from_deltas(steps),
        None => SequenceRanges::default(),
    });
    let times = sets.get(5).map_or(&[][..], Vec::as_slice);
    let (expired, times) = times.split_first().map_or((0, times), |(first, rest)| (*first, rest));
    let expiry = |it: &[u64]| Expiry { number: it[0], at: i64::try_from(it[1]).unwrap_or(i64::MAX), set_by: it[2] };
    let expiring = times.chunks_exact(3).map(expiry).collect();
    Ok(ReadState { revision, seen, read, archived, deleted, closed, expiring, expired })
}

/// How many have expired, then number, time and origin of each that will.
fn pack_expiries(marks: &ReadState) -> Vec<u64> {
    let each = marks.expiring.iter().flat_map(|it| [it.number, u64::try_from(it.at).unwrap_or_default(), it.set_by]);
    std::iter::once(marks.expired).chain(each).collect()
}

impl Table {
    /// What was done with an inbox.
    pub async fn read_state(&self, app: AppId, user: &str) -> Result<ReadState, TableError> {
        let there = self.get_row(&Row::ReadState(app, user.to_owned())).await?;
        Ok(there.map(decode).transpose()?.unwrap_or_default())
    }

    /// Stores marks that were made from those of the revision before; `false` if others were faster.
    ///
    /// # Errors
    /// `Full`, if they are too many for a row.
    pub async fn put_read_state(&self, app: AppId, user: &str, marks: &ReadState) -> Result<bool, TableError> {
        self.put_read_state_at_revision(app, user, marks, marks.revision - 1).await
    }

    async fn put_read_state_at_revision(
        &self,
        app: AppId,
        user: &str,
        marks: &ReadState,
        before: u64,
    ) -> Result<bool, TableError> {
        let row = Row::ReadState(app, user.to_owned());
        let put = self.client.put_item().table_name(&self.name).return_consumed_capacity(CAPACITY);
        let put = put
            .set_item(Some(encode(&row, app, user, marks)?))
            .condition_expression(REVISION_CONDITION)
            .expression_attribute_values(":before", AttributeValue::N(before.to_string()));
        match put.send().await.map_err(|it| it.into_service_error()) {
            Ok(_) => Ok(true),
            // also on our own write, when its answer was lost and the SDK tried again
            Err(it) if it.is_conditional_check_failed_exception() => Ok(self.read_state(app, user).await? == *marks),
            Err(source) => Err(TableError::write(&row, source)),
        }
    }

    /// The same, as a part of a transaction.
    pub(crate) fn read_state_put(&self, app: AppId, user: &str, marks: &ReadState) -> Result<Put, TableError> {
        let row = Row::ReadState(app, user.to_owned());
        let put = Put::builder().table_name(&self.name).set_item(Some(encode(&row, app, user, marks)?));
        let before = AttributeValue::N((marks.revision - 1).to_string());
        let put = put.condition_expression(REVISION_CONDITION).expression_attribute_values(":before", before);
        put.build().map_err(|it| TableError::write(&row, it))
    }

    /// All of an inbox has expired, and its numbers begin anew: old marks must not fit them. The revision goes on, far
    /// enough that counts keep growing versions although the numbers begin at 1: by the milliseconds since 1970.
    pub(crate) async fn reset_read_state(&self, app: AppId, user: &str, now: OffsetDateTime) -> Result<(), TableError> {
        let before = self.read_state(app, user).await?.revision;
        if before > 0 {
            let revision = u64::try_from(domain::millis(now)).unwrap_or_default().max(before + 1);
            // whoever was faster has cleared them, or has marked what is new
            self.put_read_state_at_revision(app, user, &ReadState { revision, ..ReadState::default() }, before).await?;
        }
        Ok(())
    }
}

const REVISION_CONDITION: &str = "attribute_not_exists(PK) OR revision = :before";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_a_hundred_thousand_fit_a_row_and_come_back() {
        let app = AppId::random([1; 16]);
        let row = Row::ReadState(app, "jane".into());
        let mut marks = ReadState { revision: 7, ..ReadState::default() };
        let mut word = 1_u64;
        for number in 1..=100_000 {
            word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            if word >> 63 == 0 {
                marks.read.insert(number, number);
                marks.seen.insert(number, number);
                marks.closed.insert(number, number);
            }
        }
        let without = encode(&row, app, "jane", &marks).unwrap();
        assert_eq!(decode(without).unwrap(), marks, "as it was written before anything could expire");
        marks.expired = 3;
        marks.expiring = [(5, 1_764_324_000_000, 9), (7, 1_764_324_000_001, 7)]
            .map(|(number, at, by)| Expiry { number, at, set_by: by })
            .into();
        let encoded = encode(&row, app, "jane", &marks).unwrap();
        assert_eq!(decode(encoded.clone()).unwrap(), marks);
        let whose: ReadStateChange = codec::decode("marks", encoded.clone()).unwrap();
        assert_eq!(whose, ReadStateChange { app, user: "jane".to_owned(), revision: 7 });
        let Some(AttributeValue::B(packed)) = encoded.get("packed") else { panic!("{encoded:?}") };
        assert!(packed.as_ref().len() < 70_000, "{} bytes", packed.as_ref().len());
        assert!(matches!(decode(Attributes::new()), Err(TableError::Corrupt { .. })));
    }
}
