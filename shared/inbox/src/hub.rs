//! SignalR's JSON hub protocol: records, as the official client reads and writes them (realtime, sections 8.3 to 8.7).

use domain::id::sha256_hex;
use serde::Deserialize;
use serde_json::{Value, json};

/// What every record ends with.
pub const END: char = '\u{1e}';

/// A record of a client.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
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
    Counted,
    Ping,
    Close,
    Ack(u64),
    Sequence(u64),
    /// A type that a later version may know.
    Unknown,
}

/// A record that breaks the protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRecord {
    #[error("a message ends with the record separator")]
    Incomplete,
    #[error("a record is no JSON object")]
    NotJson,
    #[error("a record of type {0} lacks what it needs")]
    Lacking(u64),
    #[error("a record needs a type")]
    NoType,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    r#type: Option<u64>,
    protocol: Option<String>,
    version: Option<u64>,
    invocation_id: Option<Value>,
    target: Option<String>,
    arguments: Option<Vec<Value>>,
    sequence_id: Option<u64>,
}

impl Record {
    /// Whether stateful reconnect counts it.
    pub fn counts(&self) -> bool {
        matches!(self, Self::Invocation { .. } | Self::StreamInvocation { .. } | Self::Counted)
    }

    /// What tells a record from others: one that comes again has the same.
    pub fn digest(&self) -> u64 {
        let hash = sha256_hex(format!("{self:?}").as_bytes());
        u64::from_str_radix(&hash[..16], 16).unwrap_or_default()
    }

    fn read(text: &str) -> Result<Self, BadRecord> {
        let it: Raw = serde_json::from_str(text).map_err(|_| BadRecord::NotJson)?;
        let id = match it.invocation_id {
            None | Some(Value::Null) => None,
            Some(Value::String(id)) if !id.is_empty() && id.len() <= 200 => Some(id),
            Some(_) => return Err(BadRecord::Lacking(it.r#type.unwrap_or(0))),
        };
        let Some(kind) = it.r#type else {
            return match (it.protocol, it.version) {
                (Some(protocol), Some(version)) => Ok(Self::Handshake { protocol, version }),
                _ => Err(BadRecord::NoType),
            };
        };
        let lacking = || BadRecord::Lacking(kind);
        Ok(match kind {
            1 => {
                let (target, arguments) = (it.target.ok_or_else(lacking)?, it.arguments.ok_or_else(lacking)?);
                Self::Invocation { id, target, arguments }
            }
            2 | 3 => id.map(|_| Self::Counted).ok_or_else(lacking)?,
            4 => Self::StreamInvocation { id: id.ok_or_else(lacking)? },
            5 => id.map(|_| Self::Counted).ok_or_else(lacking)?,
            6 => Self::Ping,
            7 => Self::Close,
            8 => Self::Ack(it.sequence_id.ok_or_else(lacking)?),
            9 => Self::Sequence(it.sequence_id.ok_or_else(lacking)?),
            _ => Self::Unknown,
        })
    }
}

/// The records of a message.
pub fn read(message: &str) -> Result<Vec<Record>, BadRecord> {
    let all = message.strip_suffix(END).ok_or(BadRecord::Incomplete)?;
    all.split(END).map(Record::read).collect()
}

fn record(it: &Value) -> String {
    format!("{it}{END}")
}

/// A call of a method of the client's, which gives no answer.
pub fn invocation(target: &str, argument: &Value) -> String {
    call(target, std::slice::from_ref(argument))
}

/// The same, with any arguments.
pub fn call(target: &str, arguments: &[Value]) -> String {
    record(&json!({ "type": 1, "target": target, "arguments": arguments }))
}

/// The answer to a call of the client's.
pub fn completion(id: &str, outcome: &Result<Value, String>) -> String {
    record(&match outcome {
        Ok(Value::Null) => json!({ "type": 3, "invocationId": id }),
        Ok(result) => json!({ "type": 3, "invocationId": id, "result": result }),
        Err(error) => json!({ "type": 3, "invocationId": id, "error": error }),
    })
}

/// The answer to a handshake.
pub fn handshake(error: Option<&str>) -> String {
    record(&error.map_or(json!({}), |it| json!({ "error": it })))
}

pub fn ping() -> String {
    record(&json!({ "type": 6 }))
}

pub fn close(error: &str) -> String {
    record(&json!({ "type": 7, "error": error }))
}

/// The connection ends, and a client that may connects again.
pub fn close_for_now() -> String {
    record(&json!({ "type": 7, "allowReconnect": true }))
}

pub fn ack(number: u64) -> String {
    record(&json!({ "type": 8, "sequenceId": number }))
}

pub fn sequence(number: u64) -> String {
    record(&json!({ "type": 9, "sequenceId": number }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_the_official_client_writes() {
        let invocation = |id: Option<&str>, target: &str, arguments: Value| Record::Invocation {
            id: id.map(str::to_owned),
            target: target.to_owned(),
            arguments: arguments.as_array().cloned().unwrap_or_default(),
        };
        for (message, want) in [
            (
                "{\"protocol\":\"json\",\"version\":1}\u{1e}",
                vec![Record::Handshake { protocol: "json".into(), version: 1 }],
            ),
            ("{\"type\":6}\u{1e}", vec![Record::Ping]),
            (
                "{\"target\":\"MarkRead\",\"arguments\":[\"n1\"],\"invocationId\":\"0\",\"type\":1}\u{1e}{\"target\":\"Fire\",\"arguments\":[1],\"type\":1}\u{1e}",
                vec![invocation(Some("0"), "MarkRead", json!(["n1"])), invocation(None, "Fire", json!([1]))],
            ),
            (
                "{\"type\":9,\"sequenceId\":1}\u{1e}{\"type\":8,\"sequenceId\":6}\u{1e}",
                vec![Record::Sequence(1), Record::Ack(6)],
            ),
            ("{\"type\":7}\u{1e}", vec![Record::Close]),
            ("{\"type\":99}\u{1e}", vec![Record::Unknown]),
            (
                "{\"type\":4,\"invocationId\":\"7\",\"target\":\"Follow\",\"arguments\":[\"job-1\"]}\u{1e}",
                vec![Record::StreamInvocation { id: "7".into() }],
            ),
        ] {
            assert_eq!(read(message), Ok(want), "{message}");
        }
        for (message, want) in [
            ("{\"type\":6}", BadRecord::Incomplete),
            ("hello\u{1e}", BadRecord::NotJson),
            ("\u{1e}", BadRecord::NotJson),
            ("{}\u{1e}", BadRecord::NoType),
            ("{\"type\":1,\"arguments\":[]}\u{1e}", BadRecord::Lacking(1)),
            ("{\"type\":1,\"target\":\"a\",\"arguments\":[],\"invocationId\":7}\u{1e}", BadRecord::Lacking(1)),
            ("{\"type\":9}\u{1e}", BadRecord::Lacking(9)),
        ] {
            assert_eq!(read(message), Err(want), "{message}");
        }
    }

    #[test]
    fn writes_what_the_official_client_reads() {
        assert_eq!(handshake(None), "{}\u{1e}");
        assert_eq!(completion("0", &Ok(Value::Null)), "{\"invocationId\":\"0\",\"type\":3}\u{1e}");
        let failed: Value = serde_json::from_str(completion("7", &Err("no".into())).trim_end_matches(END)).unwrap();
        assert_eq!(failed, json!({ "type": 3, "invocationId": "7", "error": "no" }), "never a result and an error");
    }

    proptest! {
        #[test]
        fn garbage_is_refused_or_read_and_never_panics(junk in ".{0,200}", kind in 0_u64..12, json in "[\\[\\]{}\":,a-z0-9\u{1e}]{0,80}") {
            for message in [junk, json.clone(), format!("{{\"type\":{kind},{json}}}\u{1e}")] {
                if let Ok(records) = read(&message) {
                    prop_assert!(!records.is_empty());
                }
            }
        }
    }
}
