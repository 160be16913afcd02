//! Opaque pagination cursors. A position has one text: what decodes encodes to the same text.

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

/// Decodes a cursor. Only the text that [`encode`] makes is one: JSON with white space, members in another order or members
/// of its own says the same in other words.
///
/// # Errors
/// If the text is none that `encode` makes of a position.
pub fn decode<T: Serialize + DeserializeOwned>(token: &str) -> Result<T, InvalidCursor> {
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| InvalidCursor)?;
    let position = serde_json::from_slice(&bytes).map_err(|_| InvalidCursor)?;
    if encode(&position) == token { Ok(position) } else { Err(InvalidCursor) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_position_has_one_text() {
        let decoded = |json: &str| decode::<(String, usize)>(&URL_SAFE_NO_PAD.encode(json));
        assert_eq!(decoded("[\"a\",1]"), Ok(("a".to_owned(), 1)));
        for other in ["[\"a\", 1]", "[\"\\u0061\",1]", " [\"a\",1]", "[\"a\",1]\n"] {
            assert_eq!(decoded(other), Err(InvalidCursor), "{other}");
        }
    }

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
