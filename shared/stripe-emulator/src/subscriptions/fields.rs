//! Parameters that creating and updating a subscription share.

use serde_json::{Value, json};

use crate::account::Account;
use crate::error::ApiError;
use crate::json::{elements, integer, is_true, text};
use crate::payment_methods::attached;
use crate::request::Request;
use crate::version::ENDIVE;

/// How a payment that fails is treated. Stripe's `pending_if_incomplete` is not modelled.
const PAYMENT_BEHAVIORS: [&str; 3] = ["allow_incomplete", "default_incomplete", "error_if_incomplete"];
const PRORATION_BEHAVIORS: [&str; 3] = ["always_invoice", "create_prorations", "none"];
const FEEDBACKS: [&str; 9] = [
    "",
    "customer_service",
    "low_quality",
    "missing_features",
    "other",
    "switched_service",
    "too_complex",
    "too_expensive",
    "unused",
];
/// A trial, at most: 730 days (Stripe, Use trial periods on subscriptions).
const MAX_TRIAL_DAYS: i64 = 730;
const DAY: i64 = 86_400;

/// `payment_behavior`.
pub(super) fn payment_behavior(request: &Request) -> Result<String, ApiError> {
    Ok(request.choice("/payment_behavior", &PAYMENT_BEHAVIORS)?.unwrap_or("allow_incomplete").to_owned())
}

/// `proration_behavior`.
pub(super) fn proration_behavior(request: &Request) -> Result<String, ApiError> {
    Ok(request.choice("/proration_behavior", &PRORATION_BEHAVIORS)?.unwrap_or("create_prorations").to_owned())
}

/// Applies what is kept as it comes.
pub(super) fn apply(account: &Account, request: &Request, subscription: &mut Value) -> Result<(), ApiError> {
    subscription["metadata"] = request.merged_metadata(&subscription["metadata"])?;
    if let Some(description) = request.text("/description") {
        subscription["description"] = if description.is_empty() { Value::Null } else { description.into() };
    }
    if let Some(method) = request.text("/default_payment_method") {
        subscription["default_payment_method"] = if method.is_empty() {
            Value::Null
        } else {
            attached(account, method, text(&subscription["customer"]), "default_payment_method")?.into()
        };
    }
    let missing = "/trial_settings/end_behavior/missing_payment_method";
    if let Some(behavior) = request.choice(missing, &["cancel", "create_invoice", "pause"])? {
        subscription["trial_settings"] = json!({ "end_behavior": { "missing_payment_method": behavior } });
    }
    let save = "/payment_settings/save_default_payment_method";
    if let Some(save) = request.choice(save, &["off", "on_subscription"])? {
        subscription["payment_settings"]["save_default_payment_method"] = save.into();
    }
    let types = request.texts("/payment_settings/payment_method_types");
    if !types.is_empty() {
        subscription["payment_settings"]["payment_method_types"] = types.into();
    }
    apply_cancellation_details(request, subscription)
}

/// `cancellation_details`.
pub(super) fn apply_cancellation_details(request: &Request, subscription: &mut Value) -> Result<(), ApiError> {
    if let Some(comment) = request.text("/cancellation_details/comment") {
        subscription["cancellation_details"]["comment"] = comment.into();
    }
    if let Some(feedback) = request.choice("/cancellation_details/feedback", &FEEDBACKS)? {
        subscription["cancellation_details"]["feedback"] = feedback.into();
    }
    Ok(())
}

/// `cancel_at_period_end`, for a subscription whose periods are set. If it cancels already, its end follows the periods.
pub(super) fn apply_cancel_at_period_end(
    request: &Request,
    subscription: &mut Value,
    now: i64,
) -> Result<(), ApiError> {
    let cancels_already = is_true(&subscription["cancel_at_period_end"]);
    match request.boolean("/cancel_at_period_end")?.or(cancels_already.then_some(true)) {
        Some(true) => {
            let ends = elements(&subscription["items"]).iter().map(|it| integer(&it["current_period_end"]));
            let end = ends.max().unwrap_or(now);
            if !cancels_already {
                subscription["canceled_at"] = now.into();
            }
            subscription["cancel_at_period_end"] = true.into();
            subscription["cancel_at"] = end.into();
            subscription["cancellation_details"]["reason"] = "cancellation_requested".into();
        }
        Some(false) => {
            subscription["cancel_at_period_end"] = false.into();
            for name in ["cancel_at", "canceled_at"] {
                subscription[name] = Value::Null;
            }
            subscription["cancellation_details"] = json!({ "comment": null, "feedback": null, "reason": null });
        }
        None => {}
    }
    Ok(())
}

/// The end of a trial, as `trial_end` or `trial_period_days` say; `now` itself if it ends at once.
pub(super) fn trial_end(request: &Request, now: i64) -> Result<Option<i64>, ApiError> {
    let last = now + MAX_TRIAL_DAYS * DAY;
    let days = request.integer_in("/trial_period_days", 1, MAX_TRIAL_DAYS)?;
    match request.text("/trial_end") {
        Some(_) if days.is_some() => {
            Err(ApiError::invalid("You may only specify one of these parameters: trial_end, trial_period_days."))
        }
        Some("now") => Ok(Some(now)),
        Some(_) => request.integer_in("/trial_end", now + 1, last),
        None => Ok(days.map(|days| now + days * DAY)),
    }
}

/// Whether `billing_cycle_anchor` asks for a new anchor. It is an object since Endive, and a text before.
pub(super) fn resets_anchor(request: &Request) -> Result<Option<bool>, ApiError> {
    let (as_text, as_object) = ("/billing_cycle_anchor", "/billing_cycle_anchor/type");
    let is_text = request.version.is_before(ENDIVE);
    let (pointer, other) = if is_text { (as_text, as_object) } else { (as_object, as_text) };
    if request.text(other).is_some() {
        return Err(ApiError::invalid("Invalid object").param("billing_cycle_anchor"));
    }
    Ok(request.choice(pointer, &["now", "unchanged"])?.map(|it| it == "now"))
}
