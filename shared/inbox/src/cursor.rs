//! Cursors: positions in streams as opaque tokens, the same on every transport (realtime, R-1).

use domain::notification::{MAX_SEQUENCE, Position, Stream};
use domain::{AppId, cursor};
use serde::{Deserialize, Serialize};

/// A position in a stream. It names the application and the stream, so that it is valid for no other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    app: AppId,
    stream: String,
    epoch: i64,
    sequence: u64,
}

/// Why a token is not accepted as a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CursorError {
    #[error(transparent)]
    Invalid(#[from] cursor::InvalidCursor),
    #[error("this is no cursor of this inbox")]
    OtherStream,
}

impl Cursor {
    /// The token of a position.
    pub fn encode(app: AppId, stream: &Stream, position: Position) -> String {
        cursor::encode(&Self { app, stream: stream.to_string(), epoch: position.epoch, sequence: position.sequence })
    }

    /// The position of a cursor of one stream.
    ///
    /// # Errors
    /// If the token is no cursor, or one of another stream.
    pub fn decode(token: &str, app: AppId, stream: &Stream) -> Result<Position, CursorError> {
        Self::decode_any(token, app, std::slice::from_ref(stream)).map(|it| it.1)
    }

    /// The stream and the position of a cursor of one of several streams.
    ///
    /// # Errors
    /// If the token is no cursor, or one of another stream.
    pub fn decode_any(token: &str, app: AppId, streams: &[Stream]) -> Result<(Stream, Position), CursorError> {
        let cursor: Self = cursor::decode(token)?;
        if cursor.sequence > MAX_SEQUENCE || cursor.epoch < 0 {
            return Err(cursor::InvalidCursor.into());
        }
        let stream = streams.iter().find(|stream| cursor.app == app && stream.to_string() == cursor.stream);
        let stream = stream.ok_or(CursorError::OtherStream)?;
        Ok((stream.clone(), Position { epoch: cursor.epoch, sequence: cursor.sequence }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_is_good_for_its_own_stream_alone(
            epoch in 0..i64::MAX, sequence in 0..=MAX_SEQUENCE, beyond in MAX_SEQUENCE + 1.., user in "[a-z]{1,5}", other in "[a-z]{1,5}", flip in 0_usize..200, junk in ".{0,80}",
        ) {
            let (app, other_app) = (AppId::random([1; 16]), AppId::random([2; 16]));
            let (stream, position) = (Stream::User(user.clone()), Position { epoch, sequence });
            let token = Cursor::encode(app, &stream, position);
            prop_assert_eq!(Cursor::decode(&token, app, &stream), Ok(position));
            let never = Cursor::encode(app, &stream, Position { epoch, sequence: beyond });
            prop_assert_eq!(Cursor::decode(&never, app, &stream), Err(CursorError::Invalid(cursor::InvalidCursor)));
            prop_assert_eq!(Cursor::decode(&token, other_app, &stream), Err(CursorError::OtherStream));
            prop_assert_eq!(Cursor::decode(&token, app, &Stream::Everyone), Err(CursorError::OtherStream));
            if other != user {
                prop_assert_eq!(Cursor::decode(&token, app, &Stream::User(other)), Err(CursorError::OtherStream));
            }
            // forged: whatever comes out is a position in the same stream, or nothing
            let mut forged = token.into_bytes();
            let at = flip % forged.len();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            if let Ok((found, _)) = Cursor::decode_any(&String::from_utf8(forged).unwrap(), app, std::slice::from_ref(&stream)) {
                prop_assert_eq!(found, stream.clone());
            }
            prop_assert!(Cursor::decode(&junk, app, &stream).is_err());
        }
    }
}
