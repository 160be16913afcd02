//! Digests as text.

use md5::{Digest, Md5};

/// Bytes in lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|it| format!("{it:02x}")).collect()
}

/// The MD5 digest that SQS returns for bodies and attributes (Amazon SQS, `MD5OfMessageBody`).
pub(crate) fn md5_hex(bytes: &[u8]) -> String {
    hex(&Md5::digest(bytes))
}
