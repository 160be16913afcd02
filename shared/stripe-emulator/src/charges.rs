//! Charges: what was taken from a card, or declined.

use serde_json::Value;

use crate::account::Account;
use crate::endpoint::Endpoint;
use crate::error::ApiResult;
use crate::list;
use crate::request::Request;

pub(crate) const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        method: "GET",
        path: "/v1/charges",
        parameters: &["customer", "payment_intent", "limit", "starting_after", "ending_before"],
        run: list,
    },
    Endpoint { method: "GET", path: "/v1/charges/{}", parameters: &[], run: read },
];

fn list(account: &mut Account, request: &Request) -> ApiResult {
    let is_asked_for = |it: &Value| {
        list::has(request, "/customer", &it["customer"]) && list::has(request, "/payment_intent", &it["payment_intent"])
    };
    list::page(account, request, "charge", "/v1/charges", is_asked_for)
}

fn read(account: &mut Account, request: &Request) -> ApiResult {
    account.find("charge", request.id())
}
