//! The newest notification of each collapse key: what replaces the ones before it.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::AppId;
use domain::notification::{Notification, Position};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::codec;
use crate::error::TableError;
use crate::keys::Row;
use crate::streams::RETENTION;
use crate::table::{Table, condition_held};

#[derive(Serialize, Deserialize)]
struct CollapseRow {
    #[serde(flatten)]
    position: Position,
}

impl Table {
    /// The position of the newest notification of a collapse key, as far as `dispatch` has recorded it. `user` is empty
    /// for the application's own stream.
    pub async fn newest_of_collapse_key(
        &self,
        app: AppId,
        user: &str,
        key: &str,
    ) -> Result<Option<Position>, TableError> {
        let row: Option<CollapseRow> = self.get(&collapse_row(app, user, key)).await?;
        Ok(row.map(|it| it.position))
    }

    /// Whether a newer notification of the application's own stream has the same collapse key (realtime, D-17).
    pub async fn is_superseded(&self, app: AppId, notification: &Notification) -> Result<bool, TableError> {
        let Some(key) = notification.collapse_key() else { return Ok(false) };
        let newest = self.newest_of_collapse_key(app, "", key).await?;
        Ok(newest.is_some_and(|newest| newest > notification.id.position()))
    }

    /// Records the newest notification of a collapse key; `false` if a newer one is recorded already.
    pub async fn put_newest_of_collapse_key(
        &self,
        app: AppId,
        user: &str,
        key: &str,
        position: Position,
        now: OffsetDateTime,
    ) -> Result<bool, TableError> {
        let row = collapse_row(app, user, key);
        let ttl = codec::ttl((now + RETENTION).unix_timestamp());
        let put = self
            .put_item()
            .set_item(Some(codec::encode(&row, &CollapseRow { position }, ttl)?))
            .condition_expression(
                "attribute_not_exists(PK) OR epoch < :epoch OR (epoch = :epoch AND #sequence <= :sequence)",
            )
            .expression_attribute_names("#sequence", "sequence")
            .expression_attribute_values(":epoch", AttributeValue::N(position.epoch.to_string()))
            .expression_attribute_values(":sequence", AttributeValue::N(position.sequence.to_string()));
        condition_held(&row, put.send().await)
    }
}

fn collapse_row(app: AppId, user: &str, key: &str) -> Row {
    Row::CollapseKey(app, user.to_owned(), domain::id::sha256_hex(key.as_bytes()))
}
