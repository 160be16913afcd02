//! How stored objects look in a version of the API.

use serde_json::{Map, Value, json};

use crate::json::{elements, is_own, text};
use crate::version::{ApiVersion, BASIL};

/// An object, or a list of objects, as a version shows it.
pub(crate) fn render(value: &Value, version: &ApiVersion) -> Value {
    let mut members: Map<String, Value> = match value.as_object() {
        Some(members) => members.iter().filter(|it| !is_own(it.0)).map(|it| (it.0.clone(), it.1.clone())).collect(),
        None => return value.clone(),
    };
    match text(&value["object"]) {
        "list" => {
            let rendered = elements(value).iter().map(|it| render(it, version)).collect();
            members.insert("data".to_owned(), rendered);
        }
        "event" => {
            let mut data = value["data"].clone();
            data["object"] = render(&value["data"]["object"], version);
            members.insert("data".to_owned(), data);
        }
        "subscription" if version.is_before(BASIL) => lift_periods(&mut members),
        "invoice" if version.is_before(BASIL) => flatten_invoice(value, &mut members),
        _ => {}
    }
    Value::Object(members)
}

/// Before Basil the period is the subscription's, and not that of its items: from the first start to the first end.
fn lift_periods(members: &mut Map<String, Value>) {
    for name in ["current_period_start", "current_period_end"] {
        let items = members.get("items").map(elements).unwrap_or_default();
        let smallest = items.iter().filter_map(|it| it[name].as_i64()).min();
        members.insert(name.to_owned(), json!(smallest));
    }
    for item in members.get_mut("items").and_then(|it| it["data"].as_array_mut()).into_iter().flatten() {
        if let Some(item) = item.as_object_mut() {
            item.retain(|name, _| !name.starts_with("current_period_"));
        }
    }
}

/// Before Basil an invoice names its subscription and its payment itself.
fn flatten_invoice(invoice: &Value, members: &mut Map<String, Value>) {
    members.insert("subscription".to_owned(), invoice["parent"]["subscription_details"]["subscription"].clone());
    members.insert("payment_intent".to_owned(), invoice["_payment_intent"].clone());
    members.insert("paid".to_owned(), json!(invoice["status"] == "paid"));
    members.remove("parent");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_where_the_version_has_them() {
        let item = json!({ "object": "subscription_item", "current_period_start": 1, "current_period_end": 2 });
        let subscription = json!({
            "object": "subscription", "_silent": true, "items": { "object": "list", "data": [item] },
        });
        let seen = |version: &str| render(&subscription, &ApiVersion::parse(version).unwrap());
        let latest = seen("2026-10-28.endive");
        assert_eq!(latest["items"]["data"][0]["current_period_end"], 2);
        assert!(latest.get("current_period_end").is_none() && latest.get("_silent").is_none(), "{latest}");
        let old = seen("2024-06-20");
        assert_eq!((&old["current_period_start"], &old["current_period_end"]), (&json!(1), &json!(2)));
        assert_eq!(old["items"]["data"][0], json!({ "object": "subscription_item" }));
    }

    #[test]
    fn what_a_list_or_an_event_holds_is_shown_in_the_version_too() {
        let invoice = json!({
            "object": "invoice", "status": "paid", "_payment_intent": "pi_1",
            "parent": { "subscription_details": { "subscription": "sub_1" } },
        });
        let old = ApiVersion::parse("2024-06-20").unwrap();
        let want = json!({ "object": "invoice", "status": "paid", "payment_intent": "pi_1", "subscription": "sub_1", "paid": true });
        assert_eq!(render(&json!({ "object": "list", "data": [invoice] }), &old)["data"][0], want);
        let event = json!({ "object": "event", "_customer": "c", "data": { "object": invoice, "previous_attributes": { "a": 1 } } });
        let shown = json!({ "object": "event", "data": { "object": want, "previous_attributes": { "a": 1 } } });
        assert_eq!(render(&event, &old), shown);
        let latest = render(&invoice, &ApiVersion::latest());
        assert!(latest.get("paid").is_none() && latest["parent"].is_object(), "{latest}");
    }
}
