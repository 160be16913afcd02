//! SignalR's JSON hub protocol: messages, as the official client reads and writes them (realtime, sections 8.3 to 8.7).
//! One text may hold several messages, each with a record separator at its end.

use domain::id::sha256_hex;
use serde::Deserialize;
use serde_json::{Value, json};

/// What every message ends with.
pub const RECORD_SEPARATOR: char = '\u{1e}';

/// A message of a client, by its `type`.
#[derive(Debug, Clone, PartialEq)]
pub enum HubMessage {
    /// The first message: protocol and version. It has no type.
    Handshake { protocol: String, version: u64 },
    /// Type 1. The client waits for a completion if there is an id.
    Invocation { id: Option<String>, target: String, arguments: Vec<Value> },
    /// Type 4. Streaming is not supported.
    StreamInvocation { id: String },
    /// Types 2, 3 and 5 (stream item, completion, cancel invocation): counted for stateful reconnect, otherwise ignored.
    CountedOnly,
    /// Type 6.
    Ping,
    /// Type 7.
    Close,
    /// Type 8: the number of the last message that the client received.
    Ack(u64),
    /// Type 9: the number of the client's next message, the first one on a new socket.
    Sequence(u64),
    /// A type of a later version of the protocol. It is ignored.
    Unknown,
}

/// A message that breaks the protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HubProtocolError {
    #[error("a message ends with the record separator")]
    MissingSeparator,
    #[error("a record is no JSON object")]
    InvalidJson,
    #[error("a record of type {0} lacks what it needs")]
    MissingField(u64),
    #[error("a record needs a type")]
    MissingType,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawMessage {
    r#type: Option<u64>,
    protocol: Option<String>,
    version: Option<u64>,
    invocation_id: Option<Value>,
    target: Option<String>,
    arguments: Option<Vec<Value>>,
    sequence_id: Option<u64>,
}

impl HubMessage {
    /// Whether stateful reconnect counts the message.
    pub fn is_counted(&self) -> bool {
        matches!(self, Self::Invocation { .. } | Self::StreamInvocation { .. } | Self::CountedOnly)
    }

    /// A hash of the message: one that is sent again has the same.
    pub fn digest(&self) -> u64 {
        let hash = sha256_hex(format!("{self:?}").as_bytes());
        u64::from_str_radix(&hash[..16], 16).unwrap_or_default()
    }

    fn parse(text: &str) -> Result<Self, HubProtocolError> {
        if !is_object(text) {
            return Err(HubProtocolError::InvalidJson);
        }
        let raw: RawMessage = serde_json::from_str(text).map_err(|_| HubProtocolError::InvalidJson)?;
        let id = match raw.invocation_id {
            None | Some(Value::Null) => None,
            Some(Value::String(id)) if !id.is_empty() && id.len() <= 200 => Some(id),
            Some(_) => return Err(HubProtocolError::MissingField(raw.r#type.unwrap_or(0))),
        };
        let Some(kind) = raw.r#type else {
            return match (raw.protocol, raw.version) {
                (Some(protocol), Some(version)) => Ok(Self::Handshake { protocol, version }),
                _ => Err(HubProtocolError::MissingType),
            };
        };
        let missing_field = || HubProtocolError::MissingField(kind);
        Ok(match kind {
            1 => {
                let (target, arguments) =
                    (raw.target.ok_or_else(missing_field)?, raw.arguments.ok_or_else(missing_field)?);
                Self::Invocation { id, target, arguments }
            }
            2 | 3 => id.map(|_| Self::CountedOnly).ok_or_else(missing_field)?,
            4 => Self::StreamInvocation { id: id.ok_or_else(missing_field)? },
            5 => id.map(|_| Self::CountedOnly).ok_or_else(missing_field)?,
            6 => Self::Ping,
            7 => Self::Close,
            8 => Self::Ack(raw.sequence_id.ok_or_else(missing_field)?),
            9 => Self::Sequence(raw.sequence_id.ok_or_else(missing_field)?),
            _ => Self::Unknown,
        })
    }
}

/// Whether a JSON text is that of an object, if it is one of anything. Serde also reads a struct from an array of its members
/// in the order of their declaration, which no protocol says.
pub(crate) fn is_object(text: &str) -> bool {
    text.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('{')
}

/// The messages of a text.
///
/// # Errors
/// If one of them breaks the protocol.
pub fn parse(message: &str) -> Result<Vec<HubMessage>, HubProtocolError> {
    let all = message.strip_suffix(RECORD_SEPARATOR).ok_or(HubProtocolError::MissingSeparator)?;
    all.split(RECORD_SEPARATOR).map(HubMessage::parse).collect()
}

fn encode(message: &Value) -> String {
    format!("{message}{RECORD_SEPARATOR}")
}

/// An invocation of a client's method that expects no completion.
pub fn invocation(target: &str, arguments: &[Value]) -> String {
    encode(&json!({ "type": 1, "target": target, "arguments": arguments }))
}

/// The completion of a client's invocation.
pub fn completion(id: &str, outcome: &Result<Value, String>) -> String {
    encode(&match outcome {
        Ok(Value::Null) => json!({ "type": 3, "invocationId": id }),
        Ok(result) => json!({ "type": 3, "invocationId": id, "result": result }),
        Err(error) => json!({ "type": 3, "invocationId": id, "error": error }),
    })
}

/// The handshake response; with an error the connection ends.
pub fn handshake_response(error: Option<&str>) -> String {
    encode(&error.map_or(json!({}), |it| json!({ "error": it })))
}

/// A ping.
pub fn ping() -> String {
    encode(&json!({ "type": 6 }))
}

/// A close message with an error: the client does not connect again.
pub fn close(error: &str) -> String {
    encode(&json!({ "type": 7, "error": error }))
}

/// A close message that allows the client to connect again.
pub fn close_allow_reconnect() -> String {
    encode(&json!({ "type": 7, "allowReconnect": true }))
}

/// Acknowledges the client's messages up to a number.
pub fn ack(number: u64) -> String {
    encode(&json!({ "type": 8, "sequenceId": number }))
}

/// The number of our next message, the first one on a new socket.
pub fn sequence(number: u64) -> String {
    encode(&json!({ "type": 9, "sequenceId": number }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_the_official_client_writes() {
        let invocation = |id: Option<&str>, target: &str, arguments: Value| HubMessage::Invocation {
            id: id.map(str::to_owned),
            target: target.to_owned(),
            arguments: arguments.as_array().cloned().unwrap_or_default(),
        };
        for (message, want) in [
            (
                "{\"protocol\":\"json\",\"version\":1}\u{1e}",
                vec![HubMessage::Handshake { protocol: "json".into(), version: 1 }],
            ),
            ("{\"type\":6}\u{1e}", vec![HubMessage::Ping]),
            (
                "{\"target\":\"MarkRead\",\"arguments\":[\"n1\"],\"invocationId\":\"0\",\"type\":1}\u{1e}{\"target\":\"Fire\",\"arguments\":[1],\"type\":1}\u{1e}",
                vec![invocation(Some("0"), "MarkRead", json!(["n1"])), invocation(None, "Fire", json!([1]))],
            ),
            (
                "{\"type\":9,\"sequenceId\":1}\u{1e}{\"type\":8,\"sequenceId\":6}\u{1e}",
                vec![HubMessage::Sequence(1), HubMessage::Ack(6)],
            ),
            ("{\"type\":7}\u{1e}", vec![HubMessage::Close]),
            ("{\"type\":99}\u{1e}", vec![HubMessage::Unknown]),
            (
                "{\"type\":4,\"invocationId\":\"7\",\"target\":\"Follow\",\"arguments\":[\"job-1\"]}\u{1e}",
                vec![HubMessage::StreamInvocation { id: "7".into() }],
            ),
        ] {
            assert_eq!(parse(message), Ok(want), "{message}");
        }
        for (message, want) in [
            ("{\"type\":6}", HubProtocolError::MissingSeparator),
            ("hello\u{1e}", HubProtocolError::InvalidJson),
            ("\u{1e}", HubProtocolError::InvalidJson),
            ("[6,null,null,null,null,null,null]\u{1e}", HubProtocolError::InvalidJson),
            ("{}\u{1e}", HubProtocolError::MissingType),
            ("{\"type\":1,\"arguments\":[]}\u{1e}", HubProtocolError::MissingField(1)),
            (
                "{\"type\":1,\"target\":\"a\",\"arguments\":[],\"invocationId\":7}\u{1e}",
                HubProtocolError::MissingField(1),
            ),
            ("{\"type\":9}\u{1e}", HubProtocolError::MissingField(9)),
        ] {
            assert_eq!(parse(message), Err(want), "{message}");
        }
    }

    #[test]
    fn writes_what_the_official_client_reads() {
        assert_eq!(handshake_response(None), "{}\u{1e}");
        assert_eq!(completion("0", &Ok(Value::Null)), "{\"invocationId\":\"0\",\"type\":3}\u{1e}");
        let failed: Value =
            serde_json::from_str(completion("7", &Err("no".into())).trim_end_matches(RECORD_SEPARATOR)).unwrap();
        assert_eq!(failed, json!({ "type": 3, "invocationId": "7", "error": "no" }), "never a result and an error");
    }

    proptest! {
        #[test]
        fn garbage_is_refused_or_read_and_never_panics(junk in ".{0,200}", kind in 0_u64..12, json in "[\\[\\]{}\":,a-z0-9\u{1e}]{0,80}") {
            for message in [junk, json.clone(), format!("{{\"type\":{kind},{json}}}\u{1e}")] {
                if let Ok(records) = parse(&message) {
                    prop_assert!(!records.is_empty());
                }
            }
        }
    }
}
