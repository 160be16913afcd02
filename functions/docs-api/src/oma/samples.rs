//! Sample bodies of the specifications (`shared/oma/samples`), where the description shows them.

use serde_json::{Value, json};

/// Files of samples, with their texts.
type Files = &'static [(&'static str, &'static str)];

macro_rules! files {
    ($($name:literal),+) => {
        &[$(($name, include_str!(concat!("../../../../shared/oma/samples/", $name)))),+]
    };
}

/// A request's body; other samples are named by the status of their answer.
const REQUEST: &str = "request";
const CHANNELS: &str = "/notificationchannel/v1/{userId}/channels";
const CHANNEL: &str = "/notificationchannel/v1/{userId}/channels/{channelId}";
const LIFETIME: &str = "/notificationchannel/v1/{userId}/channels/{channelId}/channelLifetime";
const POLL: &str = "/notificationchannel/v1/poll/{token}";
const CALLBACK: &str = "/notificationchannel/v1/callbacks/{token}";
const OBJECTS: &str = "/nms/v1/{storeName}/{boxId}/objects";
const SEARCH: &str = "/nms/v1/{storeName}/{boxId}/objects/operations/search";
const BULK_CREATION: &str = "/nms/v1/{storeName}/{boxId}/objects/operations/bulkCreation";
const OBJECT: &str = "/nms/v1/{storeName}/{boxId}/objects/{objectId}";
const FLAGS: &str = "/nms/v1/{storeName}/{boxId}/objects/{objectId}/flags";
const FLAG: &str = "/nms/v1/{storeName}/{boxId}/objects/{objectId}/flags/{flagName}";
const SUBSCRIPTIONS: &str = "/nms/v1/{storeName}/{boxId}/subscriptions";
const SUBSCRIPTION: &str = "/nms/v1/{storeName}/{boxId}/subscriptions/{subscriptionId}";

/// Samples by method, path, and whose body they are.
const SAMPLES: &[(&str, &str, &str, Files)] = &[
    ("get", CHANNELS, "200", files!["notificationChannelList-1.json", "notificationChannelList-2.json"]),
    (
        "post",
        CHANNELS,
        REQUEST,
        files!["notificationChannel-1.json", "notificationChannel-1.xml", "notificationChannel-3.json"],
    ),
    ("post", CHANNELS, "201", files!["notificationChannel-2.json", "notificationChannel-4.json"]),
    ("get", CHANNEL, "200", files!["notificationChannel-2.json"]),
    ("get", CHANNEL, "404", files!["requestError-1.xml", "requestError-4.json"]),
    ("get", LIFETIME, "200", files!["notificationChannelLifetime-1.json"]),
    ("put", LIFETIME, REQUEST, files!["notificationChannelLifetime-2.json"]),
    ("put", LIFETIME, "200", files!["notificationChannelLifetime-3.json"]),
    ("post", POLL, REQUEST, files!["longPollingRequestParameters-1.json"]),
    (
        "post",
        POLL,
        "200",
        files![
            "notificationList-1.json",
            "notificationList-1.xml",
            "notificationList-2.xml",
            "notificationList-4.json",
            "notificationList-6.json"
        ],
    ),
    ("post", POLL, "409", files!["requestError-2.json"]),
    ("post", CALLBACK, REQUEST, files!["nmsEventList-1.xml", "nmsEventList-2.json", "nmsEventList-3.json"]),
    ("post", OBJECTS, REQUEST, files!["object-1.json"]),
    ("post", OBJECTS, "201", files!["reference-1.json"]),
    ("post", SEARCH, REQUEST, files!["selectionCriteria-1.json"]),
    ("post", SEARCH, "200", files!["objectList-1.json"]),
    ("post", BULK_CREATION, "200", files!["bulkResponseList-1.json"]),
    ("get", OBJECT, "200", files!["object-2.json"]),
    ("get", FLAGS, "200", files!["flagList-1.json"]),
    ("put", FLAGS, REQUEST, files!["flagList-1.json"]),
    ("put", FLAGS, "200", files!["flagList-1.json"]),
    ("get", FLAG, "404", files!["empty-1.json"]),
    ("put", FLAG, "201", files!["empty-1.json"]),
    ("delete", FLAG, "404", files!["empty-1.json"]),
    ("get", SUBSCRIPTIONS, "200", files!["nmsSubscriptionList-1.json"]),
    ("post", SUBSCRIPTIONS, REQUEST, files!["nmsSubscription-1.json", "nmsSubscription-1.xml"]),
    ("post", SUBSCRIPTIONS, "201", files!["nmsSubscription-2.json"]),
    ("get", SUBSCRIPTION, "200", files!["nmsSubscription-2.json"]),
    ("get", SUBSCRIPTION, "404", files!["requestError-5.json"]),
    ("post", SUBSCRIPTION, REQUEST, files!["nmsSubscriptionUpdate-1.json"]),
    ("post", SUBSCRIPTION, "200", files!["nmsSubscription-3.json"]),
];

/// Adds the samples of an operation: those in JSON as examples of its bodies, and those in XML as text that describes them, as
/// an example of a media type has to be of its schema.
///
/// # Errors
///
/// A sample is not JSON.
pub(super) fn add(method: &str, path: &str, operation: &mut Value) -> Result<(), serde_json::Error> {
    for (_, _, part, files) in SAMPLES.iter().filter(|it| it.0 == method && it.1 == path) {
        let body = match *part {
            REQUEST => &mut operation["requestBody"],
            status => &mut operation["responses"][status],
        };
        for (file, text) in *files {
            match file.strip_suffix(".json") {
                Some(name) => {
                    let value: Value = serde_json::from_str(text)?;
                    body["content"]["application/json"]["examples"][name] = json!({ "value": value });
                }
                None => {
                    let described = body["description"].as_str().unwrap_or_default();
                    body["description"] =
                        json!(format!("{described}\n\n```xml\n{}\n```", text.trim_end()).trim_start());
                }
            }
        }
    }
    Ok(())
}
