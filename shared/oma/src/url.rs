//! Variables of URLs.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// All characters but the unreserved ones are encoded in a URL's variables (NC 6, NMS 6; RFC 3986, section 2.3).
const VARIABLE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A text as a variable of a URL.
pub fn encoded(variable: &str) -> String {
    utf8_percent_encode(variable, VARIABLE).to_string()
}
