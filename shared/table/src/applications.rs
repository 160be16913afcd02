//! Applications and their API keys.

use aws_sdk_dynamodb::types::TransactWriteItem;
use domain::AppId;
use domain::application::{ApiKey, Application};

use crate::{Attributes, COUNTED, Row, Table, TableError};

impl Table {
    /// Stores an application with its first key, together.
    pub async fn put_application(&self, app: &Application, key_id: &str, key: &ApiKey) -> Result<(), TableError> {
        let row = Row::Application(app.id);
        let new = "attribute_not_exists(PK)";
        let rows = [
            self.put_row(&row, app, Attributes::new(), new)?,
            self.put_row(&Row::Key(key_id.to_owned()), key, Attributes::new(), new)?,
        ];
        let rows = rows.map(|it| TransactWriteItem::builder().put(it).build());
        let write = self.client.transact_write_items().set_transact_items(Some(rows.into()));
        write.return_consumed_capacity(COUNTED).send().await.map_err(|it| TableError::write(&row, it))?;
        Ok(())
    }

    /// An application, if there is one of that id.
    pub async fn application(&self, app: AppId) -> Result<Option<Application>, TableError> {
        self.get(&Row::Application(app)).await
    }

    /// What is stored for an API key; `None` for a text that is no key, or a key that nobody has.
    pub async fn api_key(&self, api_key: &str) -> Result<Option<ApiKey>, TableError> {
        match Row::of_api_key(api_key) {
            Some(row) => self.get(&row).await,
            None => Ok(None),
        }
    }
}
