//! `expand[]`: ids that become the objects that they name.

use serde_json::{Value, json};

use crate::account::Account;
use crate::error::ApiError;
use crate::json::text;
use crate::render::render;
use crate::version::ApiVersion;

/// Levels that can be expanded (Stripe, Expanding responses).
const MAX_DEPTH: usize = 4;
/// The kinds of objects whose ids can be expanded, by the beginning of their ids.
const KINDS: [(&str, &str); 8] = [
    ("cus_", "customer"),
    ("pm_", "payment_method"),
    ("sub_", "subscription"),
    ("in_", "invoice"),
    ("pi_", "payment_intent"),
    ("ch_", "charge"),
    ("price_", "price"),
    ("prod_", "product"),
];

/// Expands the members that the paths name.
///
/// # Errors
/// If a path leads to nothing that can be expanded.
pub(crate) fn expand(
    account: &Account,
    version: &ApiVersion,
    answer: &mut Value,
    paths: &[&str],
) -> Result<(), ApiError> {
    for path in paths {
        let segments: Vec<&str> = path.split('.').collect();
        if segments.len() > MAX_DEPTH {
            let message = format!("You cannot expand more than {MAX_DEPTH} levels of a property. Property: {path}.");
            return Err(ApiError::invalid(&message).param("expand"));
        }
        if !expand_member(account, version, answer, &segments) {
            return Err(ApiError::invalid(&format!("This property cannot be expanded ({path}).")).param("expand"));
        }
    }
    Ok(())
}

/// Expands a member of an object, and what the path names below it. Answers whether that could be done.
fn expand_member(account: &Account, version: &ApiVersion, object: &mut Value, segments: &[&str]) -> bool {
    let Some((name, rest)) = segments.split_first() else { return true };
    if let Some(elements) = object.as_array_mut() {
        return elements.iter_mut().all(|it| expand_member(account, version, it, segments));
    }
    if let Some(included) = includable(account, object, name) {
        object[*name] = included;
    }
    let Some(member) = object.get_mut(*name) else { return false };
    if let Some(id) = member.as_str() {
        let kind = KINDS.iter().find(|it| id.starts_with(it.0)).map(|it| it.1);
        let Some(named) = kind.and_then(|kind| account.get(kind, id)) else { return false };
        *member = render(named, version);
    }
    match member {
        Value::Array(elements) => elements.iter_mut().all(|it| expand_member(account, version, it, rest)),
        Value::Null => true,
        Value::Object(_) => expand_member(account, version, member, rest),
        _ => false,
    }
}

/// A member of an invoice that is there only when it is asked for.
fn includable(account: &Account, object: &Value, name: &str) -> Option<Value> {
    if object["object"] != "invoice" || object.get(name).is_some() {
        return None;
    }
    let invoice = account.get("invoice", text(&object["id"]))?;
    let intent = account.get("payment_intent", text(&invoice["_payment_intent"]));
    match name {
        "confirmation_secret" => Some(
            intent.map_or(Value::Null, |it| json!({ "client_secret": it["client_secret"], "type": "payment_intent" })),
        ),
        "payments" => {
            let payments: Vec<Value> = intent.map(|it| payment_of(invoice, it)).into_iter().collect();
            let url = format!("/v1/invoice_payments?invoice={}", text(&invoice["id"]));
            Some(json!({ "object": "list", "data": payments, "has_more": false, "url": url }))
        }
        _ => None,
    }
}

fn payment_of(invoice: &Value, intent: &Value) -> Value {
    let status = match text(&invoice["status"]) {
        "paid" => "paid",
        "void" => "canceled",
        _ => "open",
    };
    json!({
        "id": text(&invoice["id"]).replacen("in_", "inpay_", 1), "object": "invoice_payment", "amount_paid": invoice["amount_paid"],
        "amount_requested": invoice["amount_due"], "created": intent["created"], "currency": invoice["currency"],
        "invoice": invoice["id"], "is_default": true, "livemode": false,
        "payment": { "type": "payment_intent", "payment_intent": intent["id"] }, "status": status,
        "status_transitions": { "canceled_at": null, "paid_at": invoice["status_transitions"]["paid_at"] },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_through_objects_lists_and_what_is_included_on_request() {
        let mut account = Account::open(None).unwrap();
        account.put("customer", json!({ "id": "cus_1", "object": "customer", "name": "n" }));
        account.put(
            "payment_intent",
            json!({ "id": "pi_1", "object": "payment_intent", "client_secret": "s", "customer": "cus_1" }),
        );
        account.put(
            "invoice",
            json!({ "id": "in_1", "object": "invoice", "customer": "cus_1", "status": "open", "_payment_intent": "pi_1" }),
        );
        let subscription = json!({
            "id": "sub_1", "object": "subscription", "latest_invoice": "in_1", "customer": "cus_1", "status": "active",
            "default_payment_method": null,
        });
        let expanded = |path: &str, answer: &Value| {
            let mut answer = answer.clone();
            expand(&account, &ApiVersion::latest(), &mut answer, &[path]).map(|()| answer)
        };
        let secret = expanded("latest_invoice.confirmation_secret", &subscription).unwrap();
        assert_eq!(secret["latest_invoice"]["confirmation_secret"]["client_secret"], "s");
        assert!(secret["latest_invoice"].get("_payment_intent").is_none());
        let payments = expanded("latest_invoice.payments.data.payment.payment_intent", &subscription);
        assert!(payments.is_err(), "five levels are too deep");
        let invoice = render(&account.copy("invoice", "in_1"), &ApiVersion::latest());
        let payments = expanded("payments.data.payment.payment_intent", &invoice).unwrap();
        assert_eq!(payments["payments"]["data"][0]["payment"]["payment_intent"]["client_secret"], "s");
        let list = json!({ "object": "list", "data": [subscription] });
        assert_eq!(expanded("data.customer", &list).unwrap()["data"][0]["customer"]["name"], "n");
        assert_eq!(expanded("default_payment_method", &subscription), Ok(subscription.clone()));
        for path in ["status", "none", "customer.name", "latest_invoice.payment_intent", ""] {
            assert!(expanded(path, &subscription).is_err(), "{path}");
        }
    }
}
