//! SignalR's records: each is an object of its type, a second reading says the same, and no number that a client may claim
//! breaks the state of its connection.

use domain::socket::{ConnectionUser, HubConnection};
use inbox::hub_protocol::{HubMessage, RECORD_SEPARATOR, completion, invocation, parse};
use serde_json::Value;

use super::app;

/// The input is one text of a WebSocket.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(messages) = parse(text) else { return };
    let records: Vec<&str> = text.split_terminator(RECORD_SEPARATOR).collect();
    assert_eq!(messages.len(), records.len());
    assert_eq!(parse(&format!("{text}{text}")).map(|it| it.len()), Ok(2 * records.len()));
    for (message, record) in messages.iter().zip(records) {
        agrees(message, record);
    }
    drive(&messages);
}

/// Whether a message is what its record says.
fn agrees(message: &HubMessage, record: &str) {
    let Ok(Value::Object(record)) = serde_json::from_str::<Value>(record) else { panic!("{record} is no object") };
    let number = |name: &str| record.get(name).and_then(Value::as_u64);
    let kind = number("type");
    match message {
        HubMessage::Handshake { protocol, version } => {
            assert_eq!((kind, number("version")), (None, Some(*version)));
            assert_eq!(record.get("protocol").and_then(Value::as_str), Some(protocol.as_str()));
        }
        HubMessage::Invocation { id, target, arguments } => {
            assert_eq!((kind, record["target"].as_str()), (Some(1), Some(target.as_str())));
            assert_eq!(record["arguments"].as_array(), Some(arguments));
            assert_eq!(record.get("invocationId").and_then(Value::as_str), id.as_deref());
            let again = HubMessage::Invocation { id: None, target: target.clone(), arguments: arguments.clone() };
            assert_eq!(again.digest(), again.clone().digest());
            assert_eq!(parse(&invocation(target, arguments)), Ok(vec![again]));
            let completed = completion(id.as_deref().unwrap_or("0"), &Ok(Value::Array(arguments.clone())));
            assert_eq!(parse(&completed), Ok(vec![HubMessage::CountedOnly]));
        }
        HubMessage::StreamInvocation { id } => {
            assert_eq!((kind, record["invocationId"].as_str()), (Some(4), Some(id.as_str())));
            assert!((1..=200).contains(&id.len()));
        }
        HubMessage::CountedOnly => assert!(matches!(kind, Some(2 | 3 | 5))),
        HubMessage::Ping => assert_eq!(kind, Some(6)),
        HubMessage::Close => assert_eq!(kind, Some(7)),
        HubMessage::Ack(sequence) => assert_eq!((kind, number("sequenceId")), (Some(8), Some(*sequence))),
        HubMessage::Sequence(sequence) => assert_eq!((kind, number("sequenceId")), (Some(9), Some(*sequence))),
        HubMessage::Unknown => assert!(kind.is_some_and(|it| !(1..=9).contains(&it))),
    }
}

/// A connection with stateful reconnect that receives the messages, each group of them on a socket of its own.
fn drive(messages: &[HubMessage]) {
    let member = ConnectionUser::new(app(), "jane".to_owned(), Vec::new());
    let mut hub = HubConnection::new(member, true, 0);
    hub.attach("socket", 0);
    hub.handshake_done = true;
    for message in messages {
        match message {
            HubMessage::Ack(number) => hub.ack(*number),
            HubMessage::Sequence(next) => {
                hub.detach(0);
                hub.attach("socket", 0);
                assert_eq!(hub.resume(*next), hub.acked + 1);
            }
            counted if counted.is_counted() => {
                let digests = [counted.digest()];
                assert_eq!(hub.receive(&digests).len(), 1);
                hub.complete(&digests);
                hub.sent += 1; // its completion
            }
            _ => {}
        }
        assert!(hub.acked <= hub.sent && hub.handled <= hub.received, "{hub:?}");
        assert!(hub.received <= messages.len() as u64, "{hub:?}");
        assert!(hub.handled_digests.len() <= 32 && hub.replayable_digests.len() <= 32, "{hub:?}");
    }
}
