//! The items of a subscription, as a request wants them, and their periods.

use serde_json::{Value, json};

use crate::account::Account;
use crate::error::ApiError;
use crate::form;
use crate::json::{elements, text};
use crate::period::Cycle;
use crate::random::random_id;
use crate::request::{Request, shown};

/// The largest quantity.
const MAX_QUANTITY: i64 = 999_999;

/// The items of a subscription after the changes of `items`. An element with an `id` changes that item, or removes it; one
/// without adds an item, whose period is not set yet.
pub(super) fn changed(account: &Account, request: &Request, subscription: &Value) -> Result<Vec<Value>, ApiError> {
    let mut items = elements(&subscription["items"]).to_vec();
    let changes = request.value("/items").map(form::elements).unwrap_or_default();
    for (index, _) in changes {
        let pointer = |name: &str| format!("/items/{index}/{name}");
        let position = match request.text(&pointer("id")) {
            Some(id) => {
                let found = items.iter().position(|it| it["id"] == id);
                found.ok_or_else(|| ApiError::no_such("subscription_item", id, &shown(&pointer("id"))))?
            }
            None => {
                request.required(&pointer("price"))?;
                items.push(new_item(account, subscription));
                items.len() - 1
            }
        };
        if request.boolean(&pointer("deleted"))? == Some(true) {
            items.remove(position);
            continue;
        }
        if let Some(price) = request.text(&pointer("price")) {
            items[position]["price"] = price_for(account, price, &shown(&pointer("price")))?;
        }
        if let Some(quantity) = request.integer_in(&pointer("quantity"), 0, MAX_QUANTITY)? {
            items[position]["quantity"] = quantity.into();
        }
    }
    check(&items, text(&subscription["billing_mode"]["type"]))?;
    Ok(items)
}

/// A list object of items.
pub(super) fn list(subscription: &str, items: Vec<Value>) -> Value {
    let url = format!("/v1/subscription_items?subscription={subscription}");
    json!({ "object": "list", "data": items, "has_more": false, "url": url })
}

/// Begins a period at a time: it ends at the next boundary of the anchor's.
pub(super) fn start_period(item: &mut Value, anchor: i64, now: i64) {
    item["current_period_start"] = now.into();
    item["current_period_end"] = Cycle::of_price(&item["price"]).next_after(anchor, now).into();
}

/// Whether an item that was there before is charged at another interval now.
pub(super) fn interval_changed(old: &[Value], new: &[Value]) -> bool {
    let cycle = |it: &Value| Cycle::of_price(&it["price"]);
    new.iter().any(|item| old.iter().any(|it| it["id"] == item["id"] && cycle(it) != cycle(item)))
}

/// The sum of the items for a whole period.
pub(super) fn total(items: &[Value]) -> i64 {
    items.iter().map(crate::invoicing::amount_of).sum()
}

fn new_item(account: &Account, subscription: &Value) -> Value {
    json!({
        "id": random_id("si"), "object": "subscription_item", "billing_thresholds": null,
        "created": account.now_of(text(&subscription["customer"])), "current_period_end": null, "current_period_start": null,
        "discounts": [], "metadata": {}, "price": null, "quantity": 1, "subscription": subscription["id"], "tax_rates": [],
    })
}

fn price_for(account: &Account, id: &str, param: &str) -> Result<Value, ApiError> {
    let price = account.referenced("price", id, param)?;
    if price["type"] != "recurring" {
        let message =
            "The price specified is set to `type=one_time` but this field only accepts prices with `type=recurring`.";
        return Err(ApiError::invalid(message).param(param));
    }
    if price["active"] != true {
        let message = "The price specified is inactive. This field only accepts active prices.";
        return Err(ApiError::invalid(message).param(param));
    }
    Ok(price)
}

/// Refuses items that cannot be together on a subscription.
fn check(items: &[Value], billing_mode: &str) -> Result<(), ApiError> {
    let Some(first) = items.first() else {
        return Err(ApiError::invalid("A subscription must have at least one active plan."));
    };
    for (index, item) in items.iter().enumerate() {
        let (price, is_same) = (&item["price"], |it: &Value| it["price"]["id"] == item["price"]["id"]);
        if items[..index].iter().any(is_same) {
            let message = format!("Cannot add multiple subscription items with the same plan: {}", text(&price["id"]));
            return Err(ApiError::invalid(&message));
        }
        let mismatch = if price["currency"] != first["price"]["currency"] {
            "currency"
        } else if billing_mode == "classic" && Cycle::of_price(price) != Cycle::of_price(&first["price"]) {
            "interval"
        } else {
            continue;
        };
        let message = format!(
            "Currency and interval fields must match across all plans on this subscription. Found mismatch in {mismatch} field."
        );
        return Err(ApiError::invalid(&message));
    }
    Ok(())
}
