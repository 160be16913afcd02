//! Events, as the API shows them.

use serde_json::Value;

use crate::account::Account;
use crate::endpoint::Endpoint;
use crate::error::ApiResult;
use crate::json::text;
use crate::list;
use crate::request::Request;

pub(crate) const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        method: "GET",
        path: "/v1/events",
        parameters: &["type", "types.*", "limit", "starting_after", "ending_before"],
        run: list,
    },
    Endpoint { method: "GET", path: "/v1/events/{}", parameters: &[], run: read },
];

/// `type` may end with `.*`.
fn list(account: &mut Account, request: &Request) -> ApiResult {
    let types = request.texts("/types");
    let is_asked_for = |it: &Value| {
        let kind = text(&it["type"]);
        let fits = |pattern: &str| match pattern.strip_suffix('*') {
            Some(start) => kind.starts_with(start),
            None => kind == pattern,
        };
        request.text("/type").is_none_or(fits) && (types.is_empty() || types.contains(&kind))
    };
    list::page(account, request, "event", "/v1/events", is_asked_for)
}

fn read(account: &mut Account, request: &Request) -> ApiResult {
    account.find("event", request.id())
}
