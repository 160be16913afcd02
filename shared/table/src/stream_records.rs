//! Records of the table's stream (DynamoDB Streams, new and old images), as `dispatch` receives them.

use std::collections::HashMap;

use aws_lambda_events::dynamodb::EventRecord;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::image::RenderProcess;
use domain::item::{Item, ItemStatus};
use domain::job::Job;

use crate::codec::{self, Attributes};
use crate::error::TableError;
use crate::read_state::ReadStateChange;
use crate::streams::{NotificationBatch, decode_batch};

/// What a record of the stream is about.
#[derive(Debug, Clone, PartialEq)]
pub enum StreamRecord {
    /// An item is new or has changed.
    Item(Box<ItemChange>),
    /// Notifications were published, or changed.
    Published(NotificationBatch),
    /// The read state of an inbox has changed.
    ReadStateChanged(ReadStateChange),
    /// Image tasks were requested.
    RenderRequested(Box<RenderProcess>),
    /// A row that `dispatch` ignores.
    Other,
}

/// An item in its new state, and as it was before (`None` for a new item).
#[derive(Debug, Clone, PartialEq)]
pub struct ItemChange {
    pub item: Item,
    pub before: Option<Item>,
}

impl ItemChange {
    /// The status before; `None` for a new item.
    pub fn status_before(&self) -> Option<ItemStatus> {
        self.before.as_ref().map(|it| it.status)
    }

    /// The jobs that wait for a worker and did not before. One that waited to be started and now waits to be collected is
    /// among them: a worker may have taken the command of its start and find that there is nothing to start any more.
    pub fn waiting(&self) -> impl Iterator<Item = Job> + '_ {
        let waited = |job: &Job| {
            let before = self.before.as_ref().map(|it| it.job(job.processor));
            before.is_some_and(|it| it.is_waiting() && it.state == job.state)
        };
        self.item.all_jobs().filter(move |it| it.is_waiting() && !waited(it))
    }
}

/// Decodes a record.
///
/// # Errors
/// `Corrupt` if this version cannot decode its row; a repeat does not help.
pub fn read_record(record: EventRecord) -> Result<StreamRecord, TableError> {
    let change = record.change;
    let image = attributes(change.new_image.into_inner());
    match image.get("kind").and_then(|it| it.as_s().ok()).map(String::as_str) {
        Some("item") => {
            let old = attributes(change.old_image.into_inner());
            let before: Option<Item> = if old.is_empty() { None } else { Some(codec::decode("item", old)?) };
            Ok(StreamRecord::Item(Box::new(ItemChange { item: codec::decode("item", image)?, before })))
        }
        Some("notification") => decode_batch(image).map(StreamRecord::Published),
        // the ranges are read from the table when they are sent
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

#[cfg(test)]
mod tests {
    use domain::AppId;
    use domain::item::{AssetVersion, Problem, default_priority};
    use domain::job::Report;
    use domain::processing::{claim, report, retry_start};
    use domain::processor::{Backend, ProcessorKind};
    use time::Duration;
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_job_is_queued_when_it_begins_to_wait_for_something() {
        let (now, kind) = (datetime!(2026-11-21 12:00 UTC), ProcessorKind::ObjectDetection);
        let asset = AssetVersion {
            app: AppId::random([1; 16]),
            host: "app.iconik.io",
            asset: "a",
            version: "v",
            title: "clip",
            size: 7,
            media_type: "video/mp4".to_owned(),
            processor: kind.into(),
            priority: default_priority(),
            found_by: "p",
        };
        let found = Item::from_asset(asset, now);
        let claimed = claim(now, &found, kind, Backend::External, Duration::MINUTE).unwrap().item;
        let failed = Problem::new("endpoint_failed", "503");
        let again = retry_start(now, &claimed, claimed.job(kind), failed, None).item;
        let ready = report(now, &again, kind, 1, None, Report::Succeeded { sha256: None }).unwrap().item;
        let check = |before: Option<&Item>, item: &Item, want: usize| {
            let change = ItemChange { item: item.clone(), before: before.cloned() };
            assert_eq!(change.waiting().count(), want, "{:?}", item.job(kind).state);
        };
        check(None, &found, 1);
        check(Some(&found), &found, 0);
        check(Some(&found), &claimed, 0);
        check(Some(&claimed), &again, 1);
        check(Some(&again), &ready, 1);
        check(Some(&ready), &ready, 0);
    }
}
