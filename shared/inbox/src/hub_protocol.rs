//! SignalR's JSON hub protocol: records, as the official client reads and writes them (realtime, sections 8.3 to 8.7).

use domain::id::sha256_hex;
use serde::Deserialize;
use serde_json::{Value, json};

/// What every record ends with.
pub const RECORD_SEPARATOR: char = '\u{1e}';

/// A record of a client.
#[derive(Debug, Clone, PartialEq)]
pub enum HubMessage {
    /// The first one: protocol and version.
    Handshake {
        protocol: String,
        version: u64,
    },
    /// A call; without an id nobody waits for an answer.
    Invocation {
        id: Option<String>,
        target: String,
        arguments: Vec<Value>,
    },
    /// A call that wants a stream, which we do not serve.
    StreamInvocation {
        id: String,
    },
    /// The answer to a call of ours, or an item of a stream: counted, and otherwise nothing to us.
    CountedOnly,
    Ping,
    Close,
    Ack(u64),
    Sequence(u64),
    /// A type that a later version may know.
    Unknown,
}

/// A record that breaks the protocol.
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
    /// Whether stateful reconnect counts it.
    pub fn is_counted(&self) -> bool {
        matches!(self, Self::Invocation { .. } | Self::StreamInvocation { .. } | Self::CountedOnly)
    }

    /// What tells a record from others: one that comes again has the same.
    pub fn digest(&self) -> u64 {
        let hash = sha256_hex(format!("{self:?}").as_bytes());
        u64::from_str_radix(&hash[..16], 16).unwrap_or_default()
    }

    fn parse(text: &str) -> Result<Self, HubProtocolError> {
        let it: RawMessage = serde_json::from_str(text).map_err(|_| HubProtocolError::InvalidJson)?;
        let id = match it.invocation_id {
            None | Some(Value::Null) => None,
            Some(Value::String(id)) if !id.is_empty() && id.len() <= 200 => Some(id),
            Some(_) => return Err(HubProtocolError::MissingField(it.r#type.unwrap_or(0))),
        };
        let Some(kind) = it.r#type else {
            return match (it.protocol, it.version) {
                (Some(protocol), Some(version)) => Ok(Self::Handshake { protocol, version }),
                _ => Err(HubProtocolError::MissingType),
            };
        };
        let lacking = || HubProtocolError::MissingField(kind);
        Ok(match kind {
            1 => {
                let (target, arguments) = (it.target.ok_or_else(lacking)?, it.arguments.ok_or_else(lacking)?);
                Self::Invocation { id, target, arguments }
            }
            2 | 3 => id.map(|_| Self::CountedOnly).ok_or_else(lacking)?,
            4 => Self::StreamInvocation { id: id.ok_or_else(lacking)? },
            5 => id.map(|_| Self::CountedOnly).ok_or_else(lacking)?,
            6 => Self::Ping,
            7 => Self::Close,
            8 => Self::Ack(it.sequence_id.ok_or_else(lacking)?),
            9 => Self::Sequence(it.sequence_id.ok_or_else(lacking)?),
            _ => Self::Unknown,
        })
    }
}

/// The records of a message.
pub fn parse(message: &str) -> Result<Vec<HubMessage>, HubProtocolError> {
    let all = message.strip_suffix(RECORD_SEPARATOR).ok_or(HubProtocolError::MissingSeparator)?;
    all.split(RECORD_SEPARATOR).map(HubMessage::parse).collect()
}

fn encode(it: &Value) -> String {
    format!("{it}{RECORD_SEPARATOR}")
}

/// A call of a method of the client's, which gives no answer.
pub fn invocation(target: &str, argument: &Value) -> String {
    call(target, std::slice::from_ref(argument))
}

/// The same, with any arguments.
pub fn call(target: &str, arguments: &[Value]) -> String {
    encode(&json!({ "type": 1, "target": target, "arguments": arguments }))
}

/// The answer to a call of the client's.
pub fn completion(id: &str, outcome: &Result<Value, String>) -> String {
    encode(&match outcome {
        Ok(Value::Null) => json!({ "type": 3, "invocationId": id }),
        Ok(result) => json!({ "type": 3, "invocationId": id, "result": result }),
        Err(error) => json!({ "type": 3, "invocationId": id, "error": error }),
    })
}

/// The answer to a handshake.
pub fn handshake_response(error: Option<&str>) -> String {
    encode(&error.map_or(json!({}), |it| json!({ "error": it })))
}

pub fn ping() -> String {
    encode(&json!({ "type": 6 }))
}

pub fn close(error: &str) -> String {
    encode(&json!({ "type": 7, "error": error }))
}

/// The connection ends, and a client that may connects again.
pub fn close_allow_reconnect() -> String {
    encode(&json!({ "type": 7, "allowReconnect": true }))
}

pub fn ack(number: u64) -> String {
    encode(&json!({ "type": 8, "sequenceId": number }))
}

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
