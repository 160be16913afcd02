//! Payment methods: cards of customers.

use serde_json::{Value, json};

use crate::account::Account;
use crate::cards::{Card, Outcome};
use crate::endpoint::Endpoint;
use crate::error::{ApiError, ApiResult};
use crate::json::{is_true, text};
use crate::list;
use crate::random::random_id;
use crate::request::Request;
use crate::tokens::{card_of_number, consume, fixture_card};

const LIST: &[&str] = &["customer", "type", "limit", "starting_after", "ending_before"];

pub(crate) const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        method: "POST",
        path: "/v1/payment_methods",
        parameters: &[
            "type",
            "card.token",
            "card.number",
            "card.exp_month",
            "card.exp_year",
            "card.cvc",
            "metadata",
            "metadata.*",
        ],
        run: create,
    },
    Endpoint { method: "GET", path: "/v1/payment_methods", parameters: LIST, run: list },
    Endpoint { method: "GET", path: "/v1/payment_methods/{}", parameters: &[], run: read },
    Endpoint { method: "POST", path: "/v1/payment_methods/{}/attach", parameters: &["customer"], run: attach },
    Endpoint { method: "POST", path: "/v1/payment_methods/{}/detach", parameters: &[], run: detach },
    Endpoint { method: "GET", path: "/v1/customers/{}/payment_methods", parameters: LIST, run: list_of_customer },
];

fn create(account: &mut Account, request: &Request) -> ApiResult {
    if request.required("/type")? != "card" {
        return Err(ApiError::invalid("Invalid type: must be card").param("type"));
    }
    let metadata = request.merged_metadata(&json!({}))?;
    let (card, expiry) = match request.text("/card/token") {
        Some(token) => consume(account, token)?,
        None => card_of_number(request)?,
    };
    let mut method = new_method(account, card, expiry);
    method["metadata"] = metadata;
    account.put("payment_method", method.clone());
    Ok(method)
}

fn read(account: &mut Account, request: &Request) -> ApiResult {
    match fixture_card(request.id()) {
        Some((card, expiry)) => Ok(new_method(account, card, expiry)),
        None => account.find("payment_method", request.id()),
    }
}

fn list(account: &mut Account, request: &Request) -> ApiResult {
    let customer = request.required("/customer")?.to_owned();
    account.referenced("customer", &customer, "customer")?;
    page_of_customer(account, request, &customer, "/v1/payment_methods")
}

fn list_of_customer(account: &mut Account, request: &Request) -> ApiResult {
    let customer = request.id();
    account.find("customer", customer)?;
    page_of_customer(account, request, customer, &format!("/v1/customers/{customer}/payment_methods"))
}

fn page_of_customer(account: &Account, request: &Request, customer: &str, url: &str) -> ApiResult {
    let is_asked_for = |it: &Value| it["customer"] == customer && list::has(request, "/type", &it["type"]);
    list::page(account, request, "payment_method", url, is_asked_for)
}

fn attach(account: &mut Account, request: &Request) -> ApiResult {
    let customer = request.required("/customer")?;
    account.referenced("customer", customer, "customer")?;
    attach_to(account, request.id(), customer, "id")
}

fn detach(account: &mut Account, request: &Request) -> ApiResult {
    let mut method = account.find("payment_method", request.id())?;
    if !method["customer"].is_string() {
        return Err(ApiError::invalid(
            "The payment method you provided is not attached to a customer so detachment is impossible.",
        ));
    }
    let customer = text(&method["customer"]).to_owned();
    method["customer"] = Value::Null;
    method["_detached"] = true.into();
    account.save("payment_method", method.clone(), "payment_method.detached");
    let mut owner = account.copy("customer", &customer);
    if owner["invoice_settings"]["default_payment_method"] == request.id() {
        owner["invoice_settings"]["default_payment_method"] = Value::Null;
        account.save("customer", owner, "customer.updated");
    }
    Ok(method)
}

/// Attaches a payment method, or a new one of a fixture, to a customer that exists. `param` is the parameter that named it.
///
/// # Errors
/// 402 if the card is declined; 400 if it was another customer's, or detached.
pub(crate) fn attach_to(account: &mut Account, id: &str, customer: &str, param: &str) -> ApiResult {
    let mut method = match fixture_card(id) {
        Some((card, expiry)) => new_method(account, card, expiry),
        None => {
            account.get("payment_method", id).cloned().ok_or_else(|| ApiError::no_such("payment_method", id, param))?
        }
    };
    if method["customer"] == customer {
        return Ok(method);
    }
    if method["customer"].is_string() {
        return Err(ApiError::invalid("The payment method you provided has already been attached to a customer."));
    }
    if is_true(&method["_detached"]) {
        return Err(ApiError::invalid(
            "This PaymentMethod was previously used without being attached to a Customer or was detached from a Customer, and may not be used again.",
        ));
    }
    if let Outcome::DeclinedAtOnce(decline) = outcome(&method) {
        return Err(decline.error());
    }
    method["customer"] = customer.into();
    account.put("payment_method", method.clone());
    account.emit("payment_method.attached", method.clone(), None);
    Ok(method)
}

/// What becomes of charges of a payment method.
pub(crate) fn outcome(method: &Value) -> Outcome {
    Card::of_name(text(&method["_card"])).map_or(Outcome::Succeeds, Card::outcome)
}

/// The id of a payment method that is attached to a customer.
///
/// # Errors
/// 400 `resource_missing`, if it is not.
pub(crate) fn attached(account: &Account, id: &str, customer: &str, param: &str) -> Result<String, ApiError> {
    let is_attached = account.get("payment_method", id).is_some_and(|it| it["customer"] == customer);
    if is_attached {
        return Ok(id.to_owned());
    }
    let message = format!(
        "The customer does not have a payment method with the ID {id}. The payment method must be attached to the customer."
    );
    Err(ApiError::invalid(&message).code("resource_missing").param(param))
}

fn new_method(account: &Account, card: &Card, expiry: (i64, i64)) -> Value {
    json!({
        "id": random_id("pm"), "object": "payment_method", "allow_redisplay": "unspecified",
        "billing_details": { "address": null, "email": null, "name": null, "phone": null, "tax_id": null },
        "card": card.shown(expiry), "created": account.now(), "customer": null, "livemode": false, "metadata": {},
        "type": "card", "_card": card.name,
    })
}
