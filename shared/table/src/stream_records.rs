//! Records of the table's stream, as `dispatch` gets them.

use std::collections::HashMap;

use aws_lambda_events::dynamodb::EventRecord;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::AppId;
use domain::image::RenderProcess;
use domain::item::{Item, ItemStatus};
use serde::{Deserialize, Serialize};

use crate::streams::decode_batch;
use crate::{Attributes, NotificationBatch, TableError, codec};

/// What a record says.
#[derive(Debug, Clone, PartialEq)]
pub enum StreamRecord {
    Item(Box<ItemChange>),
    Published(NotificationBatch),
    ReadStateChanged(ReadStateChange),
    /// Image tasks that were asked for.
    RenderRequested(Box<RenderProcess>),
    /// A row that nobody has to hear of.
    Other,
}

/// An item in its new state, and the state before (`None` if it was found just now).
#[derive(Debug, Clone, PartialEq)]
pub struct ItemChange {
    pub item: Item,
    pub before: Option<ItemStatus>,
}

/// Something was done with the inbox of a user. A row of marks is this, and the ranges beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReadStateChange {
    pub app: AppId,
    pub user: String,
    pub revision: u64,
}

#[derive(Deserialize)]
struct PreviousItem {
    status: ItemStatus,
}

/// Reads a record.
///
/// # Errors
/// `Corrupt`, if its row is not one that this version can read; a repeat would not help.
pub fn read(record: EventRecord) -> Result<StreamRecord, TableError> {
    let change = record.change;
    let image = attributes(change.new_image.into_inner());
    match image.get("kind").and_then(|it| it.as_s().ok()).map(String::as_str) {
        Some("item") => {
            let old = attributes(change.old_image.into_inner());
            let before: Option<PreviousItem> = if old.is_empty() { None } else { Some(codec::decode("item", old)?) };
            Ok(StreamRecord::Item(Box::new(ItemChange {
                item: codec::decode("item", image)?,
                before: before.map(|it| it.status),
            })))
        }
        Some("notification") => decode_batch(image).map(StreamRecord::Published),
        // the marks themselves are read when they are told
        Some("marks") => codec::decode("marks", image).map(StreamRecord::ReadStateChanged),
        Some("process") => Ok(StreamRecord::RenderRequested(Box::new(codec::decode("process", image)?))),
        _ => Ok(StreamRecord::Other),
    }
}

fn attributes(image: HashMap<String, serde_dynamo::AttributeValue>) -> Attributes {
    image.into_iter().map(|(name, value)| (name, attribute(value))).collect()
}

fn attribute(value: serde_dynamo::AttributeValue) -> AttributeValue {
    use serde_dynamo::AttributeValue as From;
    match value {
        From::S(it) => AttributeValue::S(it),
        From::N(it) => AttributeValue::N(it),
        From::B(it) => AttributeValue::B(Blob::new(it)),
        From::Bool(it) => AttributeValue::Bool(it),
        From::M(it) => AttributeValue::M(attributes(it)),
        From::L(it) => AttributeValue::L(it.into_iter().map(attribute).collect()),
        From::Ss(it) => AttributeValue::Ss(it),
        From::Ns(it) => AttributeValue::Ns(it),
        From::Bs(it) => AttributeValue::Bs(it.into_iter().map(Blob::new).collect()),
        From::Null(it) => AttributeValue::Null(it),
    }
}
