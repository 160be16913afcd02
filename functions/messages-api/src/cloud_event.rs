//! Reading CloudEvents 1.0.2 over HTTP: the structured and the batched content mode (JSON event format), and the binary one.

use std::borrow::Cow;

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::event::{CloudEventContext, Payload};
use domain::notification::NewNotification;
use entry::http::Problem;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};
use time::OffsetDateTime;

use crate::message::MessageIn;

/// The media type of one event in the structured content mode, and of a batch.
pub(crate) const STRUCTURED: &str = "application/cloudevents+json";
pub(crate) const BATCHED: &str = "application/cloudevents-batch+json";

/// The prefix of the headers of the binary content mode (HTTP protocol binding, section 3.1.3).
const HEADER_PREFIX: &str = "ce-";
/// The most extension attributes of an event, and characters of an attribute.
const MAX_EXTENSIONS: usize = 50;
const MAX_ATTRIBUTE_CHARS: usize = 2_048;

/// Whether a request has an event in the binary content mode.
pub(crate) fn is_binary(headers: &HeaderMap) -> bool {
    headers.contains_key("ce-specversion")
}

/// Reads an event of the JSON event format. The extension attributes `correlationid`, `partitionkey` and `expirytime` are
/// the event's correlation id, ordering key and expiry; ours are `collapsekey` and `channels` (ids, with commas between).
///
/// # Errors
/// 422 with the attribute that is missing or not valid.
pub(crate) fn read(event: &Value, now: OffsetDateTime) -> Result<NewNotification, Problem> {
    let Value::Object(members) = event else { return Err(Problem::invalid("", "a CloudEvent is a JSON object")) };
    // null is the same as absent (JSON event format, section 2.2), except for the data
    let attributes = members.iter().filter(|(name, value)| !is_data(name) && !value.is_null());
    let attributes: Map<String, Value> = attributes.map(|(name, value)| (name.clone(), value.clone())).collect();
    let (payload, data) = match (members.get("data"), members.get("data_base64").filter(|it| !it.is_null())) {
        (Some(_), Some(_)) => return Err(Problem::invalid("data_base64", "`data` or `data_base64`, not both")),
        (Some(data), None) => (Payload::Json, data.clone()),
        (None, None) => (Payload::Absent, Value::Null),
        (None, Some(encoded)) => {
            let valid = encoded.as_str().is_some_and(|it| STANDARD.decode(it).is_ok());
            let encoded = Some(encoded.clone()).filter(|_| valid);
            (Payload::Base64, encoded.ok_or_else(|| Problem::invalid("data_base64", "bytes in base64"))?)
        }
    };
    build(attributes, payload, data, now)
}

/// Reads an event of the binary content mode: attributes in headers, data in the body.
///
/// # Errors
/// 422 with the attribute that is missing or not valid, 400 if the body is not what its media type says.
pub(crate) fn read_binary(headers: &HeaderMap, body: &[u8], now: OffsetDateTime) -> Result<NewNotification, Problem> {
    let mut attributes = Map::new();
    for (name, value) in headers {
        let Some(attribute) = name.as_str().strip_prefix(HEADER_PREFIX) else { continue };
        let value =
            header_text(value.as_bytes()).ok_or_else(|| Problem::invalid(attribute, "percent-encoded UTF-8"))?;
        attributes.insert(attribute.to_owned(), Value::String(value));
    }
    if attributes.remove("datacontenttype").is_some() {
        // HTTP protocol binding, section 3.1.1
        return Err(Problem::invalid("datacontenttype", "in this mode it is the header Content-Type"));
    }
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
    if let Some(content_type) = content_type {
        attributes.insert("datacontenttype".to_owned(), Value::String(content_type.to_owned()));
    }
    let media_type = content_type.unwrap_or("application/json").split(';').next().unwrap_or_default().trim();
    let (payload, data) = if body.is_empty() {
        (Payload::Absent, Value::Null)
    } else if is_json(media_type) {
        let not_json = |error: serde_json::Error| Problem::new(entry::http::ProblemType::NotJson, error.to_string());
        (Payload::Json, serde_json::from_slice(body).map_err(not_json)?)
    } else {
        match std::str::from_utf8(body) {
            Ok(text) if media_type.starts_with("text/") => (Payload::Json, Value::String(text.to_owned())),
            _ => (Payload::Base64, Value::String(STANDARD.encode(body))),
        }
    };
    build(attributes, payload, data, now)
}

/// What tells a request from another one: the body, with the attributes that are in headers in the binary content mode.
pub(crate) fn identity<'a>(headers: &HeaderMap, body: &'a [u8]) -> Cow<'a, [u8]> {
    if !is_binary(headers) {
        return Cow::Borrowed(body);
    }
    let says =
        headers.iter().filter(|(name, _)| name.as_str().starts_with(HEADER_PREFIX) || name.as_str() == "content-type");
    let mut lines: Vec<Vec<u8>> =
        says.map(|(name, value)| [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\n"].concat()).collect();
    lines.sort_unstable();
    Cow::Owned([lines.concat().as_slice(), b"\n", body].concat())
}

/// The text of a header: percent-encoded, or quoted as older senders do (HTTP protocol binding, section 3.1.3.2).
fn header_text(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let quoted = text.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    let text = quoted.map_or_else(|| text.to_owned(), |it| it.replace("\\\"", "\"").replace("\\\\", "\\"));
    percent_decode_str(&text).decode_utf8().ok().map(|it| it.into_owned())
}

fn is_json(media_type: &str) -> bool {
    let media_type = media_type.to_ascii_lowercase();
    media_type == "application/json" || media_type == "text/json" || media_type.ends_with("+json")
}

fn is_data(name: &str) -> bool {
    matches!(name, "data" | "data_base64")
}

fn build(
    mut attributes: Map<String, Value>,
    payload: Payload,
    data: Value,
    now: OffsetDateTime,
) -> Result<NewNotification, Problem> {
    if take_text(&mut attributes, "specversion")?.as_deref() != Some("1.0") {
        return Err(Problem::invalid("specversion", "1.0"));
    }
    let mut required = |name: &str| {
        take_text(&mut attributes, name)?.ok_or_else(|| Problem::invalid(name, "the attribute is required"))
    };
    let (id, source, kind) = (required("id")?, required("source")?, required("type")?);
    let message = MessageIn {
        kind,
        data: Some(data),
        timestamp: take_text(&mut attributes, "time")?,
        collapse_key: take_text(&mut attributes, "collapsekey")?,
        channels: take_text(&mut attributes, "channels")?
            .map(|it| it.split(',').map(|id| id.trim().to_owned()).collect()),
        expires_at: take_text(&mut attributes, "expirytime")?,
        correlation_id: take_text(&mut attributes, "correlationid")?,
        ordering_key: take_text(&mut attributes, "partitionkey")?,
    };
    let (subject, dataschema) = (take_text(&mut attributes, "subject")?, take_text(&mut attributes, "dataschema")?);
    let datacontenttype = take_text(&mut attributes, "datacontenttype")?;
    // what the system adds to what it sends
    for own in ["notificationid", "sequence"] {
        attributes.remove(own);
    }
    if attributes.len() > MAX_EXTENSIONS {
        return Err(Problem::invalid("", format!("at most {MAX_EXTENSIONS} extension attributes")));
    }
    for (name, value) in &attributes {
        check_extension(name, value)?;
    }
    let mut new = message.into_new_notification(now).map_err(with_attribute_name)?;
    let context = CloudEventContext {
        id,
        source,
        subject,
        dataschema,
        datacontenttype,
        extensions: attributes.into_iter().collect(),
        payload,
    };
    if let Some(attributes) = &mut new.attributes {
        attributes.cloud_event = Some(Box::new(context));
    }
    Ok(new)
}

/// A problem of a message, with the name of the CloudEvents attribute that it is about.
fn with_attribute_name(problem: Problem) -> Problem {
    let name = match problem.field.as_deref() {
        Some("timestamp") => "time",
        Some("expiresAt") => "expirytime",
        Some("collapseKey") => "collapsekey",
        Some("correlationId") => "correlationid",
        Some("orderingKey") => "partitionkey",
        _ => return problem,
    };
    Problem::invalid(name, problem.reason().to_owned())
}

/// Takes an attribute that is a text; an empty one is refused (CloudEvents, section 2.3).
fn take_text(attributes: &mut Map<String, Value>, name: &str) -> Result<Option<String>, Problem> {
    match attributes.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) if (1..=MAX_ATTRIBUTE_CHARS).contains(&text.chars().count()) => Ok(Some(text)),
        Some(_) => Err(Problem::invalid(name, format!("a text of 1 to {MAX_ATTRIBUTE_CHARS} characters"))),
    }
}

/// Extension attributes have names of lower-case letters and digits (CloudEvents, section 2.2.1), and are texts, flags or
/// 32-bit whole numbers (section 2.2.2).
fn check_extension(name: &str, value: &Value) -> Result<(), Problem> {
    let is_name = !name.is_empty() && name.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit());
    if !is_name || name.len() > 64 {
        let shown: String = name.chars().take(64).collect();
        return Err(Problem::invalid(&shown, "attributes have names of up to 64 lower-case letters and digits"));
    }
    let valid = match value {
        Value::String(text) => text.chars().count() <= MAX_ATTRIBUTE_CHARS,
        Value::Number(number) => number.as_i64().is_some_and(|it| i32::try_from(it).is_ok()),
        Value::Bool(_) => true,
        _ => false,
    };
    if valid { Ok(()) } else { Err(Problem::invalid(name, "a text, a flag, or a whole number of 32 bits")) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-28 12:00 UTC);

    fn minimal() -> Value {
        json!({ "specversion": "1.0", "id": "A", "source": "/s", "type": "order.paid" })
    }

    fn with(more: Value) -> Value {
        let mut event = minimal();
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event
    }

    fn headers(all: &[(&str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&str, &str)| (name.parse::<header::HeaderName>().unwrap(), value.parse().unwrap());
        let required = [("ce-specversion", "1.0"), ("ce-id", "A"), ("ce-source", "/s"), ("ce-type", "order.paid")];
        required.iter().chain(all).map(pair).collect()
    }

    fn context(new: &NewNotification) -> &CloudEventContext {
        new.attributes.as_ref().unwrap().cloud_event.as_ref().unwrap()
    }

    #[test]
    fn data_may_be_anything_and_its_absence_is_kept() {
        for (more, payload, data) in [
            (json!({}), Payload::Absent, Value::Null),
            (json!({ "data": null }), Payload::Json, Value::Null),
            (json!({ "data": [1] }), Payload::Json, json!([1])),
            (json!({ "data_base64": "AAE=", "datacontenttype": "image/png" }), Payload::Base64, json!("AAE=")),
            (json!({ "data": "<a/>", "datacontenttype": "text/xml", "subject": null }), Payload::Json, json!("<a/>")),
        ] {
            let new = read(&with(more.clone()), NOW).unwrap();
            assert_eq!((context(&new).payload, &new.data), (payload, &data), "{more}");
        }
    }

    #[test]
    fn attributes_become_the_event_s_own_and_extensions_are_kept() {
        let new = read(
            &with(json!({ "time": "2026-11-20T10:00:00+01:00", "partitionkey": "k", "correlationid": "c",
                "expirytime": "2026-11-29T00:00:00Z", "tenant": "x", "retries": 3, "urgent": true, "sequence": "5" })),
            NOW,
        )
        .unwrap();
        let attributes = new.attributes.as_ref().unwrap();
        assert_eq!(attributes.timestamp, Some(datetime!(2026-11-20 9:00 UTC)));
        assert_eq!((attributes.ordering_key.as_deref(), attributes.correlation_id.as_deref()), (Some("k"), Some("c")));
        assert!(attributes.expires_at.is_some());
        let kept: Vec<&str> = context(&new).extensions.keys().map(String::as_str).collect();
        assert_eq!(kept, ["retries", "tenant", "urgent"]);
    }

    #[test]
    fn what_is_refused_names_its_attribute() {
        for (event, field) in [
            (with(json!({ "specversion": "0.3" })), "specversion"),
            (with(json!({ "id": "" })), "id"),
            (with(json!({ "source": null })), "source"),
            (with(json!({ "type": "channel.disabled" })), "type"),
            (with(json!({ "time": "yesterday" })), "time"),
            (with(json!({ "Tenant": "x" })), "Tenant"),
            (with(json!({ "retries": 5_000_000_000_i64 })), "retries"),
            (with(json!({ "tenant": {} })), "tenant"),
            (with(json!({ "data": 1, "data_base64": "AAE=" })), "data_base64"),
            (with(json!({ "data_base64": "no base64" })), "data_base64"),
        ] {
            let problem = read(&event, NOW).unwrap_err();
            assert_eq!((problem.status, problem.field.as_deref()), (422, Some(field)), "{event}");
        }
        assert_eq!(read(&json!([]), NOW).unwrap_err().status, 422);
    }

    #[test]
    fn headers_are_decoded_once_and_the_body_is_what_its_type_says() {
        let read = |more: &[(&str, &str)], body: &[u8]| read_binary(&headers(more), body, NOW);
        let new = read(&[("ce-subject", "Euro %E2%82%AC %2541"), ("content-type", "application/json")], b"{\"a\":1}");
        let new = new.unwrap();
        assert_eq!((context(&new).subject.as_deref(), &new.data), (Some("Euro \u{20ac} %41"), &json!({ "a": 1 })));
        let quoted = read(&[("ce-subject", "\"a \\\"b\\\"\"")], b"").unwrap();
        assert_eq!((context(&quoted).subject.as_deref(), context(&quoted).payload), (Some("a \"b\""), Payload::Absent));
        let text = read(&[("content-type", "text/plain; charset=utf-8")], "é".as_bytes()).unwrap();
        assert_eq!((&text.data, context(&text).payload), (&json!("é"), Payload::Json));
        let bytes = read(&[("content-type", "image/png")], &[0, 1]).unwrap();
        assert_eq!((&bytes.data, context(&bytes).payload), (&json!("AAE="), Payload::Base64));
        assert_eq!(read(&[], b"{").unwrap_err().status, 400);
        assert_eq!(read(&[("ce-datacontenttype", "a/b")], b"").unwrap_err().field.as_deref(), Some("datacontenttype"));
        assert_eq!(read(&[("ce-subject", "%FF")], b"").unwrap_err().field.as_deref(), Some("subject"));
    }

    #[test]
    fn another_attribute_is_another_request() {
        let of = |more: &[(&str, &str)], body: &'static [u8]| identity(&headers(more), body).into_owned();
        let json = ("content-type", "application/json");
        let one = of(&[json, ("ce-subject", "7")], b"{}");
        assert_eq!(of(&[("ce-subject", "7"), ("x-request-id", "2"), json], b"{}"), one);
        for other in [
            of(&[json, ("ce-subject", "8")], b"{}"),
            of(&[json], b"{}"),
            of(&[("ce-subject", "7")], b"{}"),
            of(&[json, ("ce-subject", "7")], b"[]"),
        ] {
            assert_ne!(other, one);
        }
        assert_ne!(of(&[("ce-x", "1")], b"ce-y: 2\n"), of(&[("ce-x", "1"), ("ce-y", "2")], b""));
        assert_eq!(identity(&HeaderMap::new(), b"{}"), b"{}".as_slice(), "all is in the body");
    }

    proptest! {
        #[test]
        fn an_attribute_that_was_percent_encoded_is_read_as_it_was(text in "\\PC{1,40}") {
            let encoded = percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC).to_string();
            let new = read_binary(&headers(&[("ce-subject", &encoded)]), b"", NOW).unwrap();
            prop_assert_eq!(context(&new).subject.as_deref(), Some(text.as_str()));
        }
    }
}
