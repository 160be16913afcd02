//! The part of a file that a request asks for (RFC 9110, section 14).

/// What a `Range` header asks for of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeRequest {
    /// All of it: there is no such header, or it asks for what we do not serve (other units, several parts), and is ignored.
    Whole,
    /// The bytes from `first` to `last`, both included. `last` may be before what was asked for.
    Part { first: u64, last: u64 },
    /// Bytes that there are not.
    Unsatisfiable,
}

/// Reads a `Range` header for a file of `size` bytes. A part has at most `longest` bytes: whoever wants more asks again.
pub fn parse(header: Option<&str>, size: u64, longest: u64) -> RangeRequest {
    let Some((unit, range)) = header.and_then(|it| it.split_once('=')) else { return RangeRequest::Whole };
    let Some((first, last)) = range.trim().split_once('-').filter(|_| unit.trim().eq_ignore_ascii_case("bytes")) else {
        return RangeRequest::Whole;
    };
    // digits alone, and a number that is too large is as good as the largest
    let number = |text: &str| match text.parse::<u64>() {
        Ok(number) => Some(number),
        Err(_) => text.bytes().all(|it| it.is_ascii_digit()).then_some(u64::MAX),
    };
    let is_number = |it: &str| it.bytes().next().is_some_and(|it| it.is_ascii_digit());
    let (first, last) = match (is_number(first), is_number(last)) {
        (true, true) => (number(first), number(last)),
        (true, false) if last.is_empty() => (number(first), Some(u64::MAX)),
        // so many of the last bytes; of none there are none
        (false, true) if first.is_empty() => match number(last) {
            Some(0) => (Some(size), Some(u64::MAX)),
            count => (count.map(|it| size.saturating_sub(it)), Some(u64::MAX)),
        },
        _ => (None, None),
    };
    match (first, last) {
        (Some(first), Some(last)) if first > last => RangeRequest::Whole, // it is not valid
        (Some(first), Some(_)) if first >= size => RangeRequest::Unsatisfiable,
        (Some(first), Some(last)) => {
            let last = last.min(size - 1).min(first.saturating_add(longest.max(1) - 1));
            RangeRequest::Part { first, last }
        }
        _ => RangeRequest::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use RangeRequest::{Part, Unsatisfiable, Whole};

    #[test]
    fn a_part_is_what_was_asked_for_as_far_as_it_goes() {
        for (header, want) in [
            (None, Whole),
            (Some("bytes=0-"), Part { first: 0, last: 9 }),
            (Some("bytes=0-4"), Part { first: 0, last: 4 }),
            (Some("Bytes = 5-5"), Part { first: 5, last: 5 }),
            (Some("bytes=90-99999999999999999999999"), Part { first: 90, last: 99 }),
            (Some("bytes=95-"), Part { first: 95, last: 99 }),
            (Some("bytes=-3"), Part { first: 97, last: 99 }),
            (Some("bytes=-1000"), Part { first: 0, last: 9 }),
            (Some("bytes=-0"), Unsatisfiable),
            (Some("bytes=100-"), Unsatisfiable),
            (Some("bytes=99999999999999999999999-"), Unsatisfiable),
            (Some("bytes=5-4"), Whole),
            (Some("bytes=-"), Whole),
            (Some("bytes=a-b"), Whole),
            (Some("bytes=+1-2"), Whole),
            (Some("bytes=1-2x"), Whole),
            (Some("bytes=0-1,3-4"), Whole),
            (Some("items=0-4"), Whole),
            (Some("bytes"), Whole),
            (Some(""), Whole),
        ] {
            assert_eq!(parse(header, 100, 10), want, "{header:?}");
        }
        for header in ["bytes=0-", "bytes=-1", "bytes=0-0"] {
            assert_eq!(parse(Some(header), 0, 10), Unsatisfiable, "{header}");
        }
        assert_eq!(parse(Some("bytes=0-"), u64::MAX, u64::MAX), Part { first: 0, last: u64::MAX - 1 });
    }
}
