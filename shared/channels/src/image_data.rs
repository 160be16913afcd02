//! The rendered image that a notification is about, in its data.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// The data of a notification, with the image in `image.content`, if there is one.
pub(crate) fn with_image<'a>(data: &'a Value, image: Option<&[u8]>) -> Cow<'a, Value> {
    let Some(image) = image else { return Cow::Borrowed(data) };
    let mut data = data.clone();
    data["image"]["content"] = Value::String(STANDARD.encode(image));
    Cow::Owned(data)
}
