//! Types of notifications that an application registers, each with a JSON Schema for its data.

use domain::AppId;
use serde::{Deserialize, Serialize};

use crate::codec::{self, Attributes};
use crate::error::TableError;
use crate::keys::{self, Row};
use crate::table::{RangeQuery, Table};

#[derive(Serialize, Deserialize)]
struct NotificationTypeRow {
    name: String,
    /// JSON Schema, as text: DynamoDB takes no empty attribute names, which a schema may have.
    schema: String,
}

impl Table {
    /// The JSON Schema of a type, as text. Eventually consistent.
    pub async fn notification_type(&self, app: AppId, kind: &str) -> Result<Option<String>, TableError> {
        let row: Option<NotificationTypeRow> = self.get_eventual(&Row::NotificationType(app, kind.to_owned())).await?;
        Ok(row.map(|it| it.schema))
    }

    /// Stores a type with its JSON Schema.
    pub async fn put_notification_type(&self, app: AppId, kind: &str, schema: &str) -> Result<(), TableError> {
        let body = NotificationTypeRow { name: kind.to_owned(), schema: schema.to_owned() };
        self.put(&Row::NotificationType(app, kind.to_owned()), &body, Attributes::new()).await
    }

    /// Deletes a type; `false` if it did not exist.
    pub async fn delete_notification_type(&self, app: AppId, kind: &str) -> Result<bool, TableError> {
        self.delete(&Row::NotificationType(app, kind.to_owned())).await
    }

    /// An application's types as pairs of name and JSON Schema, by name, at most 200.
    pub async fn notification_types(&self, app: AppId) -> Result<Vec<(String, String)>, TableError> {
        let partition = keys::application(app);
        let range = RangeQuery {
            partition: &partition,
            from: "TYPE#",
            to: "TYPE#~",
            forward: true,
            consistent: true,
            limit: 200,
        };
        let rows = self.query_range(range).await?;
        let decode = |row: Attributes| codec::decode::<NotificationTypeRow>("type", row).map(|it| (it.name, it.schema));
        rows.into_iter().map(decode).collect()
    }
}
