//! Filter patterns of event source mappings: nested members, lists of values of which one must match, and `exists` (AWS
//! Lambda, event filtering).

use serde_json::Value;

/// Whether a record matches a pattern.
pub fn matches_pattern(pattern: &Value, record: &Value) -> bool {
    match pattern {
        Value::Object(members) => members.iter().all(|(name, inner)| match inner {
            Value::Array(rules) => rules.iter().any(|it| matches_rule(it, record.get(name))),
            nested => record.get(name).is_some_and(|it| matches_pattern(nested, it)),
        }),
        _ => false,
    }
}

/// Whether a pattern has only rules that [`matches_pattern`] knows.
pub fn validate_pattern(pattern: &Value) -> Result<(), String> {
    let Value::Object(members) = pattern else { return Err("a pattern is an object".to_owned()) };
    for (name, inner) in members {
        match inner {
            Value::Object(_) => validate_pattern(inner)?,
            Value::Array(rules) => {
                for rule in rules {
                    match rule {
                        Value::Object(rule) => {
                            if let Some(other) = rule.keys().find(|it| *it != "exists") {
                                return Err(format!("the filter rule `{other}` is not known to the local stack"));
                            }
                        }
                        Value::Array(_) => return Err(format!("`{name}` holds a list in a list")),
                        _ => {}
                    }
                }
            }
            _ => return Err(format!("`{name}` must be an object or a list")),
        }
    }
    Ok(())
}

fn matches_rule(rule: &Value, value: Option<&Value>) -> bool {
    match rule {
        Value::Object(rule) => {
            rule.get("exists").and_then(Value::as_bool) == Some(value.is_some_and(|it| !it.is_null()))
        }
        literal => value == Some(literal),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_member_and_any_value_must_fit() {
        let pattern =
            json!({ "eventName": ["INSERT", "MODIFY"], "dynamodb": { "NewImage": { "kind": { "S": ["item"] } } } });
        let record = |event: &str, kind: &str| json!({ "eventName": event, "dynamodb": { "NewImage": { "kind": { "S": kind } } } });
        assert!(matches_pattern(&pattern, &record("MODIFY", "item")));
        assert!(!matches_pattern(&pattern, &record("REMOVE", "item")));
        assert!(!matches_pattern(&pattern, &record("INSERT", "bucket")));
        assert!(!matches_pattern(&pattern, &json!({ "eventName": "INSERT", "dynamodb": {} })));
        let exists = json!({ "x": [{ "exists": true }] });
        assert!(matches_pattern(&exists, &json!({ "x": 1 })) && !matches_pattern(&exists, &json!({ "y": 1 })));
        assert!(validate_pattern(&json!({ "x": [{ "prefix": "a" }] })).is_err());
    }
}
