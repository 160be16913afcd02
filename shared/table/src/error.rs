//! Errors of the table.

use std::error::Error;

use crate::keys::Row;

/// Every error of the table, with the row that it is about (partition key and sort key).
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// DynamoDB did not answer a read, or refused it.
    #[error("could not read {row}")]
    Read { row: String, source: Box<dyn Error + Send + Sync> },
    /// DynamoDB did not answer a write, or refused it.
    #[error("could not write {row}")]
    Write { row: String, source: Box<dyn Error + Send + Sync> },
    /// Other writers were faster in every try; the caller may repeat the request.
    #[error("{row} was changed by someone else")]
    Conflict { row: String },
    /// The row would exceed the 400 KB of a DynamoDB item.
    #[error("{row} is full")]
    Full { row: String },
    /// This version cannot decode the row. A repeat does not help.
    #[error("the {kind} row `{key}` is corrupt")]
    Corrupt { kind: &'static str, key: String, source: Box<dyn Error + Send + Sync> },
}

impl TableError {
    pub(crate) fn read(row: &Row, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Read { row: row_name(row), source: source.into() }
    }

    pub(crate) fn write(row: &Row, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Write { row: row_name(row), source: source.into() }
    }

    pub(crate) fn full(row: &Row) -> Self {
        Self::Full { row: row_name(row) }
    }

    pub(crate) fn conflict(row: &Row) -> Self {
        Self::Conflict { row: row_name(row) }
    }
}

fn row_name(row: &Row) -> String {
    let (pk, sk) = row.key();
    format!("{pk} {sk}")
}
