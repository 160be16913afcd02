//! A request to an endpoint: its parameters, and the ids in its path.

use serde_json::{Map, Value, json};

use crate::error::ApiError;
use crate::form::{bracketed, elements};
use crate::version::ApiVersion;

/// Limits of metadata (Stripe, Metadata): keys, characters of a key, characters of a value.
const METADATA_LIMITS: (usize, usize, usize) = (50, 40, 500);

/// A request whose parameters are known to its endpoint. Parameters are named by JSON pointers, such as
/// `/invoice_settings/default_payment_method`.
#[derive(Debug)]
pub(crate) struct Request {
    /// The ids in the path, in their order.
    pub(crate) ids: Vec<String>,
    /// The decoded form.
    pub(crate) parameters: Value,
    /// The version that the answer is for.
    pub(crate) version: ApiVersion,
}

impl Request {
    /// The first id in the path; empty without one.
    pub(crate) fn id(&self) -> &str {
        self.ids.first().map_or("", String::as_str)
    }

    /// A parameter, or the object of nested ones.
    pub(crate) fn value(&self, pointer: &str) -> Option<&Value> {
        self.parameters.pointer(pointer)
    }

    /// A text. An empty one, which unsets what can be unset, is `Some`.
    pub(crate) fn text(&self, pointer: &str) -> Option<&str> {
        self.value(pointer).and_then(Value::as_str)
    }

    /// A text that is required and not empty.
    pub(crate) fn required(&self, pointer: &str) -> Result<&str, ApiError> {
        match self.text(pointer) {
            None => Err(ApiError::missing(&shown(pointer))),
            Some("") => Err(ApiError::invalid(&format!("You passed an empty string for '{}'.", shown(pointer)))
                .code("parameter_invalid_empty")
                .param(&shown(pointer))),
            Some(text) => Ok(text),
        }
    }

    /// An integer.
    pub(crate) fn integer(&self, pointer: &str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.text(pointer) else { return Ok(None) };
        let invalid = || ApiError::invalid(&format!("Invalid integer: {text}")).code("parameter_invalid_integer");
        text.parse::<i64>().map(Some).map_err(|_| invalid().param(&shown(pointer)))
    }

    /// An integer between two bounds, both included.
    pub(crate) fn integer_in(&self, pointer: &str, min: i64, max: i64) -> Result<Option<i64>, ApiError> {
        let number = self.integer(pointer)?;
        if number.is_some_and(|it| !(min..=max).contains(&it)) {
            let message = format!("This value must be between {min} and {max}.");
            return Err(ApiError::invalid(&message).code("parameter_invalid_integer").param(&shown(pointer)));
        }
        Ok(number)
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&self, pointer: &str) -> Result<Option<bool>, ApiError> {
        match self.text(pointer) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(text) => Err(ApiError::invalid(&format!("Invalid boolean: {text}")).param(&shown(pointer))),
        }
    }

    /// One of some texts.
    pub(crate) fn choice(&self, pointer: &str, choices: &[&str]) -> Result<Option<&str>, ApiError> {
        let text = self.text(pointer);
        if text.is_some_and(|it| !choices.contains(&it)) {
            let message = format!("Invalid {}: must be one of {}", shown(pointer), choices.join(", "));
            return Err(ApiError::invalid(&message).param(&shown(pointer)));
        }
        Ok(text)
    }

    /// The texts of a list; none without it.
    pub(crate) fn texts(&self, pointer: &str) -> Vec<&str> {
        let all = self.value(pointer).map(elements).unwrap_or_default();
        all.into_iter().filter_map(|(_, element)| element.as_str()).collect()
    }

    /// Metadata with the changes of `metadata`: an empty value removes a key, an empty `metadata` all of them.
    pub(crate) fn merged_metadata(&self, stored: &Value) -> Result<Value, ApiError> {
        let (max_keys, max_key, max_value) = METADATA_LIMITS;
        let mut metadata: Map<String, Value> = stored.as_object().cloned().unwrap_or_default();
        match self.value("/metadata") {
            Some(Value::Object(changes)) => {
                for (key, value) in changes {
                    let Some(text) = value.as_str() else {
                        return Err(ApiError::unknown(&bracketed(&["metadata", key.as_str()])));
                    };
                    let too_long = key.chars().count() > max_key || text.chars().count() > max_value;
                    if too_long {
                        let message = format!(
                            "Metadata keys have up to {max_key} characters, and their values up to {max_value}: '{key}' has more."
                        );
                        return Err(ApiError::invalid(&message).param("metadata"));
                    }
                    if text.is_empty() {
                        metadata.remove(key);
                    } else {
                        metadata.insert(key.clone(), value.clone());
                    }
                }
            }
            Some(Value::String(text)) if text.is_empty() => return Ok(json!({})),
            _ => {}
        }
        if metadata.len() > max_keys {
            return Err(ApiError::invalid(&format!("Metadata has up to {max_keys} keys.")).param("metadata"));
        }
        Ok(Value::Object(metadata))
    }
}

/// The name of a parameter as a form has it.
pub(crate) fn shown(pointer: &str) -> String {
    bracketed(&pointer.split('/').skip(1).collect::<Vec<&str>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form::decode;

    fn request(form: &str) -> Request {
        Request { ids: Vec::new(), parameters: decode(form), version: ApiVersion::latest() }
    }

    #[test]
    fn parameters_are_read_as_their_kinds() {
        let read = request("a=7&b=true&c=x&d[e]=&f[]=1&f[]=2");
        assert_eq!(
            (read.integer("/a"), read.boolean("/b"), read.text("/d/e")),
            (Ok(Some(7)), Ok(Some(true)), Some(""))
        );
        assert_eq!((read.texts("/f"), read.texts("/g")), (vec!["1", "2"], Vec::new()));
        assert_eq!((read.integer("/g"), read.boolean("/g"), read.choice("/g", &[])), (Ok(None), Ok(None), Ok(None)));
        let code = |error: ApiError| error.error["code"].as_str().unwrap_or_default().to_owned();
        assert_eq!(code(read.integer("/c").unwrap_err()), "parameter_invalid_integer");
        assert_eq!(code(read.integer_in("/a", 1, 6).unwrap_err()), "parameter_invalid_integer");
        assert_eq!(code(read.required("/g").unwrap_err()), "parameter_missing");
        let empty = read.required("/d/e").unwrap_err();
        assert_eq!(
            (empty.error["param"].as_str(), code(empty.clone()).as_str()),
            (Some("d[e]"), "parameter_invalid_empty")
        );
        assert!(read.boolean("/c").is_err() && read.choice("/c", &["y", "z"]).is_err());
    }

    #[test]
    fn metadata_is_merged_and_bounded() {
        let stored = json!({ "a": "1", "b": "2" });
        let merged = |form: &str| request(form).merged_metadata(&stored);
        assert_eq!(merged("metadata[a]=3&metadata[b]=&metadata[c]=4"), Ok(json!({ "a": "3", "c": "4" })));
        assert_eq!((merged(""), merged("metadata=")), (Ok(stored.clone()), Ok(json!({}))));
        let value = |length: usize| merged(&format!("metadata[a]={}", "x".repeat(length)));
        assert!(value(500).is_ok() && value(501).is_err());
        let key = |length: usize| merged(&format!("metadata[{}]=x", "k".repeat(length)));
        assert!(key(40).is_ok() && key(41).is_err());
        let many = |count: usize| merged(&(0..count).map(|it| format!("metadata[k{it}]=x&")).collect::<String>());
        assert!(many(48).is_ok() && many(49).is_err());
    }
}
