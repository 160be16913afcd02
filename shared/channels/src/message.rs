//! What is sent, whatever the protocol: built once, and signed as it is.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::channel::{Channel, MessageFormat};
use domain::delivery::DeliveryOutcome;
use domain::notification::Notification;
use domain::{AppId, adcreative};
use serde_json::{Value, json};

/// So much of a receiver's answer is kept.
const MAX_RESPONSE_BYTES: usize = 1_024;

/// A message to one receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The notification's id: the same with every attempt.
    pub id: String,
    /// The notification's type.
    pub kind: String,
    pub app: AppId,
    /// JSON
    pub body: Vec<u8>,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptOutcome {
    pub outcome: DeliveryOutcome,
    /// The beginning of what the receiver answered.
    pub response: String,
}

impl From<DeliveryOutcome> for AttemptOutcome {
    fn from(outcome: DeliveryOutcome) -> Self {
        Self { outcome, response: String::new() }
    }
}

impl AttemptOutcome {
    /// With what the receiver said, as far as it is kept.
    pub fn with_response(outcome: DeliveryOutcome, bytes: &[u8]) -> Self {
        let mut response = String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_RESPONSE_BYTES)]).into_owned();
        response.retain(|it| !it.is_control() || it == '\n' || it == '\t');
        Self { outcome, response }
    }
}

impl Message {
    /// A notification in a channel's format; `image` is the picture that it tells of.
    pub fn new(channel: &Channel, it: &Notification, image: Option<&[u8]>) -> Self {
        let body = match channel.format {
            MessageFormat::AdCreative => adcreative::message(channel.app, it, image),
            MessageFormat::Native => native_body(it, image),
        };
        Self { id: it.id.to_string(), kind: it.kind.clone(), app: channel.app, body }
    }
}

/// What happened, when, and where it stands in its stream, all of it under the signature. `sequence` counts the stream of
/// the application, not what this channel gets: it orders, and shows what came twice, but a number that is left out says
/// nothing, as the channel may not have wanted it. A number of each channel's own (realtime, W-4) would be a write for
/// each delivery; what is missing shows in the list of deliveries, and a replay brings it.
fn native_body(it: &Notification, image: Option<&[u8]>) -> Vec<u8> {
    let mut body = json!({
        "type": it.kind, "timestamp": domain::rfc3339(it.timestamp), "data": it.data,
        "id": it.id, "stream": it.id.stream.to_string(), "epoch": it.id.epoch, "sequence": it.id.sequence,
    });
    if let Some(image) = image {
        body["data"]["image"]["content"] = Value::String(STANDARD.encode(image));
    }
    body.to_string().into_bytes()
}
