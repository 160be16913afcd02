//! Subscriptions: what the API does with them, and what becomes of them by time (`lifecycle`).

mod billing;
mod cancel;
mod create;
mod fields;
mod items;
pub(crate) mod lifecycle;
mod resume;
mod update;

use serde_json::Value;

use crate::account::Account;
use crate::endpoint::Endpoint;
use crate::error::ApiResult;
use crate::json::{elements, text};
use crate::list;
use crate::request::Request;

/// What `status` can ask for.
const STATUSES: [&str; 10] = [
    "active",
    "all",
    "canceled",
    "ended",
    "incomplete",
    "incomplete_expired",
    "past_due",
    "paused",
    "trialing",
    "unpaid",
];

pub(crate) const ENDPOINTS: &[Endpoint] = &[
    Endpoint { method: "POST", path: "/v1/subscriptions", parameters: create::PARAMETERS, run: create::create },
    Endpoint { method: "POST", path: "/v1/subscriptions/{}", parameters: update::PARAMETERS, run: update::update },
    Endpoint { method: "DELETE", path: "/v1/subscriptions/{}", parameters: cancel::PARAMETERS, run: cancel::cancel },
    Endpoint {
        method: "POST",
        path: "/v1/subscriptions/{}/resume",
        parameters: resume::PARAMETERS,
        run: resume::resume,
    },
    Endpoint { method: "GET", path: "/v1/subscriptions/{}", parameters: &[], run: read },
    Endpoint {
        method: "GET",
        path: "/v1/subscriptions",
        parameters: &["customer", "price", "status", "test_clock", "limit", "starting_after", "ending_before"],
        run: list,
    },
];

fn read(account: &mut Account, request: &Request) -> ApiResult {
    account.find("subscription", request.id())
}

/// A list without `status` has those that have not ended.
fn list(account: &mut Account, request: &Request) -> ApiResult {
    if let Some(customer) = request.text("/customer") {
        account.referenced("customer", customer, "customer")?;
    }
    let status = request.choice("/status", &STATUSES)?;
    let is_asked_for = |it: &Value| {
        let current = text(&it["status"]);
        let has_status = match status {
            None => !lifecycle::has_ended(current),
            Some("all") => true,
            Some("ended") => lifecycle::has_ended(current),
            Some(status) => status == current,
        };
        let has_price = request
            .text("/price")
            .is_none_or(|price| elements(&it["items"]).iter().any(|item| item["price"]["id"] == price));
        has_status
            && has_price
            && list::has(request, "/customer", &it["customer"])
            && list::has(request, "/test_clock", &it["test_clock"])
    };
    list::page(account, request, "subscription", "/v1/subscriptions", is_asked_for)
}
