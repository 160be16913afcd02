//! Invoices of subscriptions: their lines, how they are finalized, and voided.

use serde_json::{Value, json};

use crate::account::Account;
use crate::json::{integer, text};
use crate::random::{random_id, random_text};

/// A draft is finalized, and charged, so long after it was made (Stripe, How subscriptions work: about an hour).
pub(crate) const DRAFT_SECONDS: i64 = 3_600;

/// The line of an item for its current period.
pub(crate) fn period_line(subscription: &Value, item: &Value) -> Value {
    let period = (integer(&item["current_period_start"]), integer(&item["current_period_end"]));
    line(subscription, item, amount_of(item), period, false)
}

/// The line of an item's trial, which costs nothing.
pub(crate) fn trial_line(subscription: &Value, item: &Value) -> Value {
    let period = (integer(&item["current_period_start"]), integer(&item["current_period_end"]));
    line(subscription, item, 0, period, false)
}

/// The line of a part of an item's period that was not used, or is added.
pub(crate) fn proration_line(subscription: &Value, item: &Value, amount: i64, period: (i64, i64)) -> Value {
    line(subscription, item, amount, period, true)
}

/// The amount of an item for a whole period.
pub(crate) fn amount_of(item: &Value) -> i64 {
    integer(&item["price"]["unit_amount"]).saturating_mul(integer(&item["quantity"]))
}

fn line(subscription: &Value, item: &Value, amount: i64, period: (i64, i64), proration: bool) -> Value {
    let price = &item["price"];
    json!({
        "id": random_id("il"), "object": "line_item", "amount": amount, "currency": price["currency"],
        "description": format!("{} × {}", integer(&item["quantity"]), text(&price["id"])), "discount_amounts": [],
        "discountable": !proration, "discounts": [], "livemode": false, "metadata": {},
        "parent": {
            "type": "subscription_item_details", "invoice_item_details": null,
            "subscription_item_details": {
                "invoice_item": null, "proration": proration, "proration_details": { "credited_items": null },
                "subscription": subscription["id"], "subscription_item": item["id"],
            },
        },
        "period": { "start": period.0, "end": period.1 }, "pretax_credit_amounts": [],
        "pricing": {
            "type": "price_details", "price_details": { "price": price["id"], "product": price["product"] },
            "unit_amount_decimal": price["unit_amount_decimal"],
        },
        "quantity": item["quantity"], "subtotal": amount, "taxes": [],
    })
}

/// Keeps lines for the subscription's next invoice.
pub(crate) fn add_pending(account: &mut Account, subscription: &str, lines: Vec<Value>) {
    for line in lines {
        account.put("pending_line", json!({ "id": random_id("ii"), "subscription": subscription, "line": line }));
    }
}

/// Whether lines wait for the subscription's next invoice.
pub(crate) fn has_pending(account: &Account, subscription: &str) -> bool {
    account.all("pending_line").any(|it| it["subscription"] == subscription)
}

/// Drops the lines that wait for the subscription's next invoice.
pub(crate) fn take_pending(account: &mut Account, subscription: &str) -> Vec<Value> {
    let is_ours = |it: &&Value| it["subscription"] == subscription;
    let pending: Vec<Value> = account.all("pending_line").filter(is_ours).cloned().collect();
    pending.iter().for_each(|it| account.remove("pending_line", text(&it["id"])));
    pending.into_iter().map(|mut it| it["line"].take()).collect()
}

/// Makes a draft of what waits and of these lines, as the latest invoice of a stored subscription. Answers its id.
pub(crate) fn draft(account: &mut Account, subscription: &str, lines: Vec<Value>, reason: &str) -> String {
    let mut stored = account.copy("subscription", subscription);
    let lines = [take_pending(account, subscription), lines].concat();
    let total: i64 = lines.iter().map(|it| integer(&it["amount"])).sum();
    let (id, now) = (random_id("in"), account.now_of(text(&stored["customer"])));
    let mut lines_list =
        json!({ "object": "list", "data": lines, "has_more": false, "url": format!("/v1/invoices/{id}/lines") });
    for line in lines_list["data"].as_array_mut().into_iter().flatten() {
        line["invoice"] = id.clone().into();
    }
    let invoice = json!({
        "id": id, "object": "invoice", "account_country": "US", "amount_due": total.max(0), "amount_paid": 0,
        "amount_remaining": total.max(0), "attempt_count": 0, "attempted": false, "auto_advance": true,
        "automatically_finalizes_at": null, "billing_reason": reason, "collection_method": "charge_automatically", "created": now,
        "currency": stored["currency"], "customer": stored["customer"], "default_payment_method": null, "description": null,
        "discounts": [], "due_date": null, "effective_at": null, "ending_balance": null, "hosted_invoice_url": null,
        "last_finalization_error": null, "lines": lines_list, "livemode": false, "metadata": {}, "next_payment_attempt": null,
        "number": null,
        "parent": {
            "type": "subscription_details", "quote_details": null,
            "subscription_details": { "metadata": stored["metadata"], "subscription": subscription },
        },
        "period_end": now, "period_start": now, "starting_balance": 0, "status": "draft",
        "status_transitions": { "finalized_at": null, "marked_uncollectible_at": null, "paid_at": null, "voided_at": null },
        "subtotal": total, "test_clock": stored["test_clock"], "total": total, "total_taxes": [], "webhooks_delivered_at": null,
    });
    account.create("invoice", invoice, "invoice.created");
    stored["latest_invoice"] = id.clone().into();
    account.save("subscription", stored, "customer.subscription.updated");
    id
}

/// Finalizes a draft: the customer's balance is applied, and a payment intent made for what is due.
pub(crate) fn finalize(account: &mut Account, id: &str) {
    let mut invoice = account.copy("invoice", id);
    let mut customer = account.copy("customer", text(&invoice["customer"]));
    let (now, balance) = (account.now_of(text(&customer["id"])), integer(&customer["balance"]));
    let owed = integer(&invoice["total"]) + balance;
    let (due, left) = (owed.max(0), owed.min(0));
    let sequence = integer(&customer["next_invoice_sequence"]);
    invoice["number"] = format!("{}-{sequence:04}", text(&customer["invoice_prefix"])).into();
    invoice["starting_balance"] = balance.into();
    invoice["ending_balance"] = left.into();
    invoice["amount_due"] = due.into();
    invoice["amount_remaining"] = due.into();
    invoice["status"] = "open".into();
    invoice["effective_at"] = now.into();
    invoice["status_transitions"]["finalized_at"] = now.into();
    invoice["automatically_finalizes_at"] = Value::Null;
    customer["next_invoice_sequence"] = (sequence + 1).into();
    account.put("customer", customer.clone());
    customer["balance"] = left.into();
    if customer["currency"].is_null() {
        customer["currency"] = invoice["currency"].clone();
    }
    account.save("customer", customer, "customer.updated");
    if due > 0 {
        let intent = random_id("pi");
        let payment_intent = json!({
            "id": intent, "object": "payment_intent", "amount": due, "amount_capturable": 0, "amount_received": 0,
            "automatic_payment_methods": null, "canceled_at": null, "cancellation_reason": null, "capture_method": "automatic",
            "client_secret": format!("{intent}_secret_{}", random_text(24)), "confirmation_method": "automatic", "created": now,
            "currency": invoice["currency"], "customer": invoice["customer"], "description": null, "last_payment_error": null,
            "latest_charge": null, "livemode": false, "metadata": {}, "next_action": null, "payment_method": null,
            "payment_method_types": ["card"], "setup_future_usage": "off_session", "status": "requires_payment_method",
            "_invoice": id,
        });
        account.create("payment_intent", payment_intent, "payment_intent.created");
        invoice["_payment_intent"] = intent.into();
    }
    account.put("invoice", invoice.clone());
    account.emit("invoice.finalized", invoice, None);
}

/// Voids an invoice: nobody pays it any more.
pub(crate) fn void(account: &mut Account, id: &str) {
    let mut invoice = account.copy("invoice", id);
    let now = account.now_of(text(&invoice["customer"]));
    invoice["status"] = "void".into();
    invoice["auto_advance"] = false.into();
    invoice["next_payment_attempt"] = Value::Null;
    invoice["status_transitions"]["voided_at"] = now.into();
    let mut intent = account.copy("payment_intent", text(&invoice["_payment_intent"]));
    if intent.is_object() {
        intent["status"] = "canceled".into();
        intent["cancellation_reason"] = "void_invoice".into();
        intent["canceled_at"] = now.into();
        account.put("payment_intent", intent.clone());
        account.emit("payment_intent.canceled", intent, None);
    }
    account.put("invoice", invoice.clone());
    account.emit("invoice.voided", invoice, None);
}

/// Stops an invoice from being finalized or charged by itself.
pub(crate) fn stop(account: &mut Account, id: &str) {
    let mut invoice = account.copy("invoice", id);
    invoice["auto_advance"] = false.into();
    invoice["automatically_finalizes_at"] = Value::Null;
    invoice["next_payment_attempt"] = Value::Null;
    account.save("invoice", invoice, "invoice.updated");
}

/// The id of the subscription that an invoice is for; empty without one.
pub(crate) fn subscription_of(invoice: &Value) -> &str {
    text(&invoice["parent"]["subscription_details"]["subscription"])
}
