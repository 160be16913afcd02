//! Where a request stands in its caller's trace (W3C Trace Context, <https://www.w3.org/TR/trace-context/>). It is passed on to
//! the receivers of what the request publishes. No spans are recorded here, so it is passed on as it came.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

/// The length of a `traceparent` of version 00 (section 3.2.2).
const PARENT_LENGTH: usize = 55;
/// The flags that have a meaning: `sampled`, and `random` of level 2. Others are set to zero (section 3.2.2.5).
const KNOWN_FLAGS: u8 = 0b11;
/// The most characters of `tracestate` that are passed on: those that everybody should (section 3.3.1.5).
const MAX_STATE_LENGTH: usize = 512;
/// The number of members of a `tracestate` (section 3.3.1.1).
const STATE_MEMBERS: RangeInclusive<usize> = 1..=32;
/// The most characters of a key and of a value of a member (section 3.3.1.3).
const MAX_MEMBER_LENGTH: usize = 256;

/// A valid `traceparent`, and the `tracestate` that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceContext {
    parent: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    state: Option<String>,
}

impl TraceContext {
    /// Reads the values of a request's headers. `None` if `traceparent` is not valid; a `tracestate` that is not valid, or too
    /// long, is left out.
    pub fn read(traceparent: &str, tracestate: &str) -> Option<Self> {
        let state = Some(tracestate.trim()).filter(|it| is_state(it)).map(str::to_owned);
        Some(Self { parent: read_parent(traceparent)?, state })
    }

    /// The headers that pass it on, by their names.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let state = self.state.as_deref().map(|it| ("tracestate", it));
        std::iter::once(("traceparent", self.parent.as_str())).chain(state)
    }
}

/// A `traceparent` in version 00, the only one that there is. A later version begins with the same fields, which alone are
/// passed on (section 3.2.4).
fn read_parent(text: &str) -> Option<String> {
    let (known, rest) = text.split_at_checked(PARENT_LENGTH)?;
    let [version, trace, parent, flags]: [&str; 4] = known.split('-').collect::<Vec<_>>().try_into().ok()?;
    let is_id = |it: &str, length: usize| is_hex(it, length) && it.bytes().any(|digit| digit != b'0');
    let is_whole = rest.is_empty() || version != "00" && rest.starts_with('-');
    let is_valid =
        is_hex(version, 2) && version != "ff" && is_id(trace, 32) && is_id(parent, 16) && is_hex(flags, 2) && is_whole;
    let flags = u8::from_str_radix(flags, 16).ok()? & KNOWN_FLAGS;
    is_valid.then(|| format!("00-{trace}-{parent}-{flags:02x}"))
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether a text is a list of members, among which empty ones may be (section 3.3.1.1).
fn is_state(text: &str) -> bool {
    let mut members = text.split(',').map(|it| it.trim_matches([' ', '\t'])).filter(|it| !it.is_empty());
    text.len() <= MAX_STATE_LENGTH && STATE_MEMBERS.contains(&members.clone().count()) && members.all(is_state_member)
}

fn is_state_member(text: &str) -> bool {
    let Some((key, value)) = text.split_once('=') else { return false };
    let begins_well = key.starts_with(|it: char| it.is_ascii_lowercase() || it.is_ascii_digit());
    let in_key = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || b"_-*/@".contains(&it);
    let in_value = |it: u8| matches!(it, b' '..=b'~') && it != b'=';
    let is_short = [key, value].iter().all(|it| (1..=MAX_MEMBER_LENGTH).contains(&it.len()));
    begins_well && is_short && key.bytes().all(in_key) && value.bytes().all(in_value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[track_caller]
    fn check_parent(text: &str, want: Option<&str>) {
        assert_eq!(read_parent(text).as_deref(), want, "{text}");
    }

    #[test]
    fn a_parent_is_passed_on_and_what_is_none_is_dropped() {
        check_parent(PARENT, Some(PARENT));
        let later = PARENT.replacen("00", "01", 1);
        check_parent(&later, Some(PARENT));
        check_parent(&format!("{later}-what-comes-later"), Some(PARENT));
        check_parent(&format!("{}fd", &PARENT[..53]), Some(PARENT));
        check_parent("", None);
        check_parent(&PARENT[..54], None);
        check_parent(&format!("{PARENT}-more"), None);
        check_parent(&format!("{later}more"), None);
        check_parent(&format!("{PARENT},{PARENT}"), None);
        check_parent(&PARENT.replacen("00", "ff", 1), None);
        check_parent(&PARENT.to_uppercase(), None);
        check_parent(&PARENT.replace('-', "_"), None);
        check_parent(&PARENT.replace("b7ad6b7169203331", "0000000000000000"), None);
        check_parent(&PARENT.replace("0af7651916cd43dd8448eb211c80319c", "00000000000000000000000000000000"), None);
        check_parent(&PARENT.replace("0af", "\r\nx"), None);
        check_parent(&PARENT.replace("af", "é"), None);
    }

    #[track_caller]
    fn check_state(text: &str, is_valid: bool) {
        let context = TraceContext::read(PARENT, text).unwrap();
        assert_eq!(context.state.is_some(), is_valid, "{text}");
        assert_eq!(context.headers().next(), Some(("traceparent", PARENT)), "the parent goes on all the same");
    }

    #[test]
    fn a_state_that_is_not_valid_is_left_out() {
        check_state("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", true);
        check_state("tenant@system=1 2 , ,\tb=c", true);
        let longest = format!("a={},b={}", "x".repeat(256), "x".repeat(251));
        check_state(&longest, true);
        check_state(&format!("{longest}x"), false);
        check_state("", false);
        check_state(" , ", false);
        check_state("rojo", false);
        check_state("Rojo=1", false);
        check_state("rojo=", false);
        check_state("rojo=a=b", false);
        check_state("rojo=a\r\nx-evil: 1", false);
        check_state("rojo=é", false);
        check_state(&["a=1"; 32].join(","), true);
        check_state(&["a=1"; 33].join(","), false);
        assert_eq!(TraceContext::read("", "rojo=1"), None);
    }

    proptest! {
        #[test]
        fn what_is_passed_on_is_one_line_of_a_header(
            parent in "(00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2})?\\PC{0,9}", state in ".{0,40}",
        ) {
            for (_, value) in TraceContext::read(&parent, &state).iter().flat_map(TraceContext::headers) {
                let in_a_line = |it: u8| matches!(it, b'\t' | b' '..=b'~');
                prop_assert!(value.len() <= MAX_STATE_LENGTH && value.bytes().all(in_a_line));
            }
        }
    }
}
