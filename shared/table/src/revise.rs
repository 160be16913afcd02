//! Changing a notification after it was sent: the row, and what is told of it, in one transaction.

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, Put as PutRow, TransactWriteItem};
use domain::AppId;
use domain::expiry::Expiry;
use domain::inbox::{Escalation, InboxEntry, Preferences, RETRACTED, UPDATED};
use domain::notification::{NewNotification, Notification, NotificationId, Position, next_position};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::streams::{MAX_ATTEMPTS, RETENTION, back_off, decode_batch, encode_stream_row};
use crate::{Attributes, CAPACITY, RangeQuery, Row, Table, TableError, codec, keys};

/// The most bytes of notifications that were sent together: an item has 400 KB (AWS, DynamoDB's limits).
const MAX_PACKED_BYTES: usize = 390_000;

/// What became of a change.
#[derive(Debug, Clone, PartialEq)]
pub enum ReviseOutcome {
    Revised(Box<Notification>),
    /// There is no such notification, or it was taken back, or has expired.
    NotFound,
}

#[derive(Serialize, Deserialize)]
struct EscalationRow {
    state: Escalation,
}

#[derive(Serialize, Deserialize)]
struct CollapseRow {
    #[serde(flatten)]
    position: Position,
}

#[derive(Serialize, Deserialize)]
struct NotificationTypeRow {
    name: String,
    /// JSON Schema, as text: DynamoDB knows no empty keys.
    schema: String,
}

impl Table {
    /// Replaces what a notification says, or, without `data`, takes it back. Its stream is told of it under the next
    /// number, which counts as nothing.
    ///
    /// # Errors
    /// `Full`, if those that were sent with it leave it no room.
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
            let ask =
                RangeQuery { partition: &partition, from: "0", to: &to, forward: false, consistent: true, limit: 1 };
            let Some(row) = self.query_range(ask).await?.pop() else { return Ok(ReviseOutcome::NotFound) };
            let mut notifications = decode_batch(row.clone())?.notifications;
            let marks = self.read_state(app, user).await?;
            let gone = marks.is_deleted_or_expired(id.sequence, domain::millis(now));
            let found = notifications.iter_mut().find(|it| it.id == *id && !gone && !it.has_expired(now));
            let Some(found) = found else { return Ok(ReviseOutcome::NotFound) };
            found.data = data.cloned().unwrap_or_else(|| json!({ "retracted": true }));
            let revised = found.clone();
            let mut told = revised.data.clone();
            let (kind, member) = if data.is_some() { (UPDATED, "updates") } else { (RETRACTED, "retracts") };
            told[member] = json!(id);
            let place = next_position(now, self.head(app, stream).await?);
            let (event, body, extra) = encode_stream_row(app, stream, place, &[NewNotification::new(kind, told)], now)?;
            let mut marked = marks.clone();
            marked.deleted.insert(place.sequence, place.sequence);
            if data.is_none() {
                marked.deleted.insert(id.sequence, id.sequence);
            } else if let Some(at) = revised.expires_at() {
                marked.set_expiry(Expiry { number: id.sequence, at, set_by: place.sequence });
            }
            marked.revision += 1;
            let news: Vec<NewNotification> =
                notifications.into_iter().map(|it| NewNotification { kind: it.kind, data: it.data }).collect();
            let rows = [
                self.rewrite_row(row, &news)?,
                self.transaction_put(&event, &body, extra, "attribute_not_exists(PK)")?,
                self.read_state_put(app, user, &marked)?,
            ];
            let rows = rows.into_iter().map(|it| TransactWriteItem::builder().put(it).build()).collect();
            let write =
                self.client.transact_write_items().set_transact_items(Some(rows)).return_consumed_capacity(CAPACITY);
            match write.send().await.map_err(|it| it.into_service_error()) {
                Ok(_) => return Ok(ReviseOutcome::Revised(Box::new(revised))),
                Err(TransactWriteItemsError::TransactionCanceledException(_)) => back_off(attempt).await,
                Err(source) => return Err(TableError::write(&event, source)),
            }
        }
        Err(TableError::conflict(&Row::Notification(app, stream.clone(), id.sequence)))
    }

    /// A stream's row with other news, if nobody has changed it meanwhile.
    fn rewrite_row(&self, mut row: Attributes, news: &[NewNotification]) -> Result<PutRow, TableError> {
        let here = Row::SweepCheckpoint; // names the error alone
        match news {
            [one] => {
                let text = serde_json::to_string(one).map_err(|it| TableError::write(&here, it))?;
                row.insert("news".into(), AttributeValue::S(text));
            }
            many => {
                let packed = codec::pack(&many).map_err(|it| TableError::write(&here, it))?;
                if packed.len() > MAX_PACKED_BYTES {
                    return Err(TableError::full(&here));
                }
                row.insert("packed".into(), AttributeValue::B(Blob::new(packed)));
            }
        }
        row.remove("redriven"); // or it would be told again
        let edits: Option<u64> = row.get("edits").and_then(|it| it.as_n().ok()?.parse().ok());
        row.insert("edits".into(), AttributeValue::N((edits.unwrap_or(0) + 1).to_string()));
        let put = PutRow::builder().table_name(&self.name).set_item(Some(row));
        let put = match edits {
            None => put.condition_expression("attribute_exists(PK) AND attribute_not_exists(edits)"),
            Some(edits) => put
                .condition_expression("edits = :edits")
                .expression_attribute_values(":edits", AttributeValue::N(edits.to_string())),
        };
        put.build().map_err(|it| TableError::write(&here, it))
    }

    /// What a user wants. A read that may be a moment old, at half the price: it comes with every notification.
    pub async fn preferences(&self, app: AppId, user: &str) -> Result<Preferences, TableError> {
        let row = Row::Preferences(app, user.to_owned());
        Ok(self.get_eventual(&row).await?.unwrap_or_default())
    }

    pub async fn put_preferences(&self, app: AppId, user: &str, it: &Preferences) -> Result<(), TableError> {
        self.put(&Row::Preferences(app, user.to_owned()), it, Attributes::new()).await
    }

    /// What became of an escalation; `None` if it is not due yet.
    pub async fn escalation(&self, it: &InboxEntry) -> Result<Option<Escalation>, TableError> {
        let there: Option<EscalationRow> = self.get(&Row::Escalation(it.app, it.id.clone())).await?;
        Ok(there.map(|it| it.state))
    }

    pub async fn put_escalation(
        &self,
        it: &InboxEntry,
        state: Escalation,
        now: OffsetDateTime,
    ) -> Result<(), TableError> {
        let row = Row::Escalation(it.app, it.id.clone());
        self.put(&row, &EscalationRow { state }, codec::ttl((now + RETENTION).unix_timestamp())).await
    }

    /// The newest notification of a collapse key, as far as is known.
    pub async fn newest_of_collapse_key(
        &self,
        app: AppId,
        user: &str,
        key: &str,
    ) -> Result<Option<Position>, TableError> {
        let there: Option<CollapseRow> = self.get(&collapse_row(app, user, key)).await?;
        Ok(there.map(|it| it.position))
    }

    /// Notes the newest notification of a collapse key; `false` if a newer one is known by now.
    pub async fn put_newest_of_collapse_key(
        &self,
        app: AppId,
        user: &str,
        key: &str,
        place: Position,
        now: OffsetDateTime,
    ) -> Result<bool, TableError> {
        let row = collapse_row(app, user, key);
        let ttl = codec::ttl((now + RETENTION).unix_timestamp());
        let number = |it: String| AttributeValue::N(it);
        let put = self.client.put_item().table_name(&self.name).return_consumed_capacity(CAPACITY);
        let put = put
            .set_item(Some(codec::encode(&row, &CollapseRow { position: place }, ttl)?))
            .condition_expression(
                "attribute_not_exists(PK) OR epoch < :epoch OR (epoch = :epoch AND #sequence <= :sequence)",
            )
            .expression_attribute_names("#sequence", "sequence")
            .expression_attribute_values(":epoch", number(place.epoch.to_string()))
            .expression_attribute_values(":sequence", number(place.sequence.to_string()));
        match put.send().await.map_err(|it| it.into_service_error()) {
            Ok(_) => Ok(true),
            Err(it) if it.is_conditional_check_failed_exception() => Ok(false),
            Err(source) => Err(TableError::write(&row, source)),
        }
    }

    /// The JSON Schema of a type, as text.
    pub async fn notification_type(&self, app: AppId, kind: &str) -> Result<Option<String>, TableError> {
        let there: Option<NotificationTypeRow> =
            self.get_eventual(&Row::NotificationType(app, kind.to_owned())).await?;
        Ok(there.map(|it| it.schema))
    }

    pub async fn put_notification_type(&self, app: AppId, kind: &str, schema: &str) -> Result<(), TableError> {
        let body = NotificationTypeRow { name: kind.to_owned(), schema: schema.to_owned() };
        self.put(&Row::NotificationType(app, kind.to_owned()), &body, Attributes::new()).await
    }

    /// `false` if there was none.
    pub async fn delete_notification_type(&self, app: AppId, kind: &str) -> Result<bool, TableError> {
        self.delete(&Row::NotificationType(app, kind.to_owned())).await
    }

    /// An application's types with their schemas, by name, at most 200.
    pub async fn notification_types(&self, app: AppId) -> Result<Vec<(String, String)>, TableError> {
        let partition = keys::application(app);
        let ask = RangeQuery {
            partition: &partition,
            from: "TYPE#",
            to: "TYPE#~",
            forward: true,
            consistent: true,
            limit: 200,
        };
        let rows = self.query_range(ask).await?;
        let read = |it: Attributes| codec::decode::<NotificationTypeRow>("type", it).map(|it| (it.name, it.schema));
        rows.into_iter().map(read).collect()
    }
}

fn collapse_row(app: AppId, user: &str, key: &str) -> Row {
    Row::CollapseKey(app, user.to_owned(), domain::id::sha256_hex(key.as_bytes()))
}
