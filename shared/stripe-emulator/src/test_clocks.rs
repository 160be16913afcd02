//! Test clocks: the time of some customers, which stands until it is advanced.

use serde_json::{Value, json};

use crate::account::Account;
use crate::endpoint::Endpoint;
use crate::error::{ApiError, ApiResult};
use crate::json::integer;
use crate::list;
use crate::random::random_id;
use crate::request::Request;
use crate::schedule;

/// The range of times: those that calendars of periods can be computed with (until the year 2200).
const TIMES: (i64, i64) = (0, 7_258_118_400);

pub(crate) const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        method: "POST",
        path: "/v1/test_helpers/test_clocks",
        parameters: &["frozen_time", "name"],
        run: create,
    },
    Endpoint {
        method: "GET",
        path: "/v1/test_helpers/test_clocks",
        parameters: &["limit", "starting_after", "ending_before"],
        run: list,
    },
    Endpoint { method: "GET", path: "/v1/test_helpers/test_clocks/{}", parameters: &[], run: read },
    Endpoint { method: "DELETE", path: "/v1/test_helpers/test_clocks/{}", parameters: &[], run: delete },
    Endpoint {
        method: "POST",
        path: "/v1/test_helpers/test_clocks/{}/advance",
        parameters: &["frozen_time"],
        run: advance,
    },
];

fn frozen_time(request: &Request) -> Result<i64, ApiError> {
    let (first, last) = TIMES;
    request.integer_in("/frozen_time", first, last)?.ok_or_else(|| ApiError::missing("frozen_time"))
}

fn create(account: &mut Account, request: &Request) -> ApiResult {
    let clock = new_clock(account, frozen_time(request)?, request.text("/name"));
    account.put("test_clock", clock.clone());
    Ok(clock)
}

fn list(account: &mut Account, request: &Request) -> ApiResult {
    list::page(account, request, "test_clock", "/v1/test_helpers/test_clocks", |_| true)
}

fn read(account: &mut Account, request: &Request) -> ApiResult {
    account.find("test_clock", request.id())
}

/// Stripe carries the time forward while it answers `advancing`; here it has passed with the answer.
fn advance(account: &mut Account, request: &Request) -> ApiResult {
    let clock = account.find("test_clock", request.id())?;
    let time = frozen_time(request)?;
    if time <= integer(&clock["frozen_time"]) {
        return Err(ApiError::invalid("The new time must be after the current frozen time.").param("frozen_time"));
    }
    schedule::advance_test_clock(account, request.id(), time);
    let mut answer = account.copy("test_clock", request.id());
    answer["status"] = "advancing".into();
    Ok(answer)
}

/// Deletes a clock. Its customers, which Stripe deletes as well, stay and follow the account's clock.
fn delete(account: &mut Account, request: &Request) -> ApiResult {
    account.find("test_clock", request.id())?;
    account.remove("test_clock", request.id());
    Ok(json!({ "id": request.id(), "object": "test_helpers.test_clock", "deleted": true }))
}

/// A clock that stands at a time, not stored yet.
pub(crate) fn new_clock(account: &Account, time: i64, name: Option<&str>) -> Value {
    json!({
        "id": random_id("clock"), "object": "test_helpers.test_clock", "created": account.now(), "deletes_after": account.now(),
        "frozen_time": time, "livemode": false, "name": name, "status": "ready", "status_details": {},
    })
}
