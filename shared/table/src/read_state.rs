//! The read state of inboxes: one row per user, whose ranges are packed, since a user who reads every second notification
//! makes many of them.

use aws_sdk_dynamodb::types::{AttributeValue, Put};
use domain::AppId;
use domain::expiry::Expiry;
use domain::inbox::{ReadState, SequenceRanges};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::codec::{self, Attributes};
use crate::error::TableError;
use crate::keys::Row;
use crate::table::{IF_REVISION, Table, condition_held};

/// The most bytes of packed ranges in a row: a DynamoDB item has at most 400 KB. Some hundred thousand ranges fit.
const MAX_PACKED_BYTES: usize = 350_000;

/// The read state of a user's inbox has changed. The row of a read state has these attributes beside its packed ranges.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReadStateChange {
    pub app: AppId,
    pub user: String,
    pub revision: u64,
}

/// The row of a read state. The ranges are packed as deltas: seen, read, archived, deleted, closed; then, if there is any,
/// what expires.
fn encode(row: &Row, app: AppId, user: &str, state: &ReadState) -> Result<Attributes, TableError> {
    let ranges =
        [&state.seen, &state.read, &state.archived, &state.deleted, &state.closed].map(SequenceRanges::to_deltas);
    let mut sets = Vec::from(ranges);
    if state.expired > 0 || !state.expiring.is_empty() {
        sets.push(pack_expiries(state));
    }
    let packed = codec::pack(row, &sets)?;
    if packed.as_ref().len() > MAX_PACKED_BYTES {
        return Err(TableError::full(row));
    }
    let extra = [("packed".to_owned(), AttributeValue::B(packed))].into();
    codec::encode(row, &ReadStateChange { app, user: user.to_owned(), revision: state.revision }, extra)
}

/// The reverse of [`encode`].
fn decode(mut row: Attributes) -> Result<ReadState, TableError> {
    let packed = row.remove("packed");
    let ReadStateChange { app, user, revision } = codec::decode("marks", row)?;
    let corrupt = |source: Box<dyn std::error::Error + Send + Sync>| TableError::Corrupt {
        kind: "marks",
        key: format!("{app} {user}"),
        source,
    };
    let Some(AttributeValue::B(packed)) = packed else { return Err(corrupt("the row has no ranges".into())) };
    let sets: Vec<Vec<u64>> = codec::unpack(&packed).map_err(|it| corrupt(it.into()))?;
    let [seen, read, archived, deleted, closed] = std::array::from_fn(|index| match sets.get(index) {
        Some(deltas) => SequenceRanges::from_deltas(deltas),
        None => SequenceRanges::default(),
    });
    let times = sets.get(5).map_or(&[][..], Vec::as_slice);
    let (expired, times) = times.split_first().map_or((0, times), |(first, rest)| (*first, rest));
    let expiry = |it: &[u64]| Expiry { number: it[0], at: i64::try_from(it[1]).unwrap_or(i64::MAX), set_by: it[2] };
    let expiring = times.chunks_exact(3).map(expiry).collect();
    Ok(ReadState { revision, seen, read, archived, deleted, closed, expiring, expired })
}

/// How many notifications have expired, then number, time and origin of each that will.
fn pack_expiries(state: &ReadState) -> Vec<u64> {
    let each = state.expiring.iter().flat_map(|it| [it.number, u64::try_from(it.at).unwrap_or_default(), it.set_by]);
    std::iter::once(state.expired).chain(each).collect()
}

impl Table {
    /// The read state of a user's inbox; the default if none is stored.
    pub async fn read_state(&self, app: AppId, user: &str) -> Result<ReadState, TableError> {
        let row = self.get_row(&Row::ReadState(app, user.to_owned())).await?;
        Ok(row.map(decode).transpose()?.unwrap_or_default())
    }

    /// Stores the next revision of a read state; `false` if another revision was stored meanwhile.
    ///
    /// # Errors
    /// `Full` if its ranges are too many for a row.
    pub async fn put_read_state(&self, app: AppId, user: &str, state: &ReadState) -> Result<bool, TableError> {
        self.put_read_state_at_revision(app, user, state, state.revision - 1).await
    }

    async fn put_read_state_at_revision(
        &self,
        app: AppId,
        user: &str,
        state: &ReadState,
        before: u64,
    ) -> Result<bool, TableError> {
        let row = Row::ReadState(app, user.to_owned());
        let put = self
            .put_item()
            .set_item(Some(encode(&row, app, user, state)?))
            .condition_expression(IF_REVISION)
            .expression_attribute_values(":before", AttributeValue::N(before.to_string()));
        // the condition also fails on our own write, when its answer was lost and the SDK tried again
        Ok(condition_held(&row, put.send().await)? || self.read_state(app, user).await? == *state)
    }

    /// The put of the next revision, as part of a transaction.
    pub(crate) fn read_state_put(&self, app: AppId, user: &str, state: &ReadState) -> Result<Put, TableError> {
        let row = Row::ReadState(app, user.to_owned());
        let put = Put::builder().table_name(self.name()).set_item(Some(encode(&row, app, user, state)?));
        let before = AttributeValue::N((state.revision - 1).to_string());
        let put = put.condition_expression(IF_REVISION).expression_attribute_values(":before", before);
        put.build().map_err(|it| TableError::write(&row, it))
    }

    /// Resets a read state whose inbox has expired as a whole: its numbers begin anew, and old ranges must not apply to
    /// them. The revision grows to the milliseconds since 1970, so that the version of the counts keeps growing although
    /// the numbers begin at 1.
    pub(crate) async fn reset_read_state(&self, app: AppId, user: &str, now: OffsetDateTime) -> Result<(), TableError> {
        let before = self.read_state(app, user).await?.revision;
        if before > 0 {
            let revision = u64::try_from(domain::millis(now)).unwrap_or_default().max(before + 1);
            // a faster writer has reset it, or has changed the state of new notifications
            self.put_read_state_at_revision(app, user, &ReadState { revision, ..ReadState::default() }, before).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_a_hundred_thousand_fit_a_row_and_come_back() {
        let app = AppId::random([1; 16]);
        let row = Row::ReadState(app, "jane".into());
        let mut state = ReadState { revision: 7, ..ReadState::default() };
        let mut random = 1_u64;
        for number in 1..=100_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            if random >> 63 == 0 {
                state.read.insert(number, number);
                state.seen.insert(number, number);
                state.closed.insert(number, number);
            }
        }
        let without = encode(&row, app, "jane", &state).unwrap();
        assert_eq!(decode(without).unwrap(), state, "as it was written before anything could expire");
        state.expired = 3;
        state.expiring = [(5, 1_764_324_000_000, 9), (7, 1_764_324_000_001, 7)]
            .map(|(number, at, by)| Expiry { number, at, set_by: by })
            .into();
        let encoded = encode(&row, app, "jane", &state).unwrap();
        assert_eq!(decode(encoded.clone()).unwrap(), state);
        let whose: ReadStateChange = codec::decode("marks", encoded.clone()).unwrap();
        assert_eq!(whose, ReadStateChange { app, user: "jane".to_owned(), revision: 7 });
        let Some(AttributeValue::B(packed)) = encoded.get("packed") else { panic!("{encoded:?}") };
        assert!(packed.as_ref().len() < 70_000, "{} bytes", packed.as_ref().len());
        assert!(matches!(decode(Attributes::new()), Err(TableError::Corrupt { .. })));
    }
}
