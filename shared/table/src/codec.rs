//! Rows in and out: one codec, and a corrupt row is an error that names itself.

use std::collections::HashMap;
use std::io::{Read, Write};

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Row, TableError};

/// A row as DynamoDB has it.
pub type Attributes = HashMap<String, AttributeValue>;

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
    let key = ["PK", "SK"].map(|it| row.get(it).and_then(|it| it.as_s().ok()).cloned().unwrap_or_default()).join(" ");
    serde_dynamo::from_item(row).map_err(|source| TableError::Corrupt { kind, key, source: Box::new(source) })
}

/// JSON, deflated: a hundred alike entries take a tenth of their size, and so of their write units.
pub(crate) fn pack<T: Serialize>(entries: &T) -> Result<Vec<u8>, std::io::Error> {
    let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    deflate.write_all(&serde_json::to_vec(entries)?)?;
    deflate.finish()
}

pub(crate) fn unpack<T: DeserializeOwned>(packed: &[u8]) -> Result<T, std::io::Error> {
    let mut json = Vec::new();
    flate2::read::DeflateDecoder::new(packed).take(16 << 20).read_to_end(&mut json)?;
    Ok(serde_json::from_slice(&json)?)
}

/// The time-to-live attribute, in seconds since 1970 as DynamoDB wants it.
pub(crate) fn ttl(seconds: i64) -> Attributes {
    [("ttl".to_owned(), AttributeValue::N(seconds.to_string()))].into()
}
