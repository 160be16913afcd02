//! Members of the API's JSON.

use serde_json::Value;

/// The text of a member; empty if it is missing or no text.
pub(crate) fn text_member<'a>(object: &'a Value, name: &str) -> &'a str {
    object[name].as_str().unwrap_or_default()
}
