//! Opaque pagination cursors.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A text that is not a cursor of this API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not a cursor from a previous response")]
pub struct InvalidCursor;

/// Encodes a position as base64url of its JSON.
pub fn encode<T: Serialize>(position: &T) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(position).unwrap_or_default())
}

/// Decodes a cursor.
pub fn decode<T: DeserializeOwned>(token: &str) -> Result<T, InvalidCursor> {
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| InvalidCursor)?;
    serde_json::from_slice(&bytes).map_err(|_| InvalidCursor)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn comes_back_as_it_went(segment in any::<String>(), entry in any::<usize>()) {
            prop_assert_eq!(decode::<(String, usize)>(&encode(&(&segment, entry))), Ok((segment, entry)));
        }

        #[test]
        fn refuses_everything_else(junk in ".{0,60}") {
            prop_assert!(decode::<(String, usize)>(&junk).is_err());
        }
    }
}
