//! Members of stored objects, which are JSON as Stripe shows it. A member that begins with `_` is the emulator's own.

use serde_json::{Map, Value};

/// The text of a string; empty for anything else.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The number of an integer; 0 for anything else.
pub(crate) fn integer(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

/// Whether a value is `true`.
pub(crate) fn is_true(value: &Value) -> bool {
    value.as_bool().unwrap_or_default()
}

/// The elements of an array, or of a list object (`data`).
pub(crate) fn elements(value: &Value) -> &[Value] {
    value.as_array().or_else(|| value["data"].as_array()).map_or(&[][..], Vec::as_slice)
}

/// Whether a member is the emulator's own, and is shown to nobody.
pub(crate) fn is_own(name: &str) -> bool {
    name.starts_with('_')
}

/// The members of `old` that are different in `new`, with their old values (an event's `previous_attributes`).
pub(crate) fn changed_members(old: &Value, new: &Value) -> Map<String, Value> {
    let (old, new) = (old.as_object().cloned().unwrap_or_default(), new.as_object().cloned().unwrap_or_default());
    let names = old.keys().chain(new.keys().filter(|it| !old.contains_key(*it)));
    let changed = names.filter(|it| old.get(*it) != new.get(*it) && !is_own(it));
    changed.map(|it| (it.clone(), old.get(it).cloned().unwrap_or_default())).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_changed_is_named_with_its_old_value() {
        let changed = changed_members(&json!({ "a": 1, "b": 2, "_c": 1 }), &json!({ "a": 1, "b": 3, "d": 4, "_c": 2 }));
        assert_eq!(Value::Object(changed), json!({ "b": 2, "d": null }));
    }
}
