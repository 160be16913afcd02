//! Places in streams, as tokens: the same on every transport (realtime, R-1).

use domain::notification::{MOST_SEQUENCE, Place, Stream};
use domain::{AppId, cursor};
use serde::{Deserialize, Serialize};

/// A place in a stream. It names whose it is, so that it is good for no other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    app: AppId,
    stream: String,
    epoch: i64,
    sequence: u64,
}

/// Why a token is no cursor here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WrongCursor {
    #[error(transparent)]
    NotACursor(#[from] cursor::NotACursor),
    #[error("this is no cursor of this inbox")]
    Foreign,
}

impl Cursor {
    /// Writes a place as a token.
    pub fn at(app: AppId, stream: &Stream, place: Place) -> String {
        cursor::write(&Self { app, stream: stream.to_string(), epoch: place.epoch, sequence: place.sequence })
    }

    /// Reads a cursor of one stream; another's is none.
    pub fn read(token: &str, app: AppId, stream: &Stream) -> Result<Place, WrongCursor> {
        Self::among(token, app, std::slice::from_ref(stream)).map(|it| it.1)
    }

    /// Reads a cursor of one of some streams; answers which.
    pub fn among(token: &str, app: AppId, streams: &[Stream]) -> Result<(Stream, Place), WrongCursor> {
        let it: Self = cursor::read(token)?;
        if it.sequence > MOST_SEQUENCE || it.epoch < 0 {
            return Err(cursor::NotACursor.into());
        }
        let stream = streams.iter().find(|stream| it.app == app && stream.to_string() == it.stream);
        let stream = stream.ok_or(WrongCursor::Foreign)?;
        Ok((stream.clone(), Place { epoch: it.epoch, sequence: it.sequence }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_is_good_for_its_own_stream_alone(
            epoch in 0..i64::MAX, sequence in 0..=MOST_SEQUENCE, beyond in MOST_SEQUENCE + 1.., user in "[a-z]{1,5}", other in "[a-z]{1,5}", flip in 0_usize..200, junk in ".{0,80}",
        ) {
            let (app, stranger) = (AppId::random([1; 16]), AppId::random([2; 16]));
            let (stream, place) = (Stream::User(user.clone()), Place { epoch, sequence });
            let token = Cursor::at(app, &stream, place);
            prop_assert_eq!(Cursor::read(&token, app, &stream), Ok(place));
            let never = Cursor::at(app, &stream, Place { epoch, sequence: beyond });
            prop_assert_eq!(Cursor::read(&never, app, &stream), Err(WrongCursor::NotACursor(cursor::NotACursor)));
            prop_assert_eq!(Cursor::read(&token, stranger, &stream), Err(WrongCursor::Foreign));
            prop_assert_eq!(Cursor::read(&token, app, &Stream::Everyone), Err(WrongCursor::Foreign));
            if other != user {
                prop_assert_eq!(Cursor::read(&token, app, &Stream::User(other)), Err(WrongCursor::Foreign));
            }
            // forged: whatever comes out is a place in the same stream, or nothing
            let mut forged = token.into_bytes();
            let at = flip % forged.len();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            if let Ok((found, _)) = Cursor::among(&String::from_utf8(forged).unwrap(), app, std::slice::from_ref(&stream)) {
                prop_assert_eq!(found, stream.clone());
            }
            prop_assert!(Cursor::read(&junk, app, &stream).is_err());
        }
    }
}
