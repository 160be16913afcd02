//! The codec between rows and Rust types. A row that cannot be decoded is an error that names the row.

use std::collections::HashMap;
use std::io::{Read, Write};

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::TableError;
use crate::keys::Row;

/// The most bytes that packed entries may inflate to.
const MAX_UNPACKED_BYTES: u64 = 16 << 20;

/// A DynamoDB item: its attributes by name.
pub type Attributes = HashMap<String, AttributeValue>;

/// The item of a row: the members of `body`, `extra` attributes, the keys and the kind.
pub(crate) fn encode<T: Serialize>(row: &Row, body: &T, extra: Attributes) -> Result<Attributes, TableError> {
    let mut item: Attributes = serde_dynamo::to_item(body).map_err(|it| TableError::write(row, it))?;
    let (pk, sk) = row.key();
    item.extend(extra);
    item.insert("PK".into(), AttributeValue::S(pk));
    item.insert("SK".into(), AttributeValue::S(sk));
    item.insert("kind".into(), AttributeValue::S(row.kind().to_owned()));
    Ok(item)
}

pub(crate) fn decode<T: DeserializeOwned>(kind: &'static str, row: Attributes) -> Result<T, TableError> {
    let key = ["PK", "SK"].map(|it| text(&row, it)).join(" ");
    serde_dynamo::from_item(row).map_err(|source| TableError::Corrupt { kind, key, source: Box::new(source) })
}

/// The sort key of a row; empty if it has none.
pub(crate) fn sort_key(row: &Attributes) -> String {
    text(row, "SK")
}

fn text(row: &Attributes, name: &str) -> String {
    row.get(name).and_then(|it| it.as_s().ok()).cloned().unwrap_or_default()
}

/// Entries as deflated JSON: a hundred alike entries take a tenth of their size, and so of their write units.
pub(crate) fn pack<T: Serialize>(row: &Row, entries: &T) -> Result<Blob, TableError> {
    deflate(entries).map(Blob::new).map_err(|it| TableError::write(row, it))
}

fn deflate<T: Serialize>(entries: &T) -> Result<Vec<u8>, std::io::Error> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(&serde_json::to_vec(entries)?)?;
    encoder.finish()
}

/// The reverse of [`pack`].
pub(crate) fn unpack<T: DeserializeOwned>(packed: &Blob) -> Result<T, std::io::Error> {
    let mut json = Vec::new();
    flate2::read::DeflateDecoder::new(packed.as_ref()).take(MAX_UNPACKED_BYTES).read_to_end(&mut json)?;
    Ok(serde_json::from_slice(&json)?)
}

/// The time-to-live attribute, in seconds since 1970 (DynamoDB, TTL).
pub(crate) fn ttl(seconds: i64) -> Attributes {
    [("ttl".to_owned(), AttributeValue::N(seconds.to_string()))].into()
}

/// The attributes that place a row in the sparse index `open`: its partition there, and its sort key.
pub(crate) fn open_index(partition: &str, at: String) -> Attributes {
    [("open", partition.to_owned()), ("open_at", at)]
        .map(|(name, value)| (name.to_owned(), AttributeValue::S(value)))
        .into()
}
