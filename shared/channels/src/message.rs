//! What is sent, whatever the protocol. The body is built once; signatures are made over exactly these bytes.

use domain::channel::{Channel, MessageFormat};
use domain::delivery::DeliveryOutcome;
use domain::notification::Notification;
use domain::trace_context::TraceContext;
use domain::{AppId, adcreative};
use serde::Serialize;
use serde_json::Value;

use crate::cloud_event;
use crate::image_data::with_image;

/// The media type of both formats of our own.
const JSON: &str = "application/json";
/// How much of a receiver's response is stored.
const MAX_RESPONSE_BYTES: usize = 1_024;

/// A message to one receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The notification's id: the same with every attempt.
    pub id: String,
    /// The notification's type.
    pub kind: String,
    pub app: AppId,
    /// The media type of the body.
    pub content_type: &'static str,
    /// JSON.
    pub body: Vec<u8>,
    /// The trace of the request that it comes from; its headers go with the message.
    pub trace: Option<Box<TraceContext>>,
}

/// The outcome of an attempt, and the receiver's response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptOutcome {
    pub outcome: DeliveryOutcome,
    /// The first `MAX_RESPONSE_BYTES` of the response, without control characters. Empty if there was none.
    pub response: String,
}

impl From<DeliveryOutcome> for AttemptOutcome {
    fn from(outcome: DeliveryOutcome) -> Self {
        Self { outcome, response: String::new() }
    }
}

impl AttemptOutcome {
    /// An outcome with the response body, cut to `MAX_RESPONSE_BYTES`.
    pub fn with_response(outcome: DeliveryOutcome, bytes: &[u8]) -> Self {
        let mut response = String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_RESPONSE_BYTES)]).into_owned();
        response.retain(|it| !it.is_control() || it == '\n' || it == '\t');
        Self { outcome, response }
    }
}

impl Message {
    /// A notification in a channel's format; `image` is the rendered image that it is about.
    pub fn new(channel: &Channel, notification: &Notification, image: Option<&[u8]>) -> Self {
        let (content_type, body) = match channel.format {
            MessageFormat::AdCreative => (JSON, adcreative::message(channel.app, notification, image)),
            MessageFormat::Native => (JSON, native_body(notification, image)),
            MessageFormat::CloudEvents => {
                (cloud_event::MEDIA_TYPE, cloud_event::body(channel.app, notification, image))
            }
        };
        let (id, kind, trace) = (notification.id.to_string(), notification.kind.clone(), notification.trace.clone());
        Self { id, kind, app: channel.app, content_type, body, trace }
    }
}

/// The native format: type, time, data and the position in the stream, all of them covered by the signature. `sequence`
/// is the number in the application's stream: it orders messages and reveals repeated ones. A missing number does not
/// mean a lost message, because the channel's filter leaves notifications out. Numbers per channel (realtime, W-4)
/// would cost a write per delivery; the list of deliveries shows what is missing, and a replay sends it again.
fn native_body(notification: &Notification, image: Option<&[u8]>) -> Vec<u8> {
    let id = &notification.id;
    let data = with_image(&notification.data, image);
    let attributes = notification.attributes.as_deref();
    let body = NativeBody {
        correlation_id: attributes.and_then(|it| it.correlation_id.as_deref()),
        data: &data,
        epoch: id.epoch,
        id: id.to_string(),
        ordering_key: attributes.and_then(|it| it.ordering_key.as_deref()),
        sequence: id.sequence,
        stream: id.stream.to_string(),
        timestamp: domain::rfc3339(notification.happened_at()),
        kind: &notification.kind,
    };
    // text keys and JSON values: there is nothing that could not be written
    serde_json::to_vec(&body).unwrap_or_default()
}

/// The members of the native format, written without a copy of the data.
#[derive(Serialize)]
struct NativeBody<'a> {
    #[serde(rename = "correlationId", skip_serializing_if = "Option::is_none")]
    correlation_id: Option<&'a str>,
    data: &'a Value,
    epoch: i64,
    id: String,
    #[serde(rename = "orderingKey", skip_serializing_if = "Option::is_none")]
    ordering_key: Option<&'a str>,
    sequence: u64,
    stream: String,
    timestamp: String,
    #[serde(rename = "type")]
    kind: &'a str,
}
