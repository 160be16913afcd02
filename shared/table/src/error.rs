//! What can go wrong with the table.

use std::error::Error;

use crate::Row;

/// Every failure of the table, with the row that it was about.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    #[error("could not read {row}")]
    Read { row: String, source: Box<dyn Error + Send + Sync> },
    #[error("could not write {row}")]
    Write { row: String, source: Box<dyn Error + Send + Sync> },
    #[error("{row} was changed by someone else")]
    Conflict { row: String },
    #[error("{row} is full")]
    Full { row: String },
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
