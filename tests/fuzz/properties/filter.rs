//! Event patterns: what is accepted is stored as it is, and matches what a plain reading of the rules matches.

use domain::filter::Filter;
use domain::notification::{Notification, NotificationId, Stream};
use serde_json::{Value, json};
use time::OffsetDateTime;

/// The input is two JSON values, one after the other: a pattern, and the data of a notification.
pub fn check(input: &[u8]) {
    let mut values = serde_json::Deserializer::from_slice(input).into_iter::<Value>();
    let Some(Ok(pattern)) = values.next() else { return };
    let Ok(filter) = Filter::try_from(pattern.clone()) else { return };
    assert!(pattern.to_string().len() <= 4_096);
    assert_eq!(Value::from(filter.clone()), pattern);
    let stored = serde_json::to_string(&filter).expect("a filter is JSON");
    assert_eq!(
        serde_json::from_str::<Filter>(&stored).ok().as_ref(),
        Some(&filter),
        "it is read back as it was stored"
    );
    let notification = Notification {
        id: NotificationId { stream: Stream::App, epoch: 1, sequence: 1 },
        kind: "item.completed".to_owned(),
        timestamp: OffsetDateTime::UNIX_EPOCH,
        data: values.next().and_then(Result::ok).unwrap_or_default(),
        attributes: None,
        trace: None,
    };
    let whole = json!({ "id": notification.id, "type": notification.kind, "data": notification.data });
    assert_eq!(filter.matches(&notification), object_matches(&pattern, Some(&whole)), "{pattern} {whole}");
}

/// The rules of EventBridge's "Comparison operators", read field by field.
fn object_matches(pattern: &Value, value: Option<&Value>) -> bool {
    pattern.as_object().into_iter().flatten().all(|(name, expected)| {
        let field = value.and_then(Value::as_object).and_then(|fields| fields.get(name));
        match expected.as_array() {
            None => object_matches(expected, field),
            Some(matchers) => matchers.iter().any(|matcher| field_matches(matcher, field)),
        }
    })
}

fn field_matches(matcher: &Value, field: Option<&Value>) -> bool {
    if let Some(exists) = matcher.get("exists") {
        return field.is_some() == (*exists == true);
    }
    let values = match field {
        None => return false,
        Some(Value::Array(all)) => all.iter().collect(),
        Some(one) => vec![one],
    };
    values.into_iter().any(|value| value_matches(matcher, value))
}

fn value_matches(matcher: &Value, value: &Value) -> bool {
    let text = |text: &Value, affix: fn(&str, &str) -> bool| matches!((value, text), (Value::String(value), Value::String(text)) if affix(value, text));
    if let Some(prefix) = matcher.get("prefix") {
        return text(prefix, |value, prefix| value.as_bytes().starts_with(prefix.as_bytes()));
    }
    if let Some(suffix) = matcher.get("suffix") {
        return text(suffix, |value, suffix| value.as_bytes().ends_with(suffix.as_bytes()));
    }
    if let Some(excluded) = matcher.get("anything-but") {
        return match excluded {
            Value::Array(all) => all.iter().all(|it| it != value),
            one => one != value,
        };
    }
    if let Some(Value::Array(comparisons)) = matcher.get("numeric") {
        let Some(number) = value.as_f64() else { return false };
        return comparisons.chunks(2).all(|pair| {
            let bound = pair[1].as_f64().unwrap_or(f64::NAN);
            let order = number.partial_cmp(&bound);
            match pair[0].as_str() {
                Some("<") => order.is_some_and(|it| it.is_lt()),
                Some("<=") => order.is_some_and(|it| it.is_le()),
                Some(">") => order.is_some_and(|it| it.is_gt()),
                Some(">=") => order.is_some_and(|it| it.is_ge()),
                _ => order.is_some_and(|it| it.is_eq()),
            }
        });
    }
    matcher == value
}
