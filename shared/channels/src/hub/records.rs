//! Records of a hub, as they come: one can be spread over messages, and one message can hold many (SignalR's hub protocol,
//! "JSON Hub Protocol").

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// The end of a record.
pub(super) const RECORD_SEPARATOR: char = '\u{1e}';
/// A record at most: an invocation's result can be long, and stays in memory until it has come whole. (ASP.NET's own limit
/// for what it receives is 32 KB.)
pub(super) const MAX_RECORD_BYTES: usize = 8 << 20;
/// A buffer beyond this is given back once it is read.
const MAX_IDLE_BUFFER_BYTES: usize = 64 << 10;

/// What a record says to us.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record<'a> {
    #[serde(default, rename = "type")]
    pub(super) kind: Option<u64>,
    #[serde(default)]
    pub(super) invocation_id: Option<Value>,
    #[serde(default)]
    pub(super) error: Option<Value>,
    #[serde(default)]
    pub(super) allow_reconnect: Option<bool>,
    /// As it was written, however long it is.
    #[serde(default, borrow)]
    pub(super) result: Option<&'a RawValue>,
}

impl Record<'_> {
    /// The error, if there is one.
    pub(super) fn error(&self) -> Option<String> {
        self.error.as_ref().map(|error| error.as_str().map_or_else(|| error.to_string(), str::to_owned))
    }
}

/// Text that has come, and how far it is read. Nothing is looked at twice, however small the pieces are.
#[derive(Default)]
pub(super) struct RecordBuffer {
    text: String,
    /// Where the next record begins.
    start: usize,
    /// There is no end of a record from `start` to here.
    searched: usize,
}

impl RecordBuffer {
    /// Adds what came.
    pub(super) fn push(&mut self, text: &str) {
        self.text.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        if self.text.is_empty() && self.text.capacity() > MAX_IDLE_BUFFER_BYTES {
            self.text = String::new();
        }
        self.text.push_str(text);
    }

    /// The next whole record, as text.
    pub(super) fn next_record(&mut self) -> Option<&str> {
        let Some(length) = self.text[self.searched..].find(RECORD_SEPARATOR) else {
            self.searched = self.text.len();
            return None;
        };
        let (start, end) = (self.start, self.searched + length);
        self.start = end + RECORD_SEPARATOR.len_utf8();
        self.searched = self.start;
        Some(&self.text[start..end])
    }

    /// Whether the record that has begun is longer than any that is read.
    pub(super) fn is_too_long(&self) -> bool {
        self.text.len() - self.start > MAX_RECORD_BYTES
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
            let (mut records, mut found) = (RecordBuffer::default(), Vec::new());
            let letters: Vec<char> = whole.chars().collect();
            for piece in letters.chunks(size) {
                records.push(&piece.iter().collect::<String>());
                while let Some(record) = records.next_record() {
                    found.push(record.to_owned());
                }
            }
            assert_eq!(found, want, "pieces of {size}");
        }
    }

    #[test]
    fn what_is_read_does_not_count_as_long() {
        let mut records = RecordBuffer::default();
        let half = "a".repeat(MAX_RECORD_BYTES / 2);
        for _ in 0..4 {
            records.push(&format!("{half}{RECORD_SEPARATOR}"));
            assert_eq!(records.next_record().map(str::len), Some(half.len()));
        }
        assert!(!records.is_too_long());
        records.push(&half);
        records.push(&half);
        assert!(records.next_record().is_none() && !records.is_too_long());
        records.push("a");
        assert!(records.is_too_long());
    }

    #[test]
    fn a_long_result_is_passed_over_and_an_error_of_any_kind_is_one() {
        let read = |text: &str| -> (Option<u64>, Option<String>, usize) {
            let record: Record = serde_json::from_str(text).unwrap();
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
