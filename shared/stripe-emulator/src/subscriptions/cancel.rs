//! `DELETE /v1/subscriptions/{id}`.

use serde_json::Value;

use super::{billing, fields, lifecycle};
use crate::account::Account;
use crate::error::{ApiError, ApiResult};
use crate::invoicing::{add_pending, draft, finalize, has_pending};
use crate::json::{elements, text};
use crate::payment::pay;
use crate::request::Request;

pub(super) const PARAMETERS: &[&str] =
    &["invoice_now", "prorate", "cancellation_details.comment", "cancellation_details.feedback"];

/// Cancels at once. `prorate` credits what is not used of the period, `invoice_now` invoices what waits.
pub(super) fn cancel(account: &mut Account, request: &Request) -> ApiResult {
    let id = request.id();
    let mut subscription = account.find("subscription", id)?;
    if lifecycle::has_ended(text(&subscription["status"])) {
        return Err(ApiError::no_such("subscription", id, "id"));
    }
    let now = account.now_of(text(&subscription["customer"]));
    let (prorates, invoices) =
        (request.boolean("/prorate")?.unwrap_or(false), request.boolean("/invoice_now")?.unwrap_or(false));
    subscription["cancellation_details"]["reason"] = "cancellation_requested".into();
    fields::apply_cancellation_details(request, &mut subscription)?;
    account.put("subscription", subscription.clone());
    if prorates && matches!(text(&subscription["status"]), "active" | "past_due") {
        let items: Vec<&Value> = elements(&subscription["items"]).iter().collect();
        add_pending(account, id, billing::credits(&subscription, &items, now));
    }
    lifecycle::cancel(account, id);
    if invoices && has_pending(account, id) {
        let invoice = draft(account, id, Vec::new(), "manual");
        finalize(account, &invoice);
        pay(account, &invoice, None, true); // what becomes of the payment changes nothing of the end
    }
    Ok(account.copy("subscription", id))
}
