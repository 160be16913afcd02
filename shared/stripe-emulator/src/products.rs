//! Products: what prices are for.

use serde_json::{Value, json};

use crate::account::Account;
use crate::endpoint::Endpoint;
use crate::error::{ApiError, ApiResult};
use crate::list;
use crate::random::random_id;
use crate::request::Request;

const WRITABLE: &[&str] = &["id", "name", "description", "active", "metadata", "metadata.*"];

pub(crate) const ENDPOINTS: &[Endpoint] = &[
    Endpoint { method: "POST", path: "/v1/products", parameters: WRITABLE, run: create },
    Endpoint {
        method: "POST",
        path: "/v1/products/{}",
        parameters: &["name", "description", "active", "metadata", "metadata.*"],
        run: update,
    },
    Endpoint {
        method: "GET",
        path: "/v1/products",
        parameters: &["active", "limit", "starting_after", "ending_before"],
        run: list,
    },
    Endpoint { method: "GET", path: "/v1/products/{}", parameters: &[], run: read },
];

fn create(account: &mut Account, request: &Request) -> ApiResult {
    let name = request.required("/name")?;
    let id = request.text("/id").map_or_else(|| random_id("prod"), str::to_owned);
    if account.get("product", &id).is_some() {
        return Err(ApiError::invalid("Product already exists.").code("resource_already_exists").param("id"));
    }
    let mut product = new_product(account, &id, name);
    apply(request, &mut product)?;
    account.create("product", product.clone(), "product.created");
    Ok(product)
}

fn update(account: &mut Account, request: &Request) -> ApiResult {
    let mut product = account.find("product", request.id())?;
    apply(request, &mut product)?;
    account.save("product", product.clone(), "product.updated");
    Ok(product)
}

fn apply(request: &Request, product: &mut Value) -> Result<(), ApiError> {
    if let Some(active) = request.boolean("/active")? {
        product["active"] = active.into();
    }
    for name in ["name", "description"] {
        if let Some(value) = request.text(&format!("/{name}")) {
            product[name] = value.into();
        }
    }
    product["metadata"] = request.merged_metadata(&product["metadata"])?;
    Ok(())
}

fn read(account: &mut Account, request: &Request) -> ApiResult {
    account.find("product", request.id())
}

fn list(account: &mut Account, request: &Request) -> ApiResult {
    let active = request.boolean("/active")?;
    let is_asked_for = |it: &Value| active.is_none_or(|active| it["active"] == active);
    list::page(account, request, "product", "/v1/products", is_asked_for)
}

/// A product that is not stored yet.
pub(crate) fn new_product(account: &Account, id: &str, name: &str) -> Value {
    json!({
        "id": id, "object": "product", "active": true, "created": account.now(), "default_price": null, "description": null,
        "images": [], "livemode": false, "marketing_features": [], "metadata": {}, "name": name, "package_dimensions": null,
        "shippable": null, "statement_descriptor": null, "tax_code": null, "type": "service", "unit_label": null,
        "updated": account.now(), "url": null,
    })
}
