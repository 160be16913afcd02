//! Payments of invoices, and what they do to the subscription.

use serde_json::{Value, json};

use crate::account::Account;
use crate::cards::{AUTHENTICATION_REQUIRED, Outcome};
use crate::error::ApiError;
use crate::invoicing::subscription_of;
use crate::json::{integer, text};
use crate::payment_methods::outcome;
use crate::random::random_id;

/// A failed payment is tried again after so many days, one after the other.
const RETRY_DAYS: [i64; 3] = [3, 5, 7];
const DAY: i64 = 86_400;

/// What an attempt to pay an invoice came to.
#[derive(Debug)]
pub(crate) enum Payment {
    Paid,
    Declined(ApiError),
    /// The customer has to authenticate.
    NeedsAction,
    /// There is no payment method.
    NoMethod,
}

/// 400: there is nothing to pay with (Stripe, `resource_missing`).
pub(crate) fn no_payment_method() -> ApiError {
    ApiError::invalid(
        "This customer has no attached payment source or default payment method. Please consider adding a default payment method.",
    )
    .code("resource_missing")
}

/// The payment method of a subscription: its own, or else the customer's default.
pub(crate) fn default_method(account: &Account, subscription: &Value) -> Option<String> {
    let customer = account.get("customer", text(&subscription["customer"]));
    let customers = customer.and_then(|it| it["invoice_settings"]["default_payment_method"].as_str());
    subscription["default_payment_method"].as_str().or(customers).map(str::to_owned)
}

/// Pays an open invoice, with a payment method or else the default one. `off_session`: the customer is not there, and a card
/// that needs its owner is declined.
pub(crate) fn pay(account: &mut Account, id: &str, method: Option<&str>, off_session: bool) -> Payment {
    let invoice = account.copy("invoice", id);
    if integer(&invoice["amount_due"]) == 0 {
        settle(account, id, None);
        return Payment::Paid;
    }
    let default = default_method(account, &account.copy("subscription", subscription_of(&invoice)));
    let Some(method) = method.map(str::to_owned).or(default) else {
        record_failure(account, id, None);
        return Payment::NoMethod;
    };
    let card = account.copy("payment_method", &method);
    match outcome(&card) {
        Outcome::Succeeds => {
            settle(account, id, Some(&card));
            Payment::Paid
        }
        Outcome::DeclinedAtOnce(decline) | Outcome::DeclinedOnCharge(decline) => {
            decline_charge(account, id, &card, decline.error())
        }
        Outcome::NeedsAuthentication if off_session => {
            decline_charge(account, id, &card, AUTHENTICATION_REQUIRED.error())
        }
        Outcome::NeedsAuthentication => {
            let mut intent = account.copy("payment_intent", text(&invoice["_payment_intent"]));
            intent["status"] = "requires_action".into();
            intent["payment_method"] = method.into();
            intent["next_action"] =
                json!({ "type": "use_stripe_sdk", "use_stripe_sdk": { "type": "three_d_secure_redirect" } });
            account.put("payment_intent", intent.clone());
            account.emit("payment_intent.requires_action", intent, None);
            record_failure(account, id, Some("invoice.payment_action_required"));
            Payment::NeedsAction
        }
    }
}

/// Declines the charge of an open invoice.
pub(crate) fn decline_charge(account: &mut Account, id: &str, card: &Value, error: ApiError) -> Payment {
    let invoice = account.copy("invoice", id);
    let charge = charge(account, &invoice, card, Some(&error));
    account.create("charge", charge.clone(), "charge.failed");
    let mut intent = account.copy("payment_intent", text(&invoice["_payment_intent"]));
    intent["status"] = "requires_payment_method".into();
    intent["last_payment_error"] = error.error.clone();
    intent["latest_charge"] = charge["id"].clone();
    intent["next_action"] = Value::Null;
    account.put("payment_intent", intent.clone());
    account.emit("payment_intent.payment_failed", intent, None);
    record_failure(account, id, Some("invoice.payment_failed"));
    Payment::Declined(error)
}

/// Marks an open invoice as paid with a payment method; without one, nothing was due, or it was paid elsewhere.
pub(crate) fn settle(account: &mut Account, id: &str, card: Option<&Value>) {
    let mut invoice = account.copy("invoice", id);
    let now = account.now_of(text(&invoice["customer"]));
    if let Some(card) = card {
        let charge = charge(account, &invoice, card, None);
        account.create("charge", charge.clone(), "charge.succeeded");
        let mut intent = account.copy("payment_intent", text(&invoice["_payment_intent"]));
        intent["status"] = "succeeded".into();
        intent["amount_received"] = intent["amount"].clone();
        intent["payment_method"] = card["id"].clone();
        intent["latest_charge"] = charge["id"].clone();
        intent["next_action"] = Value::Null;
        account.put("payment_intent", intent.clone());
        account.emit("payment_intent.succeeded", intent, None);
        invoice["attempt_count"] = (integer(&invoice["attempt_count"]) + 1).into();
    }
    invoice["status"] = "paid".into();
    invoice["attempted"] = true.into();
    invoice["amount_paid"] = invoice["amount_due"].clone();
    invoice["amount_remaining"] = 0.into();
    invoice["next_payment_attempt"] = Value::Null;
    invoice["status_transitions"]["paid_at"] = now.into();
    account.put("invoice", invoice.clone());
    for event in ["invoice.paid", "invoice.payment_succeeded"] {
        account.emit(event, invoice.clone(), None);
    }
    let mut subscription = account.copy("subscription", subscription_of(&invoice));
    let is_latest = subscription["latest_invoice"] == id;
    match text(&subscription["status"]) {
        "incomplete" | "past_due" | "unpaid" if is_latest => {
            subscription["status"] = "active".into();
            account.save("subscription", subscription, "customer.subscription.updated");
        }
        "paused" if is_latest && invoice["_resumption"].is_string() => resume(account, subscription),
        _ => {}
    }
}

/// Takes a subscription out of its pause.
fn resume(account: &mut Account, mut subscription: Value) {
    subscription["status"] = "active".into();
    account.save("subscription", subscription.clone(), "customer.subscription.updated");
    account.emit("customer.subscription.resumed", subscription, None);
}

/// Counts a failed attempt, plans the next one, and makes the subscription past due.
fn record_failure(account: &mut Account, id: &str, event: Option<&str>) {
    let mut invoice = account.copy("invoice", id);
    let mut subscription = account.copy("subscription", subscription_of(&invoice));
    let (now, attempts) = (account.now_of(text(&invoice["customer"])), integer(&invoice["attempt_count"]) + 1);
    let status = text(&subscription["status"]);
    let is_retried = matches!(status, "active" | "past_due") && invoice["auto_advance"] == true;
    let days = usize::try_from(attempts - 1).ok().and_then(|it| RETRY_DAYS.get(it)).filter(|_| is_retried);
    invoice["attempt_count"] = attempts.into();
    invoice["attempted"] = true.into();
    invoice["next_payment_attempt"] = days.map(|days| now + days * DAY).into();
    account.put("invoice", invoice.clone());
    account.emit(event.unwrap_or("invoice.payment_failed"), invoice.clone(), None);
    let resumes_on_attempt = status == "paused" && invoice["_resumption"] == "resume_on_payment_attempt";
    if subscription["latest_invoice"] == id && (status == "active" || resumes_on_attempt) {
        subscription["status"] = "past_due".into();
        account.save("subscription", subscription, "customer.subscription.updated");
    }
}

fn charge(account: &Account, invoice: &Value, card: &Value, error: Option<&ApiError>) -> Value {
    let (code, message) = error.map(|it| (it.error["code"].clone(), it.error["message"].clone())).unwrap_or_default();
    json!({
        "id": random_id("ch"), "object": "charge", "amount": invoice["amount_due"],
        "amount_captured": if error.is_none() { invoice["amount_due"].clone() } else { 0.into() }, "amount_refunded": 0,
        "captured": error.is_none(), "created": account.now_of(text(&invoice["customer"])), "currency": invoice["currency"],
        "customer": invoice["customer"], "description": null, "disputed": false, "failure_code": code, "failure_message": message,
        "livemode": false, "metadata": {}, "paid": error.is_none(), "payment_intent": invoice["_payment_intent"],
        "payment_method": card["id"], "payment_method_details": { "type": "card", "card": card["card"] }, "refunded": false,
        "status": if error.is_none() { "succeeded" } else { "failed" },
    })
}
