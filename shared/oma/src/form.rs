//! Form bodies, which the Notification Channel API takes for creation and for the long poll (NC App. C).

use serde_json::{Map, Value};

use crate::document::Document;
use crate::error::ReadError;

/// Fields of the channel, and fields of its `channelData` (NC App. C.1). `maxWaitTime` and `appId` are in no table there.
const CHANNEL: [&str; 4] = ["clientCorrelator", "applicationTag", "channelType", "channelLifetime"];
const CHANNEL_DATA: [&str; 3] = ["maxNotifications", "maxWaitTime", "appId"];
/// The field of a long poll; the examples misspell it (NC App. C.2).
const POLL: [&str; 2] = ["longPollingRequestParameters", "longPollingRequestParmeters"];

/// Reads the form that creates a channel, as a `notificationChannel`. Unknown fields are ignored; of a field that comes more
/// than once, the last one counts.
///
/// # Errors
/// If a field is not of its type.
pub fn read_channel_form(bytes: &[u8]) -> Result<Document, ReadError> {
    let (mut channel, mut data) = (Map::new(), Map::new());
    for (name, value) in form_urlencoded::parse(bytes) {
        let value = Value::String(value.into_owned());
        if CHANNEL.contains(&&*name) {
            channel.insert(name.into_owned(), value);
        } else if CHANNEL_DATA.contains(&&*name) {
            data.insert(name.into_owned(), value);
        }
    }
    if !data.is_empty() {
        channel.insert("channelData".to_owned(), Value::Object(data));
    }
    Document::from_value("notificationChannel", Value::Object(channel))
}

/// Reads the form of a long poll, as `longPollingRequestParameters`. It may be empty.
///
/// # Errors
/// If it is another form.
pub fn read_poll_form(bytes: &[u8]) -> Result<Document, ReadError> {
    let names: Vec<String> = form_urlencoded::parse(bytes).map(|(name, _)| name.into_owned()).collect();
    match names.first() {
        Some(first) if !names.iter().any(|it| POLL.contains(&it.as_str())) => Err(ReadError::root(&POLL[..1], first)),
        _ => Document::from_value(POLL[0], Value::Null),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_form_creates_a_channel() {
        for (text, want) in [
            (
                "clientCorrelator=123&applicationTag=my+App%26&channelType=LongPolling&maxNotifications=3\
                 &channelLifetime=7200&maxWaitTime=5&other=1",
                json!({
                    "clientCorrelator": "123", "applicationTag": "my App&", "channelType": "LongPolling",
                    "channelData": { "maxNotifications": 3, "maxWaitTime": 5 }, "channelLifetime": 7200,
                }),
            ),
            (
                "channelType=OMAPush&appId=x-wap-application%3Awml.ua",
                json!({ "channelType": "OMAPush", "channelData": { "appId": "x-wap-application:wml.ua" } }),
            ),
            ("channelType=LongPolling", json!({ "channelType": "LongPolling" })),
            ("", json!(null)),
        ] {
            let document = read_channel_form(text.as_bytes()).unwrap();
            assert_eq!((document.root.as_str(), document.value), ("notificationChannel", want), "{text}");
        }
        let error = read_channel_form(b"channelType=LongPolling&maxNotifications=many").unwrap_err();
        assert_eq!(error.part(), "channelData.maxNotifications");
    }

    #[test]
    fn a_form_polls_in_both_spellings() {
        for text in
            ["", "longPollingRequestParameters=", "longPollingRequestParmeters=", "a=1&longPollingRequestParameters"]
        {
            let document = read_poll_form(text.as_bytes()).unwrap();
            assert_eq!((document.root.as_str(), document.value), (POLL[0], Value::Null), "{text}");
        }
        assert!(read_poll_form(b"channelType=LongPolling").is_err());
    }
}
