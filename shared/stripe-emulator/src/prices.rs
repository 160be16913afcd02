//! Prices: an amount per unit, once or for each period.

use serde_json::{Value, json};

use crate::account::Account;
use crate::endpoint::Endpoint;
use crate::error::{ApiError, ApiResult};
use crate::list;
use crate::products::new_product;
use crate::random::random_id;
use crate::request::Request;

/// The largest amount, in cents (Stripe, Minimum and maximum charge amounts).
const MAX_AMOUNT: i64 = 99_999_999;
/// Intervals of a price, at most: three years (Stripe, Create a price).
static MAX_INTERVALS: [(&str, i64); 4] = [("day", 1_095), ("week", 156), ("month", 36), ("year", 3)];

pub(crate) const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        method: "POST",
        path: "/v1/prices",
        parameters: &[
            "currency",
            "unit_amount",
            "product",
            "product_data.name",
            "recurring.interval",
            "recurring.interval_count",
            "nickname",
            "lookup_key",
            "active",
            "metadata",
            "metadata.*",
        ],
        run: create,
    },
    Endpoint {
        method: "POST",
        path: "/v1/prices/{}",
        parameters: &["active", "nickname", "lookup_key", "metadata", "metadata.*"],
        run: update,
    },
    Endpoint {
        method: "GET",
        path: "/v1/prices",
        parameters: &[
            "active",
            "product",
            "currency",
            "type",
            "lookup_keys.*",
            "limit",
            "starting_after",
            "ending_before",
        ],
        run: list,
    },
    Endpoint { method: "GET", path: "/v1/prices/{}", parameters: &[], run: read },
];

/// A price that somebody makes.
#[derive(Debug)]
pub(crate) struct NewPrice<'a> {
    pub(crate) id: &'a str,
    pub(crate) product: &'a str,
    /// ISO 4217, in lower case.
    pub(crate) currency: &'a str,
    /// In the currency's smallest unit.
    pub(crate) unit_amount: i64,
    /// The interval and how many of them are a period; `None` for a price that is paid once.
    pub(crate) recurring: Option<(&'a str, i64)>,
}

impl NewPrice<'_> {
    /// The price, not stored yet.
    pub(crate) fn object(&self, account: &Account) -> Value {
        let recurring = self.recurring.map(|(interval, count)| {
            json!({
                "interval": interval, "interval_count": count, "meter": null, "trial_period_days": null, "usage_type": "licensed",
            })
        });
        json!({
            "id": self.id, "object": "price", "active": true, "billing_scheme": "per_unit", "created": account.now(),
            "currency": self.currency, "custom_unit_amount": null, "livemode": false, "lookup_key": null, "metadata": {},
            "nickname": null, "product": self.product, "recurring": recurring, "tax_behavior": "unspecified", "tiers_mode": null,
            "transform_quantity": null, "type": if self.recurring.is_some() { "recurring" } else { "one_time" },
            "unit_amount": self.unit_amount, "unit_amount_decimal": self.unit_amount.to_string(),
        })
    }
}

fn create(account: &mut Account, request: &Request) -> ApiResult {
    let currency = request.required("/currency")?.to_lowercase();
    if currency.len() != 3 || !currency.bytes().all(|it| it.is_ascii_lowercase()) {
        return Err(ApiError::invalid(&format!("Invalid currency: {currency}.")).param("currency"));
    }
    let unit_amount =
        request.integer_in("/unit_amount", 0, MAX_AMOUNT)?.ok_or_else(|| ApiError::missing("unit_amount"))?;
    let recurring = match request.value("/recurring") {
        None => None,
        Some(_) => {
            let interval = request.required("/recurring/interval")?;
            let limit = MAX_INTERVALS.iter().find(|it| it.0 == interval);
            let (interval, max) = limit.ok_or_else(|| {
                ApiError::invalid("Invalid recurring[interval]: must be one of month, year, week, or day")
                    .param("recurring[interval]")
            })?;
            Some((*interval, request.integer_in("/recurring/interval_count", 1, *max)?.unwrap_or(1)))
        }
    };
    let product = match (request.text("/product"), request.text("/product_data/name")) {
        (Some(product), None) => account.referenced("product", product, "product")?,
        (None, Some(name)) => {
            let product = new_product(account, &random_id("prod"), name);
            account.create("product", product.clone(), "product.created");
            product
        }
        _ => {
            return Err(ApiError::invalid(
                "You must specify either `product` or `product_data` when creating a price.",
            ));
        }
    };
    let product = product["id"].as_str().unwrap_or_default();
    let new = NewPrice { id: &random_id("price"), product, currency: &currency, unit_amount, recurring };
    let mut price = new.object(account);
    apply(request, &mut price)?;
    account.create("price", price.clone(), "price.created");
    Ok(price)
}

fn update(account: &mut Account, request: &Request) -> ApiResult {
    let mut price = account.find("price", request.id())?;
    apply(request, &mut price)?;
    account.save("price", price.clone(), "price.updated");
    Ok(price)
}

fn apply(request: &Request, price: &mut Value) -> Result<(), ApiError> {
    if let Some(active) = request.boolean("/active")? {
        price["active"] = active.into();
    }
    for name in ["nickname", "lookup_key"] {
        if let Some(value) = request.text(&format!("/{name}")) {
            price[name] = value.into();
        }
    }
    price["metadata"] = request.merged_metadata(&price["metadata"])?;
    Ok(())
}

fn read(account: &mut Account, request: &Request) -> ApiResult {
    account.find("price", request.id())
}

fn list(account: &mut Account, request: &Request) -> ApiResult {
    let active = request.boolean("/active")?;
    let keys = request.texts("/lookup_keys");
    let is_asked_for = |it: &Value| {
        active.is_none_or(|active| it["active"] == active)
            && ["product", "currency", "type"].iter().all(|name| list::has(request, &format!("/{name}"), &it[*name]))
            && (keys.is_empty() || keys.iter().any(|key| it["lookup_key"] == *key))
    };
    list::page(account, request, "price", "/v1/prices", is_asked_for)
}
