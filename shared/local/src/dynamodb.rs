//! DynamoDB with streams: `dynoxide` on a SQLite file. A write is in SQLite before it is answered.
//!
//! As with the queues, the write-ahead log survives a kill of this process at any moment: what was written to a file is
//! in the operating system's memory, which outlives the process. A sync at each commit (`synchronous = FULL`, SQLite's
//! default) would help against a power cut alone. With `NORMAL` the log is synced before each checkpoint, so that a
//! power cut may take the last commits but leaves a sound database (SQLite, "PRAGMA synchronous").

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::aws_json;
use crate::clock::pause;
use crate::error::StackError;
use crate::listener::{base_url, listen_for};
use crate::template::Table;

/// A running DynamoDB.
pub(crate) struct DynamoDb {
    pub(crate) url: String,
    server_task: tokio::task::JoinHandle<()>,
    ttl_task: tokio::task::JoinHandle<()>,
}

impl Drop for DynamoDb {
    fn drop(&mut self) {
        self.server_task.abort();
        self.ttl_task.abort();
    }
}

impl DynamoDb {
    /// Opens the database, starts the server, and creates the table if it does not exist.
    pub(crate) async fn start(file: &Path, table: Option<&Table>, http: &reqwest::Client) -> Result<Self, StackError> {
        let corrupt = |it: String| StackError::Corrupt { path: file.to_owned(), source: it.into() };
        let path = file.to_string_lossy().into_owned();
        let db = dynoxide::Database::new(&path).map_err(|it| corrupt(it.to_string()))?;
        // despite its name it needs no bulk load before it: it sets `synchronous = NORMAL`
        db.disable_bulk_loading().map_err(|it| corrupt(it.to_string()))?;
        let listener = listen_for("DynamoDB").await?;
        let url = base_url(&listener)?;
        let ttl_database = db.clone();
        let server_task = tokio::spawn(dynoxide::server::serve_on(listener, db));
        let ttl_task = tokio::spawn(async move {
            loop {
                pause(Duration::from_secs(60)).await;
                let db = ttl_database.clone();
                // after a failure it is tried again a minute later
                drop(tokio::task::spawn_blocking(move || db.sweep_ttl().map_err(|it| it.to_string())).await);
            }
        });
        let running = Self { url, server_task, ttl_task };
        if let Some(table) = table {
            running.create_table(table, http).await?;
            index_stream(file).map_err(|it| corrupt(it.to_string()))?;
        }
        Ok(running)
    }

    async fn create_table(&self, table: &Table, http: &reqwest::Client) -> Result<(), StackError> {
        let list = aws_json::call(http, &self.url, "DynamoDB_20120810.ListTables", &json!({})).await?;
        if list["TableNames"].as_array().is_some_and(|it| it.iter().any(|it| it == table.name.as_str())) {
            return Ok(());
        }
        aws_json::call(http, &self.url, "DynamoDB_20120810.CreateTable", &table.definition).await?;
        if let Some(attribute) = &table.ttl_attribute {
            let ttl = json!({ "TableName": table.name, "TimeToLiveSpecification": { "AttributeName": attribute, "Enabled": true } });
            aws_json::call(http, &self.url, "DynamoDB_20120810.UpdateTimeToLive", &ttl).await?;
        }
        Ok(())
    }
}

/// Adds an index without which each write would scan all stream records for the last sequence number.
fn index_stream(file: &Path) -> rusqlite::Result<()> {
    let db = rusqlite::Connection::open(file)?;
    db.busy_timeout(Duration::from_secs(10))?;
    db.execute_batch(
        "CREATE INDEX IF NOT EXISTS x_seq ON _stream_records(table_name, CAST(sequence_number AS INTEGER));",
    )
}

/// The prefix of sequence numbers in the API. The database stores the number behind it.
const SEQUENCE_NUMBER_PREFIX: &str = "10000";

/// Deletes stream records before the one that was handled last. That one stays, because the next sequence number
/// follows it.
pub(crate) fn trim_stream(file: &Path, handled: &str) -> rusqlite::Result<usize> {
    // an unknown form deletes nothing: a record too many costs space, one too few is a loss
    let Some(number) = handled.strip_prefix(SEQUENCE_NUMBER_PREFIX).and_then(|it| it.parse::<i64>().ok()) else {
        return Ok(0);
    };
    let db = rusqlite::Connection::open(file)?;
    db.busy_timeout(Duration::from_secs(10))?;
    db.execute("DELETE FROM _stream_records WHERE CAST(sequence_number AS INTEGER) < ?1", [number])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Opens the table's file, and reads a row.
    fn title(file: &Path) -> serde_json::Value {
        let db = dynoxide::Database::new(&file.to_string_lossy()).unwrap();
        let get = json!({ "TableName": "table", "Key": { "PK": { "S": "a" } } });
        let answer = db.get_item(serde_json::from_value(get).unwrap()).unwrap();
        serde_json::to_value(answer).unwrap()["Item"]["title"]["S"].clone()
    }

    #[tokio::test]
    async fn a_write_that_was_answered_is_there_after_a_kill() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("dynamodb.db");
        let http = aws_json::http_client().unwrap();
        let definition = json!({
            "TableName": "table", "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{ "AttributeName": "PK", "AttributeType": "S" }],
            "KeySchema": [{ "AttributeName": "PK", "KeyType": "HASH" }],
        });
        let table = Table { name: "table".to_owned(), definition, ttl_attribute: None };
        let running = DynamoDb::start(&file, Some(&table), &http).await.unwrap();
        let put = json!({ "TableName": "table", "Item": { "PK": { "S": "a" }, "title": { "S": "kept" } } });
        aws_json::call(&http, &running.url, "DynamoDB_20120810.PutItem", &put).await.unwrap();
        // a killed process leaves the files as they are: nothing is closed, and the log is not written back
        let killed = dir.path().join("killed.db");
        for part in ["", "-wal"] {
            let name = |file: &Path| format!("{}{part}", file.display());
            std::fs::copy(name(&file), name(&killed)).unwrap();
        }
        assert_eq!(title(&killed), "kept");
    }
}
