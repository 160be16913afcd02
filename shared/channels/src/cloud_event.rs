//! Notifications as CloudEvents 1.0.2 in the structured content mode. What was published as a CloudEvent keeps its
//! attributes.

use domain::AppId;
use domain::event::{CloudEventContext, Payload};
use domain::notification::Notification;
use serde_json::{Map, Value, json};

use crate::image_data::with_image;

/// The media type of an event in the structured content mode (HTTP protocol binding, section 3.2).
pub(crate) const MEDIA_TYPE: &str = "application/cloudevents+json";

/// The event of a notification (JSON event format). Its extension attributes: `notificationid` and `sequence`, and of the
/// registered ones `correlationid`, `partitionkey` (the ordering key) and `expirytime`.
pub(crate) fn body(app: AppId, notification: &Notification, image: Option<&[u8]>) -> Vec<u8> {
    let id = notification.id.to_string();
    // an application is named by its UUID (RFC 9562, section 4)
    let own = CloudEventContext { id: id.clone(), source: format!("urn:uuid:{app}"), ..CloudEventContext::default() };
    let attributes = notification.attributes.as_deref();
    let context = attributes.and_then(|it| it.cloud_event.as_deref()).unwrap_or(&own);
    let mut event = Map::new();
    event.extend(context.extensions.clone());
    let content_type = context.datacontenttype.as_deref().unwrap_or("application/json");
    for (name, text) in [
        ("specversion", Some("1.0")),
        ("id", Some(context.id.as_str())),
        ("source", Some(context.source.as_str())),
        ("type", Some(notification.kind.as_str())),
        ("subject", context.subject.as_deref()),
        ("dataschema", context.dataschema.as_deref()),
        ("datacontenttype", Some(content_type).filter(|_| context.payload != Payload::Absent)),
        ("correlationid", attributes.and_then(|it| it.correlation_id.as_deref())),
        ("partitionkey", attributes.and_then(|it| it.ordering_key.as_deref())),
        ("notificationid", Some(id.as_str())),
    ] {
        if let Some(text) = text {
            event.insert(name.to_owned(), json!(text));
        }
    }
    event.insert("time".to_owned(), json!(domain::rfc3339(notification.happened_at())));
    // texts that sort as the numbers do (extension "sequence")
    event.insert("sequence".to_owned(), json!(format!("{:020}", notification.id.sequence)));
    if let Some(at) = attributes.and_then(|it| it.expires_at) {
        event.insert("expirytime".to_owned(), json!(domain::rfc3339(domain::from_millis(at))));
    }
    let data = with_image(&notification.data, image).into_owned();
    match context.payload {
        Payload::Json => event.insert("data".to_owned(), data),
        Payload::Base64 => event.insert("data_base64".to_owned(), data),
        Payload::Absent => None,
    };
    Value::Object(event).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use domain::event::EventAttributes;
    use domain::notification::{NewNotification, NotificationId, Stream};
    use time::macros::datetime;

    use super::*;

    fn event(new: NewNotification) -> Value {
        let id = NotificationId { stream: Stream::App, epoch: 5, sequence: 7 };
        let published = new.published(id, datetime!(2026-11-21 12:00 UTC));
        let app = "d5eabbb8-c0f6-4640-94fd-3566edad499f".parse().unwrap();
        serde_json::from_slice(&body(app, &published, None)).unwrap()
    }

    #[test]
    fn what_we_publish_ourselves_has_every_required_attribute() {
        let want = json!({ "specversion": "1.0", "id": "ntf_YXBw_5_7", "source": "urn:uuid:d5eabbb8-c0f6-4640-94fd-3566edad499f",
            "type": "item.found", "time": "2026-11-21T12:00:00Z", "datacontenttype": "application/json",
            "notificationid": "ntf_YXBw_5_7", "sequence": "00000000000000000007", "data": { "a": 1 } });
        assert_eq!(event(NewNotification::new("item.found", json!({ "a": 1 }))), want);
    }

    #[test]
    fn a_cloud_event_leaves_as_it_came() {
        let context = |payload, datacontenttype: Option<&str>| CloudEventContext {
            id: "A-1".into(),
            source: "/orders".into(),
            subject: Some("7".into()),
            datacontenttype: datacontenttype.map(str::to_owned),
            extensions: [("tenant".to_owned(), json!("x"))].into(),
            payload,
            ..CloudEventContext::default()
        };
        let published = |data: Value, context: CloudEventContext| {
            let attributes = EventAttributes {
                timestamp: Some(datetime!(2026-11-20 1:02:03.000004 UTC)),
                ordering_key: Some("k".into()),
                expires_at: Some(1_800_000_000_000),
                cloud_event: Some(Box::new(context)),
                ..EventAttributes::default()
            };
            let attributes = Some(Box::new(attributes));
            event(NewNotification { attributes, ..NewNotification::new("order.paid", data) })
        };
        let binary = published(json!("AAE="), context(Payload::Base64, Some("image/png")));
        let want = json!({ "specversion": "1.0", "id": "A-1", "source": "/orders", "subject": "7", "type": "order.paid",
            "time": "2026-11-20T01:02:03.000004Z", "datacontenttype": "image/png", "tenant": "x", "partitionkey": "k",
            "expirytime": "2027-01-15T08:00:00Z", "notificationid": "ntf_YXBw_5_7", "sequence": "00000000000000000007",
            "data_base64": "AAE=" });
        assert_eq!(binary, want);
        let absent = published(Value::Null, context(Payload::Absent, None));
        assert_eq!((absent.get("data"), absent.get("datacontenttype")), (None, None));
        let null = published(Value::Null, context(Payload::Json, None));
        assert_eq!((&null["data"], &null["datacontenttype"]), (&Value::Null, &json!("application/json")));
    }
}
