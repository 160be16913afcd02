//! Actions of the native protocol: each is an object that says so, and what it selects lies within the inbox.

use domain::inbox::{InboxAction, ReadState};
use domain::notification::MAX_SEQUENCE;
use inbox::native_protocol::{Action, parse};
use inbox::{Cursor, read_state};
use serde_json::Value;

use super::{app, streams};

/// The stream has the notifications of these numbers.
const STORED: (u64, u64) = (3, 40);

/// The input is one text of a WebSocket.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let action = match parse(text) {
        Ok(action) => action,
        Err(error) => {
            assert!(error.to_string().len() <= text.len() + 500, "a refusal of {} bytes", error.to_string().len());
            return;
        }
    };
    let Ok(Value::Object(said)) = serde_json::from_str::<Value>(text) else { panic!("{text} is no object") };
    let name = match &action {
        Action::Resume { after, .. } => {
            for cursor in after.list() {
                if let Ok((stream, position)) = Cursor::decode_any(cursor, app(), &streams()) {
                    assert_eq!(&Cursor::encode(app(), &stream, position), cursor);
                }
            }
            "resume"
        }
        Action::Ack { cursor, .. } => {
            assert_eq!(said["cursor"], cursor.as_str());
            "ack"
        }
        Action::Mark { change, ids, up_to } => {
            mark(*change, ids, up_to.as_deref());
            "mark"
        }
        Action::Ping => "ping",
    };
    assert_eq!(said["action"], name);
}

fn mark(change: InboxAction, ids: &[String], up_to: Option<&str>) {
    let [stream, ..] = streams();
    let Ok(ranges) = read_state::select(app(), &stream, ids, up_to) else { return };
    assert!((1..=100).contains(&ranges.len()));
    let (oldest, newest) = STORED;
    let mut state = ReadState::default();
    for range in &ranges {
        assert!(range.from <= MAX_SEQUENCE && range.to <= MAX_SEQUENCE);
        let Some(next) = state.apply(change, range.from, range.to, oldest, newest) else { continue };
        assert_eq!(next.apply(change, range.from, range.to, oldest, newest), None, "twice is once");
        state = next;
    }
    for set in [&state.seen, &state.read, &state.archived, &state.deleted] {
        let beyond = [0, oldest - 1, newest + 1, MAX_SEQUENCE].into_iter().find(|it| set.contains(*it));
        assert_eq!(beyond, None, "{ranges:?} marks what is not stored: {state:?}");
    }
}
