//! The message store (NMS): what is in a box, and its subscriptions.

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, CancellationReason, Put, TransactWriteItem};
use domain::message_store::{BOX_CHANGED, BoxId, BoxSubscription, Stored};
use domain::notification::{NewNotification, Position};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use time::OffsetDateTime;

use crate::channel_queue::{QueuedNotification, queued_row, queued_ttl};
use crate::codec::{self, Attributes};
use crate::error::TableError;
use crate::keys::{self, Row};
use crate::table::{IF_ABSENT, IF_REVISION, Table, condition_held, revision_before};

/// How long a tombstone stays: as long as the box's stream tells of the deletion.
const TOMBSTONE_SECONDS: i64 = 31 * 86_400;

/// The payload of an object.
#[derive(Serialize)]
struct PayloadRow {
    object: u64,
}

impl Table {
    /// The next id of a box, for an object, a folder or a subscription.
    pub async fn next_box_id(&self, in_box: &BoxId) -> Result<u64, TableError> {
        self.count_up(&Row::BoxCounter(in_box.clone())).await
    }

    /// An object or a folder, or its tombstone.
    pub async fn stored(&self, in_box: &BoxId, id: u64) -> Result<Option<Stored>, TableError> {
        self.get(&Row::Stored(in_box.clone(), id)).await
    }

    /// Everything in a box, tombstones included, by id.
    pub async fn all_stored(&self, in_box: &BoxId) -> Result<Vec<Stored>, TableError> {
        self.all_in_box(in_box, "STORED", "nms-stored").await
    }

    /// The subscriptions of a box, those that have expired included, oldest first.
    pub async fn box_subscriptions(&self, in_box: &BoxId) -> Result<Vec<BoxSubscription>, TableError> {
        self.all_in_box(in_box, "SUBSCRIPTION", "nms-subscription").await
    }

    async fn all_in_box<T: DeserializeOwned>(
        &self,
        in_box: &BoxId,
        prefix: &str,
        kind: &'static str,
    ) -> Result<Vec<T>, TableError> {
        self.query_all(&keys::message_box(in_box), format!("{prefix}#"), &format!("{prefix}#~"), kind).await
    }

    /// Stores a change together with the notification that tells of it: `lastModSeq` is the notification's number. `before`
    /// is the thing as it was read, `None` if it is new; the `revision` of `changed` is one higher. A folder comes, moves, is
    /// renamed and goes together with its name: whatever is killed, a name leads to the folder that has it, or is free. The
    /// thing as it is stored; `None` if another writer was faster, or if the new name of a folder is taken.
    ///
    /// # Errors
    /// `Conflict` if other changes of the box took the next number in every try.
    pub async fn commit_stored(
        &self,
        before: Option<&Stored>,
        changed: &Stored,
        now: OffsetDateTime,
    ) -> Result<Option<Stored>, TableError> {
        let row = Row::Stored(changed.in_box.clone(), changed.id);
        let numbered = |sequence: u64| {
            let created_seq = if before.is_none() { sequence } else { changed.created_seq };
            Stored { created_seq, changed_seq: sequence, ..changed.clone() }
        };
        let names = name_change(before, changed);
        let writes = |position: Position| {
            let extra = match changed.is_live() {
                true => Attributes::new(),
                false => codec::ttl(now.unix_timestamp() + TOMBSTONE_SECONDS),
            };
            let put = Put::builder()
                .table_name(self.name())
                .set_item(Some(codec::encode(&row, &numbered(position.sequence), extra)?))
                .condition_expression(IF_REVISION)
                .expression_attribute_values(":before", revision_before(changed.revision));
            let put = put.build().map_err(|it| TableError::write(&row, it))?;
            let mut writes = vec![TransactWriteItem::builder().put(put).build()];
            if let Some(name) = &names.taken {
                let claim = PayloadRow { object: changed.id };
                let claim = self.transaction_put(name, &claim, Attributes::new(), IF_ABSENT)?;
                writes.push(TransactWriteItem::builder().put(claim).build());
            }
            if let Some(name) = &names.left {
                writes.push(TransactWriteItem::builder().delete(self.transaction_delete(name)?).build());
            }
            Ok(writes)
        };
        let notification = NewNotification::new(BOX_CHANGED, json!({ "id": changed.id }));
        let (app, stream) = (changed.in_box.app, changed.in_box.stream());
        let position = self.write_and_publish_at(&row, app, &stream, writes, &[notification], now).await?;
        Ok(position.map(|it| numbered(it.sequence)))
    }

    /// Deletes a thing without a trace, as it was read, and a folder's name with it; `false` if it was changed meanwhile, or is
    /// gone: its name may be another folder's by now.
    ///
    /// # Errors
    /// `Conflict` if another request writes the same at the same time.
    pub async fn forget_stored(&self, thing: &Stored) -> Result<bool, TableError> {
        let row = Row::Stored(thing.in_box.clone(), thing.id);
        let mut delete = self.transaction_delete(&row)?;
        delete.condition_expression = Some("revision = :revision".to_owned());
        let revision = AttributeValue::N(thing.revision.to_string());
        delete.expression_attribute_values = Some([(":revision".to_owned(), revision)].into());
        let mut writes = vec![TransactWriteItem::builder().delete(delete).build()];
        if let Some(name) = name_row(thing) {
            writes.push(TransactWriteItem::builder().delete(self.transaction_delete(&name)?).build());
        }
        match self.transaction(writes).send().await.map_err(|it| it.into_service_error()) {
            Ok(_) => Ok(true),
            Err(TransactWriteItemsError::TransactionCanceledException(canceled)) => {
                let first = canceled.cancellation_reasons().first().and_then(CancellationReason::code);
                match first {
                    Some("ConditionalCheckFailed") => Ok(false),
                    _ => Err(TableError::conflict(&row)),
                }
            }
            Err(source) => Err(TableError::write(&row, source)),
        }
    }

    /// The id of a folder by its name.
    pub async fn folder_named(&self, in_box: &BoxId, parent: u64, name: &str) -> Result<Option<u64>, TableError> {
        let row = self.get_row(&Row::FolderName(in_box.clone(), parent, name.to_owned())).await?;
        Ok(row.and_then(|it| it.get("object")?.as_n().ok()?.parse().ok()))
    }

    /// Stores the payload of an object: it is written before the object.
    pub async fn put_payload(&self, in_box: &BoxId, id: u64, bytes: &[u8]) -> Result<(), TableError> {
        let bytes = [("bytes".to_owned(), AttributeValue::B(Blob::new(bytes)))].into();
        self.put(&Row::Payload(in_box.clone(), id), &PayloadRow { object: id }, bytes).await
    }

    /// The payload of an object.
    pub async fn payload(&self, in_box: &BoxId, id: u64) -> Result<Option<Vec<u8>>, TableError> {
        let row = self.get_row(&Row::Payload(in_box.clone(), id)).await?;
        Ok(row.and_then(|mut it| match it.remove("bytes") {
            Some(AttributeValue::B(bytes)) => Some(bytes.into_inner()),
            _ => None,
        }))
    }

    /// Deletes the payload of an object.
    pub async fn delete_payload(&self, in_box: &BoxId, id: u64) -> Result<(), TableError> {
        self.delete(&Row::Payload(in_box.clone(), id)).await.map(drop)
    }

    /// A subscription that has not expired.
    pub async fn box_subscription(
        &self,
        in_box: &BoxId,
        id: u64,
        now_ms: i64,
    ) -> Result<Option<BoxSubscription>, TableError> {
        let found = self.get::<BoxSubscription>(&Row::BoxSubscription(in_box.clone(), id)).await?;
        Ok(found.filter(|it| !it.has_expired(now_ms)))
    }

    /// Stores a new or a changed subscription, whose `revision` is one higher than the stored one's; `false` if it was
    /// changed, or deleted, meanwhile.
    pub async fn put_box_subscription(&self, subscription: &BoxSubscription) -> Result<bool, TableError> {
        let row = Row::BoxSubscription(subscription.in_box.clone(), subscription.id);
        let put = self.put_item().set_item(Some(codec::encode(&row, subscription, Attributes::new())?));
        let (condition, before) = (subscription_condition(subscription), revision_before(subscription.revision));
        let put = put.condition_expression(condition);
        let put = if subscription.revision > 1 { put.expression_attribute_values(":before", before) } else { put };
        condition_held(&row, put.send().await)
    }

    /// Stores how far a subscription has been told, together with the list that told it: at a place of its channel's queue, or
    /// by its index for its `notifyURL`; `false` if the subscription was changed meanwhile: nothing is stored.
    pub async fn put_told(
        &self,
        subscription: &BoxSubscription,
        list: &QueuedNotification,
    ) -> Result<bool, TableError> {
        let row = Row::BoxSubscription(subscription.in_box.clone(), subscription.id);
        let put = Put::builder()
            .table_name(self.name())
            .set_item(Some(codec::encode(&row, subscription, Attributes::new())?))
            .condition_expression(subscription_condition(subscription))
            .expression_attribute_values(":before", revision_before(subscription.revision));
        let put = put.build().map_err(|it| TableError::write(&row, it))?;
        let queued = match &subscription.channel {
            Some(channel) => queued_row(channel, list.sequence),
            None => Row::EventList(subscription.in_box.clone(), subscription.id, list.sequence),
        };
        let queued = self.transaction_put(&queued, list, queued_ttl(list), IF_ABSENT)?;
        let writes = [put, queued].into_iter().map(|it| TransactWriteItem::builder().put(it).build()).collect();
        match self.transaction(writes).send().await.map_err(|it| it.into_service_error()) {
            Ok(_) => Ok(true),
            Err(error) if error.is_transaction_canceled_exception() => Ok(false),
            Err(error) => Err(TableError::write(&row, error)),
        }
    }

    /// Deletes a subscription; `false` if there was none.
    pub async fn delete_box_subscription(&self, in_box: &BoxId, id: u64) -> Result<bool, TableError> {
        self.delete(&Row::BoxSubscription(in_box.clone(), id)).await
    }
}

/// The names that a change takes and leaves.
#[derive(Debug, PartialEq, Eq)]
struct NameChange {
    taken: Option<Row>,
    left: Option<Row>,
}

/// The names of a folder that a change takes and leaves: a name that stays is neither.
fn name_change(before: Option<&Stored>, changed: &Stored) -> NameChange {
    let (left, taken) = (before.and_then(name_row), name_row(changed));
    if left == taken { NameChange { taken: None, left: None } } else { NameChange { taken, left } }
}

/// The row of a folder's name; an object has none, nor has a folder that is deleted.
fn name_row(thing: &Stored) -> Option<Row> {
    let name = thing.folder_name.clone().filter(|_| thing.is_live())?;
    Some(Row::FolderName(thing.in_box.clone(), thing.parent, name))
}

fn subscription_condition(subscription: &BoxSubscription) -> &'static str {
    if subscription.revision > 1 { "revision = :before" } else { IF_ABSENT }
}

#[cfg(test)]
mod tests {
    use domain::AppId;
    use domain::message_store::StoredState;

    use super::*;

    #[test]
    fn a_folder_takes_its_new_name_and_leaves_its_old_one() {
        let in_box = BoxId { app: AppId::random([7; 16]), store: "s".to_owned(), name: "n".to_owned() };
        let folder = |parent: u64, name: &str| Stored {
            folder_name: Some(name.to_owned()),
            ..Stored::new(&in_box, 5, parent, 0)
        };
        let deleted = |thing: Stored| Stored { state: StoredState::Deleted, ..thing };
        let flagged = |thing: Stored| Stored { flags: vec!["\\Seen".to_owned()], ..thing };
        let row = |parent: u64, name: &str| Some(Row::FolderName(in_box.clone(), parent, name.to_owned()));
        let object = |parent: u64| Stored::new(&in_box, 6, parent, 0);
        for (before, changed, taken, left) in [
            (None, folder(0, "a"), row(0, "a"), None),
            (Some(folder(0, "a")), folder(0, "b"), row(0, "b"), row(0, "a")),
            (Some(folder(0, "a")), folder(3, "a"), row(3, "a"), row(0, "a")),
            (Some(folder(0, "a")), flagged(folder(0, "a")), None, None),
            (Some(folder(0, "a")), deleted(folder(0, "a")), None, row(0, "a")),
            (None, object(0), None, None),
            (Some(object(0)), object(3), None, None),
        ] {
            assert_eq!(name_change(before.as_ref(), &changed), NameChange { taken, left }, "{before:?} {changed:?}");
        }
    }
}
