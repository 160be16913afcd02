//! What a change of a subscription costs at once.

use serde_json::Value;

use crate::account::Account;
use crate::error::ApiError;
use crate::invoicing::{amount_of, finalize, proration_line};
use crate::json::{elements, integer, text};
use crate::payment::{Payment, no_payment_method, pay};
use crate::period::{Cycle, share};

/// Credits for what is not used of items' periods.
pub(super) fn credits(subscription: &Value, items: &[&Value], now: i64) -> Vec<Value> {
    let credit = |item: &&Value| {
        let (start, end) = (integer(&item["current_period_start"]), integer(&item["current_period_end"]));
        let amount = -share(amount_of(item), end - now, end - start);
        (amount != 0).then(|| proration_line(subscription, item, amount, (now, end)))
    };
    items.iter().filter_map(credit).collect()
}

/// Credits and charges for the rest of the periods of items that were changed, added or removed.
pub(super) fn prorations(old: &Value, new: &Value, now: i64) -> Vec<Value> {
    let (before, after) = (elements(&old["items"]), elements(&new["items"]));
    let same = |item: &Value, it: &Value| item["id"] == it["id"] && amount_of(item) == amount_of(it);
    let gone: Vec<&Value> = before.iter().filter(|item| !after.iter().any(|it| same(item, it))).collect();
    let added = after.iter().filter(|item| !before.iter().any(|it| same(item, it)));
    let anchor = integer(&new["billing_cycle_anchor"]);
    let charge = |item: &Value| {
        let end = integer(&item["current_period_end"]);
        let start = Cycle::of_price(&item["price"]).previous(anchor, end);
        let amount = share(amount_of(item), end - now, end - start);
        (amount != 0).then(|| proration_line(new, item, amount, (now, end)))
    };
    let charges: Vec<Value> = added.filter_map(charge).collect();
    [credits(old, &gone, now), charges].concat()
}

/// Finalizes an invoice and collects what is due, as `payment_behavior` says. A payment that fails leaves an active
/// subscription past due.
///
/// # Errors
/// 400 without a payment method; with `error_if_incomplete`, 402 if the payment fails.
pub(super) fn collect(account: &mut Account, invoice: &str, behavior: &str, off_session: bool) -> Result<(), ApiError> {
    finalize(account, invoice);
    let finalized = account.copy("invoice", invoice);
    if behavior == "default_incomplete" && integer(&finalized["amount_due"]) > 0 {
        let mut subscription = account.copy("subscription", crate::invoicing::subscription_of(&finalized));
        if text(&subscription["status"]) == "active" {
            subscription["status"] = "past_due".into();
            account.save("subscription", subscription, "customer.subscription.updated");
        }
        return Ok(());
    }
    let must_succeed = behavior == "error_if_incomplete";
    match pay(account, invoice, None, off_session) {
        Payment::Declined(error) if must_succeed => Err(error),
        Payment::NeedsAction if must_succeed => Err(needs_action()),
        Payment::NoMethod => Err(no_payment_method()),
        Payment::Paid | Payment::Declined(_) | Payment::NeedsAction => Ok(()),
    }
}

/// 402: the customer has to authenticate, and the request does not allow that (Stripe,
/// `subscription_payment_intent_requires_action`).
fn needs_action() -> ApiError {
    let message =
        "Payment for this subscription requires additional user action before it can be completed successfully.";
    ApiError::card("subscription_payment_intent_requires_action", None, message)
}
