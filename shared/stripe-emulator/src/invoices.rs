//! Invoices, as the API shows and changes them.

use serde_json::Value;

use crate::account::Account;
use crate::endpoint::Endpoint;
use crate::error::{ApiError, ApiResult};
use crate::invoicing::{finalize, subscription_of, void};
use crate::json::{integer, text};
use crate::list;
use crate::payment::{Payment, no_payment_method, pay as pay_invoice, settle};
use crate::payment_methods::attached;
use crate::request::Request;

pub(crate) const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        method: "GET",
        path: "/v1/invoices",
        parameters: &["customer", "subscription", "status", "limit", "starting_after", "ending_before"],
        run: list,
    },
    Endpoint { method: "GET", path: "/v1/invoices/{}", parameters: &[], run: read },
    Endpoint {
        method: "POST",
        path: "/v1/invoices/{}/pay",
        parameters: &["payment_method", "off_session", "paid_out_of_band"],
        run: pay,
    },
    Endpoint { method: "POST", path: "/v1/invoices/{}/finalize", parameters: &[], run: finalize_draft },
    Endpoint { method: "POST", path: "/v1/invoices/{}/void", parameters: &[], run: void_open },
];

fn list(account: &mut Account, request: &Request) -> ApiResult {
    let is_asked_for = |it: &Value| {
        list::has(request, "/customer", &it["customer"])
            && list::has(request, "/status", &it["status"])
            && request.text("/subscription").is_none_or(|subscription| subscription_of(it) == subscription)
    };
    list::page(account, request, "invoice", "/v1/invoices", is_asked_for)
}

fn read(account: &mut Account, request: &Request) -> ApiResult {
    account.find("invoice", request.id())
}

/// Pays an invoice now. A draft is finalized first.
fn pay(account: &mut Account, request: &Request) -> ApiResult {
    let invoice = account.find("invoice", request.id())?;
    let method = match request.text("/payment_method") {
        Some(method) => Some(attached(account, method, text(&invoice["customer"]), "payment_method")?),
        None => None,
    };
    match text(&invoice["status"]) {
        "draft" => finalize(account, request.id()),
        "open" => {}
        "paid" => return Err(ApiError::invalid("Invoice is already paid").code("invoice_already_paid")),
        status => return Err(ApiError::invalid(&format!("This invoice is {status} and cannot be paid."))),
    }
    let is_paid_elsewhere = request.boolean("/paid_out_of_band")?.unwrap_or(false);
    let is_free = integer(&account.copy("invoice", request.id())["amount_due"]) == 0;
    if is_paid_elsewhere || is_free {
        settle(account, request.id(), None);
        return Ok(account.copy("invoice", request.id()));
    }
    let off_session = request.boolean("/off_session")?.unwrap_or(false);
    match pay_invoice(account, request.id(), method.as_deref(), off_session) {
        Payment::Paid => Ok(account.copy("invoice", request.id())),
        Payment::Declined(error) => Err(error.keeping_changes()),
        Payment::NoMethod => Err(no_payment_method()),
        Payment::NeedsAction => {
            let message = "This payment requires additional user action before it can be completed successfully.";
            Err(ApiError::card("invoice_payment_intent_requires_action", None, message).keeping_changes())
        }
    }
}

fn finalize_draft(account: &mut Account, request: &Request) -> ApiResult {
    let invoice = account.find("invoice", request.id())?;
    if invoice["status"] != "draft" {
        return Err(ApiError::invalid("This invoice is already finalized, you can't re-finalize a non-draft invoice."));
    }
    finalize(account, request.id());
    Ok(account.copy("invoice", request.id()))
}

fn void_open(account: &mut Account, request: &Request) -> ApiResult {
    let invoice = account.find("invoice", request.id())?;
    if invoice["status"] != "open" {
        return Err(ApiError::invalid("You can only pass in open invoices."));
    }
    void(account, request.id());
    Ok(account.copy("invoice", request.id()))
}
