//! Changes of a notification after it was published: its row, the change notification, and the read state, in
//! one transaction.

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use domain::AppId;
use domain::expiry::Expiry;
use domain::inbox::{RETRACTED, UPDATED};
use domain::notification::{NewNotification, Notification, NotificationId, next_position};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::codec::{self, Attributes};
use crate::error::TableError;
use crate::keys::{self, Row};
use crate::streams::{MAX_ATTEMPTS, back_off, decode_batch, encode_stream_row};
use crate::table::{IF_ABSENT, RangeQuery, Table};

/// The most bytes of packed notifications in a row: a DynamoDB item has at most 400 KB.
const MAX_PACKED_BYTES: usize = 390_000;

/// The outcome of a change.
#[derive(Debug, Clone, PartialEq)]
pub enum ReviseOutcome {
    /// The notification as it is now.
    Revised(Box<Notification>),
    /// There is no such notification, or it was retracted, deleted or has expired.
    NotFound,
}

impl Table {
    /// Replaces the data of a notification; without `data`, retracts it. An event under the stream's next number tells of
    /// it. The event counts as deleted, so that it changes no counts.
    ///
    /// # Errors
    /// `Full` if the other notifications of its row leave no room; `Conflict` if other writers were faster in every try.
    pub async fn revise(
        &self,
        app: AppId,
        user: &str,
        id: &NotificationId,
        data: Option<&Value>,
        now: OffsetDateTime,
    ) -> Result<ReviseOutcome, TableError> {
        let stream = &id.stream;
        for attempt in 0..MAX_ATTEMPTS {
            let to = keys::sequence_key(id.sequence);
            let partition = keys::stream_partition(app, stream);
            let range =
                RangeQuery { partition: &partition, from: "0", to: &to, forward: false, consistent: true, limit: 1 };
            let Some(row) = self.query_range(range).await?.pop() else { return Ok(ReviseOutcome::NotFound) };
            let mut notifications = decode_batch(row.clone())?.notifications;
            let mut state = self.read_state(app, user).await?;
            let gone = state.is_deleted_or_expired(id.sequence, domain::millis(now));
            let found = notifications.iter_mut().find(|it| it.id == *id && !gone && !it.has_expired(now));
            let Some(found) = found else { return Ok(ReviseOutcome::NotFound) };
            found.data = data.cloned().unwrap_or_else(|| json!({ "retracted": true }));
            let revised = found.clone();
            let mut event_data = revised.data.clone();
            let (kind, member) = if data.is_some() { (UPDATED, "updates") } else { (RETRACTED, "retracts") };
            event_data[member] = json!(id);
            let event = NewNotification::new(kind, event_data);
            let position = next_position(now, self.head(app, stream).await?);
            let (event_row, body, extra) = encode_stream_row(app, stream, position, &[event], now)?;
            state.deleted.insert(position.sequence, position.sequence);
            if data.is_none() {
                state.deleted.insert(id.sequence, id.sequence);
            } else if let Some(at) = revised.expires_at() {
                state.set_expiry(Expiry { number: id.sequence, at, set_by: position.sequence });
            }
            state.revision += 1;
            let contents = notifications.into_iter().map(NewNotification::from);
            let contents: Vec<NewNotification> = contents.collect();
            let puts = [
                self.rewrite_row(row, id, app, &contents)?,
                self.transaction_put(&event_row, &body, extra, IF_ABSENT)?,
                self.read_state_put(app, user, &state)?,
            ];
            let writes = puts.into_iter().map(|it| TransactWriteItem::builder().put(it).build()).collect();
            match self.transaction(writes).send().await.map_err(|it| it.into_service_error()) {
                Ok(_) => return Ok(ReviseOutcome::Revised(Box::new(revised))),
                Err(TransactWriteItemsError::TransactionCanceledException(_)) => back_off(attempt).await,
                Err(source) => return Err(TableError::write(&event_row, source)),
            }
        }
        Err(TableError::conflict(&Row::Notification(app, stream.clone(), id.sequence)))
    }

    /// The put of a stream's row with other contents, under the condition that nobody has changed it meanwhile.
    fn rewrite_row(
        &self,
        mut row: Attributes,
        id: &NotificationId,
        app: AppId,
        contents: &[NewNotification],
    ) -> Result<Put, TableError> {
        let name = Row::Notification(app, id.stream.clone(), id.sequence); // for errors
        match contents {
            [one] => {
                let text = serde_json::to_string(one).map_err(|it| TableError::write(&name, it))?;
                row.insert("news".into(), AttributeValue::S(text));
            }
            many => {
                let packed = codec::pack(&name, &many)?;
                if packed.as_ref().len() > MAX_PACKED_BYTES {
                    return Err(TableError::full(&name));
                }
                row.insert("packed".into(), AttributeValue::B(packed));
            }
        }
        row.remove("redriven"); // or `dispatch` would deliver the row again
        let edits: Option<u64> = row.get("edits").and_then(|it| it.as_n().ok()?.parse().ok());
        row.insert("edits".into(), AttributeValue::N((edits.unwrap_or(0) + 1).to_string()));
        let put = Put::builder().table_name(self.name()).set_item(Some(row));
        let put = match edits {
            None => put.condition_expression("attribute_exists(PK) AND attribute_not_exists(edits)"),
            Some(edits) => put
                .condition_expression("edits = :edits")
                .expression_attribute_values(":edits", AttributeValue::N(edits.to_string())),
        };
        put.build().map_err(|it| TableError::write(&name, it))
    }
}
