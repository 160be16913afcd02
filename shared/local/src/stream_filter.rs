//! Filter patterns of event source mappings: nested members, lists of values of which one must fit, and `exists`.

use serde_json::Value;

/// Whether a record fits a pattern.
pub fn fits(pattern: &Value, record: &Value) -> bool {
    match pattern {
        Value::Object(members) => members.iter().all(|(name, inner)| match inner {
            Value::Array(any) => any.iter().any(|it| one(it, record.get(name))),
            nested => record.get(name).is_some_and(|it| fits(nested, it)),
        }),
        _ => false,
    }
}

/// Whether a pattern has only what [`fits`] knows.
pub fn check(pattern: &Value) -> Result<(), String> {
    let Value::Object(members) = pattern else { return Err("a pattern is an object".to_owned()) };
    for (name, inner) in members {
        match inner {
            Value::Object(_) => check(inner)?,
            Value::Array(any) => {
                for it in any {
                    match it {
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

fn one(wanted: &Value, there: Option<&Value>) -> bool {
    match wanted {
        Value::Object(rule) => {
            rule.get("exists").and_then(Value::as_bool) == Some(there.is_some_and(|it| !it.is_null()))
        }
        value => there == Some(value),
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
        assert!(fits(&pattern, &record("MODIFY", "item")));
        assert!(!fits(&pattern, &record("REMOVE", "item")));
        assert!(!fits(&pattern, &record("INSERT", "bucket")));
        assert!(!fits(&pattern, &json!({ "eventName": "INSERT", "dynamodb": {} })));
        let exists = json!({ "x": [{ "exists": true }] });
        assert!(fits(&exists, &json!({ "x": 1 })) && !fits(&exists, &json!({ "y": 1 })));
        assert!(check(&json!({ "x": [{ "prefix": "a" }] })).is_err());
    }
}
