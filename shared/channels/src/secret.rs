//! Signing secrets: `whsec_` and base64 of 24 to 64 bytes (Standard Webhooks).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The text is not a signing secret.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a signing secret is `whsec_` and 24 to 64 bytes in base64")]
pub struct InvalidSecret;

/// The text form of a key, as customers see it: `whsec_…`.
pub fn encode(key: &[u8]) -> String {
    format!("whsec_{}", STANDARD.encode(key))
}

/// The bytes of a key, from its text form.
///
/// # Errors
/// Another prefix, invalid base64, or a length outside 24 to 64 bytes.
pub fn decode(text: &str) -> Result<Vec<u8>, InvalidSecret> {
    let encoded = text.strip_prefix("whsec_").ok_or(InvalidSecret)?;
    let key = STANDARD.decode(encoded).map_err(|_| InvalidSecret)?;
    if (24..=64).contains(&key.len()) { Ok(key) } else { Err(InvalidSecret) }
}
