//! What becomes of a subscription by time: trials and periods that end, and the end of the subscription itself.

use serde_json::Value;

use super::items::start_period;
use crate::account::Account;
use crate::invoicing::{DRAFT_SECONDS, draft, period_line, stop, subscription_of, void};
use crate::json::{elements, integer, text};
use crate::payment::default_method;

/// The end of a trial is announced so long before, in seconds: three days (Stripe, `customer.subscription.trial_will_end`).
pub(crate) const TRIAL_NOTICE: i64 = 3 * 86_400;

/// Whether a subscription of a status has ended.
pub(crate) fn has_ended(status: &str) -> bool {
    matches!(status, "canceled" | "incomplete_expired")
}

/// Cancels a subscription at once; one that is `incomplete` becomes `incomplete_expired`. Its invoices are charged no more.
/// One that has ended stays as it is.
pub(crate) fn cancel(account: &mut Account, id: &str) {
    let mut subscription = account.copy("subscription", id);
    let (now, status) = (account.now_of(text(&subscription["customer"])), text(&subscription["status"]).to_owned());
    if has_ended(&status) {
        return;
    }
    let was_incomplete = status == "incomplete";
    let is_unpaid = |it: &&Value| subscription_of(it) == id && matches!(text(&it["status"]), "draft" | "open");
    let unpaid: Vec<String> = account.all("invoice").filter(is_unpaid).map(|it| text(&it["id"]).to_owned()).collect();
    for invoice in unpaid {
        if was_incomplete {
            void(account, &invoice);
        } else {
            stop(account, &invoice);
        }
    }
    subscription["status"] = if was_incomplete { "incomplete_expired" } else { "canceled" }.into();
    subscription["ended_at"] = now.into();
    if subscription["canceled_at"].is_null() {
        subscription["canceled_at"] = now.into();
    }
    if was_incomplete {
        account.save("subscription", subscription, "customer.subscription.updated");
    } else {
        account.put("subscription", subscription.clone());
        account.emit("customer.subscription.deleted", subscription, None);
    }
}

/// Announces the end of a trial, once.
pub(crate) fn announce_trial_end(account: &mut Account, id: &str) {
    let mut subscription = account.copy("subscription", id);
    subscription["_trial_end_announced"] = subscription["trial_end"].clone();
    account.put("subscription", subscription.clone());
    account.emit("customer.subscription.trial_will_end", subscription, None);
}

/// Ends a trial whose time is over. Without a payment method, `trial_settings` say what follows.
pub(crate) fn end_trial(account: &mut Account, id: &str) {
    let mut subscription = account.copy("subscription", id);
    if !ends_without_method(account, id) {
        let now = account.now_of(text(&subscription["customer"]));
        restart(&mut subscription, now);
        subscription["status"] = "active".into();
        bill(account, subscription);
    }
}

/// Ends a trial as `trial_settings` say, if there is no payment method and they say something else than an invoice. Answers
/// whether it did.
pub(crate) fn ends_without_method(account: &mut Account, id: &str) -> bool {
    let mut subscription = account.copy("subscription", id);
    if default_method(account, &subscription).is_some() {
        return false;
    }
    match text(&subscription["trial_settings"]["end_behavior"]["missing_payment_method"]) {
        "cancel" => cancel(account, id),
        "pause" => {
            subscription["status"] = "paused".into();
            account.save("subscription", subscription.clone(), "customer.subscription.updated");
            account.emit("customer.subscription.paused", subscription, None);
        }
        _ => return false,
    }
    true
}

/// Begins the next period of the items whose period is over.
pub(crate) fn renew(account: &mut Account, id: &str) {
    let mut subscription = account.copy("subscription", id);
    let (now, anchor) =
        (account.now_of(text(&subscription["customer"])), integer(&subscription["billing_cycle_anchor"]));
    for item in subscription["items"]["data"].as_array_mut().into_iter().flatten() {
        let end = integer(&item["current_period_end"]);
        if end <= now {
            start_period(item, anchor, end);
        }
    }
    bill(account, subscription);
}

/// Begins new periods of all items now, and makes that the anchor.
pub(crate) fn restart(subscription: &mut Value, now: i64) {
    subscription["billing_cycle_anchor"] = now.into();
    for item in subscription["items"]["data"].as_array_mut().into_iter().flatten() {
        start_period(item, now, now);
    }
}

/// Stores a subscription with new periods and makes their invoice, which is charged in an hour. That of an `unpaid`
/// subscription stays a draft.
fn bill(account: &mut Account, subscription: Value) {
    let (id, now) = (text(&subscription["id"]).to_owned(), account.now_of(text(&subscription["customer"])));
    let begins_now = |it: &&Value| it["current_period_start"] == now;
    let items = elements(&subscription["items"]).iter().filter(begins_now);
    let lines = items.map(|it| period_line(&subscription, it)).collect();
    let is_unpaid = subscription["status"] == "unpaid";
    account.save("subscription", subscription, "customer.subscription.updated");
    let invoice = draft(account, &id, lines, "subscription_cycle");
    let mut stored = account.copy("invoice", &invoice);
    stored["auto_advance"] = (!is_unpaid).into();
    stored["automatically_finalizes_at"] = if is_unpaid { Value::Null } else { (now + DRAFT_SECONDS).into() };
    account.put("invoice", stored);
}
