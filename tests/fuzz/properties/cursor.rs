//! Cursors and ids, as URLs and messages hold them: what decodes encodes to the same text.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::notification::{MAX_SEQUENCE, NotificationId, Stream};
use domain::{AppId, BucketId, ChannelId, ItemId};
use inbox::Cursor;

use super::{app, streams};

/// The input is a text, and what a token says as well.
pub fn check(input: &[u8]) {
    if let Ok(text) = std::str::from_utf8(input) {
        ids(text);
        token(text);
    }
    token(&URL_SAFE_NO_PAD.encode(input));
}

fn token(text: &str) {
    if let Ok((stream, position)) = Cursor::decode_any(text, app(), &streams()) {
        assert_eq!(Cursor::encode(app(), &stream, position), text);
        assert!(position.sequence <= MAX_SEQUENCE && position.epoch >= 0 && streams().contains(&stream));
    }
    if let Ok(position) = domain::cursor::decode::<(String, u64)>(text) {
        assert_eq!(domain::cursor::encode(&position), text);
    }
    ids(&format!("ntf_{text}_1_1"));
}

fn ids(text: &str) {
    if let Ok(id) = text.parse::<NotificationId>() {
        assert_eq!(id.to_string(), text);
        assert!(id.sequence <= MAX_SEQUENCE && !text.contains('.'));
        let stored = serde_json::to_string(&id).expect("an id is a text");
        assert_eq!(serde_json::from_str::<NotificationId>(&stored).ok(), Some(id));
    }
    if let Ok(stream) = text.parse::<Stream>() {
        assert_eq!(stream.to_string(), text);
    }
    if let Ok(id) = text.parse::<ItemId>() {
        assert_eq!(id.to_string(), text);
        assert!(text.parse::<BucketId>().is_err() && text.parse::<ChannelId>().is_err());
    }
    // a GUID is read in each of its forms, and written in one
    if let Ok(id) = text.parse::<AppId>() {
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(text.parse::<ChannelId>().map(|it| it.to_string()), Ok(id.to_string()));
    }
}
