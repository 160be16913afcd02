//! Messages of a hub, taken out of WebSocket messages: one can be spread over several, and one can contain several
//! (SignalR's hub protocol, "JSON Hub Protocol").

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// Ends each message of the JSON hub protocol.
pub(super) const RECORD_SEPARATOR: char = '\u{1e}';
/// The longest message that is read: an invocation's result stays in memory until it has arrived whole. (ASP.NET's own
/// limit for messages that it receives is 32 KB.)
pub(super) const MAX_MESSAGE_BYTES: usize = 8 << 20;
/// A larger buffer is freed once its messages are read.
const MAX_IDLE_BUFFER_BYTES: usize = 64 << 10;

/// A message, as far as we use it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HubMessage<'a> {
    #[serde(default, rename = "type")]
    pub(super) kind: Option<u64>,
    #[serde(default)]
    pub(super) invocation_id: Option<Value>,
    #[serde(default)]
    pub(super) error: Option<Value>,
    #[serde(default)]
    pub(super) allow_reconnect: Option<bool>,
    /// The raw JSON text: results can be long and are not parsed.
    #[serde(default, borrow)]
    pub(super) result: Option<&'a RawValue>,
}

impl HubMessage<'_> {
    /// The error as text, if there is one.
    pub(super) fn error(&self) -> Option<String> {
        self.error.as_ref().map(|error| error.as_str().map_or_else(|| error.to_string(), str::to_owned))
    }
}

/// Received text, and how far it is read. No byte is searched twice, however small the pieces are.
#[derive(Default)]
pub(super) struct MessageBuffer {
    text: String,
    /// Where the next message begins.
    start: usize,
    /// There is no separator from `start` to here.
    searched: usize,
}

impl MessageBuffer {
    /// Appends received text.
    pub(super) fn push(&mut self, text: &str) {
        self.text.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        if self.text.is_empty() && self.text.capacity() > MAX_IDLE_BUFFER_BYTES {
            self.text = String::new();
        }
        self.text.push_str(text);
    }

    /// The next whole message; `None` until its end has arrived.
    pub(super) fn next_message(&mut self) -> Option<&str> {
        let Some(length) = self.text[self.searched..].find(RECORD_SEPARATOR) else {
            self.searched = self.text.len();
            return None;
        };
        let (start, end) = (self.start, self.searched + length);
        self.start = end + RECORD_SEPARATOR.len_utf8();
        self.searched = self.start;
        Some(&self.text[start..end])
    }

    /// Whether the message that has begun is longer than [`MAX_MESSAGE_BYTES`].
    pub(super) fn is_too_long(&self) -> bool {
        self.text.len() - self.start > MAX_MESSAGE_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_whole_whatever_the_pieces_are() {
        let whole = format!(
            "{{}}{RECORD_SEPARATOR}{{\"type\":6}}{RECORD_SEPARATOR}{{\"type\":3,\"result\":\"é\"}}{RECORD_SEPARATOR}"
        );
        let want = ["{}", "{\"type\":6}", "{\"type\":3,\"result\":\"é\"}"];
        for size in 1..=whole.chars().count() {
            let (mut messages, mut found) = (MessageBuffer::default(), Vec::new());
            let letters: Vec<char> = whole.chars().collect();
            for piece in letters.chunks(size) {
                messages.push(&piece.iter().collect::<String>());
                while let Some(record) = messages.next_message() {
                    found.push(record.to_owned());
                }
            }
            assert_eq!(found, want, "pieces of {size}");
        }
    }

    #[test]
    fn what_is_read_does_not_count_as_long() {
        let mut messages = MessageBuffer::default();
        let half = "a".repeat(MAX_MESSAGE_BYTES / 2);
        for _ in 0..4 {
            messages.push(&format!("{half}{RECORD_SEPARATOR}"));
            assert_eq!(messages.next_message().map(str::len), Some(half.len()));
        }
        assert!(!messages.is_too_long());
        messages.push(&half);
        messages.push(&half);
        assert!(messages.next_message().is_none() && !messages.is_too_long());
        messages.push("a");
        assert!(messages.is_too_long());
    }

    #[test]
    fn a_long_result_is_passed_over_and_an_error_of_any_kind_is_one() {
        let read = |text: &str| -> (Option<u64>, Option<String>, usize) {
            let record: HubMessage = serde_json::from_str(text).unwrap();
            (record.kind, record.error(), record.result.map_or(0, |it| it.get().len()))
        };
        let long = format!("{{\"type\":3,\"result\":[{}1],\"invocationId\":\"1\"}}", "1,".repeat(1 << 20));
        assert_eq!(read(&long), (Some(3), None, (2 << 20) + 3));
        assert_eq!(read("{\"type\":3,\"error\":\"no\"}"), (Some(3), Some("no".to_owned()), 0));
        assert_eq!(read("{\"type\":3,\"error\":{\"a\":1}}"), (Some(3), Some("{\"a\":1}".to_owned()), 0));
        assert_eq!(read("{\"type\":3,\"error\":null,\"result\":null}"), (Some(3), None, 0));
        assert_eq!(read("{}"), (None, None, 0));
    }
}
