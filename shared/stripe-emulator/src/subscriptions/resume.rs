//! `POST /v1/subscriptions/{id}/resume`.

use serde_json::json;

use super::lifecycle::restart;
use super::{fields, update};
use crate::account::Account;
use crate::error::{ApiError, ApiResult};
use crate::invoicing::{DRAFT_SECONDS, draft, finalize, period_line};
use crate::json::{elements, integer, text};
use crate::payment::{default_method, no_payment_method, pay};
use crate::request::Request;
use crate::version::ENDIVE;

pub(super) const PARAMETERS: &[&str] =
    &["billing_cycle_anchor", "billing_cycle_anchor.type", "proration_behavior", "payment_behavior"];

/// The invoice of a resumption is voided after so long, in seconds: 23 hours, as that of an incomplete subscription.
const PAYABLE_SECONDS: i64 = 23 * 3_600;
const ON_ATTEMPT: &str = "resume_on_payment_attempt";
const ON_SUCCESS: &str = "resume_on_payment_success";

/// Begins a new period of a paused subscription. It stays paused until its invoice is paid.
pub(super) fn resume(account: &mut Account, request: &Request) -> ApiResult {
    let original = account.find("subscription", request.id())?;
    let id = text(&original["id"]).to_owned();
    if original["status"] != "paused" {
        return Err(ApiError::invalid("Only a subscription whose status is `paused` can be resumed."));
    }
    if request.version.is_before(ENDIVE) && request.text("/payment_behavior").is_some() {
        return Err(ApiError::unknown("payment_behavior"));
    }
    let behavior = request.choice("/payment_behavior", &[ON_ATTEMPT, ON_SUCCESS])?.unwrap_or(ON_ATTEMPT).to_owned();
    fields::proration_behavior(request)?; // a new anchor leaves nothing to prorate
    if fields::resets_anchor(request)? == Some(false) {
        let message = "The emulator resumes with a new anchor; `unchanged` is not modelled.";
        return Err(ApiError::invalid(message).param("billing_cycle_anchor"));
    }
    if default_method(account, &original).is_none() {
        return Err(no_payment_method());
    }
    let now = account.now_of(text(&original["customer"]));
    let mut subscription = original.clone();
    subscription["_silent"] = true.into();
    restart(&mut subscription, now);
    let lines = elements(&subscription["items"]).iter().map(|it| period_line(&subscription, it)).collect();
    account.put("subscription", subscription);
    let invoice = draft(account, &id, lines, "subscription_update");
    finalize(account, &invoice);
    let mut stored = account.copy("invoice", &invoice);
    let pays_now = behavior == ON_SUCCESS || integer(&stored["amount_due"]) == 0;
    stored["_resumption"] = behavior.into();
    stored["_void_at"] = (now + PAYABLE_SECONDS).into();
    stored["next_payment_attempt"] = if pays_now { json!(null) } else { (now + DRAFT_SECONDS).into() };
    account.put("invoice", stored);
    if pays_now {
        pay(account, &invoice, None, false); // if that fails, it stays paused
    }
    update::finish(account, request, &original, now)
}
