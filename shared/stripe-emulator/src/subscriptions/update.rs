//! `POST /v1/subscriptions/{id}`.

use serde_json::Value;

use super::lifecycle::{ends_without_method, restart};
use super::{billing, fields, items};
use crate::account::Account;
use crate::error::{ApiError, ApiResult};
use crate::invoicing::{add_pending, draft, has_pending, period_line};
use crate::json::{changed_members, elements, integer, is_true, text};
use crate::request::Request;

pub(super) const PARAMETERS: &[&str] = &[
    "items.*.id",
    "items.*.price",
    "items.*.quantity",
    "items.*.deleted",
    "metadata",
    "metadata.*",
    "description",
    "default_payment_method",
    "payment_behavior",
    "off_session",
    "proration_behavior",
    "billing_cycle_anchor",
    "billing_cycle_anchor.type",
    "trial_end",
    "trial_settings.end_behavior.missing_payment_method",
    "cancel_at_period_end",
    "cancellation_details.comment",
    "cancellation_details.feedback",
    "payment_settings.save_default_payment_method",
    "payment_settings.payment_method_types.*",
];

/// What can still be changed of a subscription that has ended.
const OF_ENDED: &[&str] = &["metadata", "cancellation_details", "expand"];
/// What can be changed of one whose first invoice is not paid.
const OF_INCOMPLETE: &[&str] = &["metadata", "default_payment_method", "expand"];

/// Refuses what a subscription of a status cannot change any more, or not yet.
fn check_status(status: &str, request: &Request) -> Result<(), ApiError> {
    let (names, message) = match status {
        "canceled" | "incomplete_expired" => {
            (OF_ENDED, "A canceled subscription can only update its cancellation_details and metadata.")
        }
        "incomplete" => (
            OF_INCOMPLETE,
            "An incomplete subscription can only update its metadata and payment method until its first invoice is paid.",
        ),
        _ => return Ok(()),
    };
    let mut given = request.parameters.as_object().into_iter().flat_map(|it| it.keys());
    if given.any(|name| !names.contains(&name.as_str())) { Err(ApiError::invalid(message)) } else { Ok(()) }
}

/// What the request says of the payment that it causes.
struct Terms {
    proration: String,
    payment: String,
    off_session: bool,
}

pub(super) fn update(account: &mut Account, request: &Request) -> ApiResult {
    let original = account.find("subscription", request.id())?;
    let (id, status) = (text(&original["id"]).to_owned(), text(&original["status"]).to_owned());
    check_status(&status, request)?;
    let now = account.now_of(text(&original["customer"]));
    let terms = Terms {
        proration: fields::proration_behavior(request)?,
        payment: fields::payment_behavior(request)?,
        off_session: request.boolean("/off_session")?.unwrap_or(false),
    };
    let anchor_is_reset = fields::resets_anchor(request)?.unwrap_or(false);
    let trial_end = fields::trial_end(request, now)?;
    let mut changed = original.clone();
    changed["_silent"] = true.into();
    fields::apply(account, request, &mut changed)?;
    let new_items = items::changed(account, request, &original)?;
    changed["items"] = items::list(&id, new_items);
    let is_trialing = status == "trialing";
    place_new_items(&mut changed, now);
    let ends_trial = is_trialing && trial_end == Some(now);
    if let Some(end) = trial_end.filter(|it| *it > now) {
        move_trial_end(&mut changed, is_trialing, end)?;
    }
    account.put("subscription", changed.clone());

    if ends_trial {
        if !ends_without_method(account, &id) {
            start_anew(account, &original, changed, now, &terms)?;
        }
    } else if matches!(status.as_str(), "active" | "past_due" | "unpaid") {
        let (old, new) = (elements(&original["items"]), elements(&changed["items"]));
        let becomes_paid = (items::total(old) == 0) != (items::total(new) == 0);
        if anchor_is_reset || becomes_paid || items::interval_changed(old, new) {
            start_anew(account, &original, changed, now, &terms)?;
        } else if terms.proration != "none" {
            add_pending(account, &id, billing::prorations(&original, &changed, now));
            if terms.proration == "always_invoice" && has_pending(account, &id) {
                let invoice = draft(account, &id, Vec::new(), "subscription_update");
                billing::collect(account, &invoice, &terms.payment, terms.off_session)?;
            }
        }
    }
    finish(account, request, &original, now)
}

/// Gives items that were added a period: that of the others if they have the same interval, else up to the anchor's next
/// boundary; in a trial, the trial.
fn place_new_items(subscription: &mut Value, now: i64) {
    let anchor = integer(&subscription["billing_cycle_anchor"]);
    let trial_end = subscription["trial_end"].as_i64().filter(|_| subscription["status"] == "trialing");
    for item in subscription["items"]["data"].as_array_mut().into_iter().flatten() {
        if item["current_period_end"].is_null() {
            items::start_period(item, anchor, now);
            if let Some(trial_end) = trial_end {
                item["current_period_end"] = trial_end.into();
            }
        }
    }
}

/// Moves the end of a trial that runs.
fn move_trial_end(subscription: &mut Value, is_trialing: bool, end: i64) -> Result<(), ApiError> {
    if !is_trialing {
        let message = "The emulator moves the end of a trial; it begins no trial on a subscription that has none.";
        return Err(ApiError::invalid(message).param("trial_end"));
    }
    subscription["trial_end"] = end.into();
    subscription["billing_cycle_anchor"] = end.into();
    for item in subscription["items"]["data"].as_array_mut().into_iter().flatten() {
        item["current_period_end"] = end.into();
    }
    Ok(())
}

/// Begins new periods now and invoices them at once, less what was not used of the old ones.
fn start_anew(
    account: &mut Account,
    original: &Value,
    mut changed: Value,
    now: i64,
    terms: &Terms,
) -> Result<(), ApiError> {
    let id = text(&original["id"]).to_owned();
    let was_trialing = original["status"] == "trialing";
    restart(&mut changed, now);
    if was_trialing {
        changed["status"] = "active".into();
        changed["trial_end"] = now.into();
    }
    let mut lines = Vec::new();
    if !was_trialing && terms.proration != "none" {
        let old: Vec<&Value> = elements(&original["items"]).iter().collect();
        lines = billing::credits(original, &old, now);
    }
    lines.extend(elements(&changed["items"]).iter().map(|it| period_line(&changed, it)));
    account.put("subscription", changed);
    let invoice = draft(account, &id, lines, "subscription_update");
    billing::collect(account, &invoice, &terms.payment, terms.off_session)
}

/// Ends the silence of a stored subscription: emits one event of all that the request changed.
pub(super) fn finish(account: &mut Account, request: &Request, original: &Value, now: i64) -> ApiResult {
    let mut subscription = account.copy("subscription", text(&original["id"]));
    if is_true(&subscription["_silent"]) {
        subscription["_silent"] = false.into();
    }
    fields::apply_cancel_at_period_end(request, &mut subscription, now)?;
    let previous = changed_members(original, &subscription);
    account.put("subscription", subscription.clone());
    if !previous.is_empty() {
        account.emit("customer.subscription.updated", subscription.clone(), Some(Value::Object(previous)));
    }
    Ok(subscription)
}
