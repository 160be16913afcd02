//! Payment intents: what a client confirms in the browser, to pay an invoice.

use serde_json::{Value, json};

use crate::account::Account;
use crate::endpoint::Endpoint;
use crate::error::{ApiError, ApiResult};
use crate::invoicing::subscription_of;
use crate::json::text;
use crate::list;
use crate::payment::{Payment, decline_charge, default_method, no_payment_method, pay, settle};
use crate::payment_methods::attach_to;
use crate::request::Request;

pub(crate) const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        method: "GET",
        path: "/v1/payment_intents",
        parameters: &["customer", "limit", "starting_after", "ending_before"],
        run: list,
    },
    Endpoint { method: "GET", path: "/v1/payment_intents/{}", parameters: &["client_secret"], run: read },
    Endpoint {
        method: "POST",
        path: "/v1/payment_intents/{}/confirm",
        parameters: &["payment_method", "client_secret", "off_session", "return_url"],
        run: confirm,
    },
];

/// The states in which a payment can still be made.
const OPEN: [&str; 3] = ["requires_payment_method", "requires_confirmation", "requires_action"];

fn list(account: &mut Account, request: &Request) -> ApiResult {
    let is_asked_for = |it: &Value| list::has(request, "/customer", &it["customer"]);
    list::page(account, request, "payment_intent", "/v1/payment_intents", is_asked_for)
}

fn read(account: &mut Account, request: &Request) -> ApiResult {
    let intent = account.find("payment_intent", request.id())?;
    check_secret(&intent, request)?;
    Ok(intent)
}

/// Pays the invoice. A new payment method is attached to the customer, and becomes the subscription's if that is set so.
fn confirm(account: &mut Account, request: &Request) -> ApiResult {
    let intent = account.find("payment_intent", request.id())?;
    check_secret(&intent, request)?;
    check_open(&intent)?;
    let (customer, invoice) = (text(&intent["customer"]).to_owned(), text(&intent["_invoice"]).to_owned());
    let subscription = account.copy("subscription", subscription_of(&account.copy("invoice", &invoice)));
    let method = match request.text("/payment_method") {
        Some(method) => {
            let method = attach_to(account, method, &customer, "payment_method")?;
            Some(text(&method["id"]).to_owned())
        }
        None => default_method(account, &subscription),
    };
    let method = method.ok_or_else(no_payment_method)?;
    let off_session = request.boolean("/off_session")?.unwrap_or(false);
    match pay(account, &invoice, Some(&method), off_session) {
        Payment::Declined(error) => Err(error.keeping_changes()),
        Payment::NoMethod => Err(no_payment_method()),
        Payment::Paid | Payment::NeedsAction => {
            keep_method(account, text(&subscription["id"]), &method);
            Ok(account.copy("payment_intent", request.id()))
        }
    }
}

/// What the customer does in the browser when a payment needs them.
///
/// # Errors
/// If there is no such payment intent, or it waits for nobody.
pub(crate) fn authenticate(account: &mut Account, id: &str, succeeds: bool) -> ApiResult {
    let intent = account.find("payment_intent", id)?;
    if intent["status"] != "requires_action" {
        return Err(unexpected_state(&intent));
    }
    let invoice = text(&intent["_invoice"]).to_owned();
    let card = account.copy("payment_method", text(&intent["payment_method"]));
    if succeeds {
        settle(account, &invoice, Some(&card));
    } else {
        let message = "The provided PaymentMethod has failed authentication.";
        let error = ApiError::card("payment_intent_authentication_failure", None, message);
        decline_charge(account, &invoice, &card, error);
    }
    Ok(account.copy("payment_intent", id))
}

/// Makes a payment method the subscription's own, if `save_default_payment_method` asks for that.
fn keep_method(account: &mut Account, subscription: &str, method: &str) {
    let mut subscription = account.copy("subscription", subscription);
    if subscription["payment_settings"]["save_default_payment_method"] == "on_subscription" {
        subscription["default_payment_method"] = method.into();
        account.save("subscription", subscription, "customer.subscription.updated");
    }
}

fn check_secret(intent: &Value, request: &Request) -> Result<(), ApiError> {
    match request.text("/client_secret") {
        Some(secret) if intent["client_secret"] != secret => {
            Err(ApiError::no_such("payment_intent", text(&intent["id"]), "id"))
        }
        _ => Ok(()),
    }
}

fn check_open(intent: &Value) -> Result<(), ApiError> {
    if OPEN.contains(&text(&intent["status"])) { Ok(()) } else { Err(unexpected_state(intent)) }
}

fn unexpected_state(intent: &Value) -> ApiError {
    let message = format!("This PaymentIntent's status is {}.", text(&intent["status"]));
    let mut error = ApiError::invalid(&message).code("payment_intent_unexpected_state");
    error.error["payment_intent"] = json!({ "id": intent["id"], "status": intent["status"] });
    error
}
