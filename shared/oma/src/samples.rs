//! The sample bodies of the specifications: each is read, and read again as it is written.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::document::Document;
use crate::json::read_json;
use crate::json_write::{JsonDialect, write_json};
use crate::types::*;
use crate::xml::read_xml;
use crate::xml_write::write_xml;

/// The samples by the name of their file, which begins with the name of the root element.
fn samples() -> Vec<(String, Document)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("samples");
    let mut samples = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap();
        let name = file.file_name().into_string().unwrap();
        let root = name.split('-').next().unwrap();
        let text = std::fs::read(file.path()).unwrap();
        let document = if name.ends_with(".xml") { read_xml(&text, &[root]) } else { read_json(&text, &[root]) };
        let document = document.unwrap_or_else(|error| panic!("{name}: {error}"));
        samples.push((name, document));
    }
    samples
}

#[test]
fn each_sample_comes_back() {
    let samples = samples();
    assert!(samples.len() >= 45, "the samples are found");
    for (name, document) in samples {
        let expected = [document.root.as_str()];
        for dialect in [JsonDialect::StructureAware, JsonDialect::InstanceBased] {
            let text = write_json(&document, dialect);
            assert_eq!(read_json(text.as_bytes(), &expected).unwrap(), document, "{name}: {text}");
        }
        let text = write_xml(&document);
        assert_eq!(read_xml(text.as_bytes(), &expected).unwrap(), document, "{name}: {text}");
    }
}

#[test]
fn json_samples_are_written_as_they_are() {
    for (name, document) in samples() {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("samples").join(&name);
        let text = std::fs::read_to_string(path).unwrap();
        // the form of one notification that is read, but not written
        if name.ends_with(".json") && !text.starts_with("{\"notificationList\": {") {
            let sample: serde_json::Value = serde_json::from_str(&text).unwrap();
            let written = write_json(&document, JsonDialect::StructureAware);
            assert_eq!(serde_json::from_str::<serde_json::Value>(&written).unwrap(), sample, "{name}");
        }
    }
}

/// A struct has all that a document has.
fn check<T: DeserializeOwned + Serialize>(document: &Document) {
    let content: T = document.parse().unwrap_or_else(|error| panic!("{document:?}: {error}"));
    assert_eq!(&Document::new(&document.root, &content).unwrap(), document);
}

#[test]
fn each_sample_is_a_struct() {
    let mut checked = BTreeSet::new();
    for (_, document) in samples() {
        match document.root.as_str() {
            "notificationChannel" => check::<NotificationChannel>(&document),
            "notificationChannelLifetime" => check::<NotificationChannelLifetime>(&document),
            "notificationChannelList" => check::<NotificationChannelList>(&document),
            "connCheck" => check::<ConnCheck>(&document),
            "connAck" => check::<ConnAck>(&document),
            "largePollingNotification" => check::<LargePollingNotification>(&document),
            "nmsSubscription" => check::<NmsSubscription>(&document),
            "nmsSubscriptionList" => check::<NmsSubscriptionList>(&document),
            "nmsSubscriptionUpdate" => check::<NmsSubscriptionUpdate>(&document),
            "nmsEventList" => check::<NmsEventList>(&document),
            "object" => check::<Object>(&document),
            "objectList" => check::<ObjectList>(&document),
            "flagList" => check::<FlagList>(&document),
            "reference" => check::<Reference>(&document),
            "selectionCriteria" => check::<SelectionCriteria>(&document),
            "bulkResponseList" => check::<BulkResponseList>(&document),
            "requestError" => check::<RequestError>(&document),
            "notificationList" | "longPollingRequestParameters" | "empty" => continue,
            other => panic!("no struct for {other}"),
        }
        checked.insert(document.root);
    }
    assert_eq!(checked.len(), 17);
}
