//! Customers.

use serde_json::{Value, json};

use crate::account::Account;
use crate::endpoint::Endpoint;
use crate::error::{ApiError, ApiResult};
use crate::json::{is_true, text};
use crate::list;
use crate::payment_methods::{attach_to, attached};
use crate::random::{random_id, random_text};
use crate::request::Request;
use crate::subscriptions::lifecycle;

/// Parameters that are kept as they come.
const PLAIN: [&str; 4] = ["email", "name", "description", "phone"];

pub(crate) const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        method: "POST",
        path: "/v1/customers",
        parameters: &[
            "email",
            "name",
            "description",
            "phone",
            "metadata",
            "metadata.*",
            "payment_method",
            "invoice_settings.default_payment_method",
            "test_clock",
        ],
        run: create,
    },
    Endpoint {
        method: "POST",
        path: "/v1/customers/{}",
        parameters: &[
            "email",
            "name",
            "description",
            "phone",
            "metadata",
            "metadata.*",
            "invoice_settings.default_payment_method",
        ],
        run: update,
    },
    Endpoint {
        method: "GET",
        path: "/v1/customers",
        parameters: &["email", "test_clock", "limit", "starting_after", "ending_before"],
        run: list,
    },
    Endpoint { method: "GET", path: "/v1/customers/{}", parameters: &[], run: read },
    Endpoint { method: "DELETE", path: "/v1/customers/{}", parameters: &[], run: delete },
];

fn create(account: &mut Account, request: &Request) -> ApiResult {
    let id = random_id("cus");
    let clock = match request.text("/test_clock") {
        Some(clock) => account.referenced("test_clock", clock, "test_clock")?,
        None => Value::Null,
    };
    let now = clock["frozen_time"].as_i64().unwrap_or_else(|| account.now());
    let mut customer = json!({
        "id": id, "object": "customer", "address": null, "balance": 0, "created": now, "currency": null, "default_source": null,
        "delinquent": false, "description": null, "discount": null, "email": null, "invoice_prefix": random_text(8).to_uppercase(),
        "invoice_settings": { "custom_fields": null, "default_payment_method": null, "footer": null, "rendering_options": null },
        "livemode": false, "metadata": {}, "name": null, "next_invoice_sequence": 1, "phone": null, "preferred_locales": [],
        "shipping": null, "tax_exempt": "none", "test_clock": clock["id"],
    });
    let attached_method = match request.text("/payment_method") {
        Some(method) => Some((method, attach_to(account, method, &id, "payment_method")?)),
        None => None,
    };
    apply(account, request, &mut customer, attached_method.as_ref().map(|it| (it.0, text(&it.1["id"]))))?;
    account.create("customer", customer.clone(), "customer.created");
    Ok(customer)
}

fn update(account: &mut Account, request: &Request) -> ApiResult {
    let mut customer = account.referenced("customer", request.id(), "id")?;
    apply(account, request, &mut customer, None)?;
    account.save("customer", customer.clone(), "customer.updated");
    Ok(customer)
}

/// Applies the parameters. `new_method` is the payment method that the request attached: as it named it, and its id.
fn apply(
    account: &Account,
    request: &Request,
    customer: &mut Value,
    new_method: Option<(&str, &str)>,
) -> Result<(), ApiError> {
    for name in PLAIN {
        if let Some(value) = request.text(&format!("/{name}")) {
            customer[name] = if value.is_empty() { Value::Null } else { value.into() };
        }
    }
    customer["metadata"] = request.merged_metadata(&customer["metadata"])?;
    if let Some(method) = request.text("/invoice_settings/default_payment_method") {
        let param = "invoice_settings[default_payment_method]";
        customer["invoice_settings"]["default_payment_method"] = match (method, new_method) {
            ("", _) => Value::Null,
            (method, Some((name, id))) if name == method => id.into(),
            (method, _) => attached(account, method, text(&customer["id"]), param)?.into(),
        };
    }
    Ok(())
}

fn read(account: &mut Account, request: &Request) -> ApiResult {
    account.find("customer", request.id())
}

fn list(account: &mut Account, request: &Request) -> ApiResult {
    let is_asked_for = |it: &Value| {
        !is_true(&it["deleted"])
            && list::has(request, "/email", &it["email"])
            && list::has(request, "/test_clock", &it["test_clock"])
    };
    list::page(account, request, "customer", "/v1/customers", is_asked_for)
}

/// Deletes a customer, and cancels its subscriptions at once. What is left can still be read.
fn delete(account: &mut Account, request: &Request) -> ApiResult {
    let customer = account.referenced("customer", request.id(), "id")?;
    let belongs = |it: &&Value| it["customer"] == request.id();
    let subscriptions: Vec<String> =
        account.all("subscription").filter(belongs).map(|it| text(&it["id"]).to_owned()).collect();
    for subscription in subscriptions {
        lifecycle::cancel(account, &subscription);
    }
    let methods: Vec<Value> = account.all("payment_method").filter(belongs).cloned().collect();
    for mut method in methods {
        method["customer"] = Value::Null;
        method["_detached"] = true.into();
        account.save("payment_method", method, "payment_method.detached");
    }
    account.emit("customer.deleted", customer, None);
    let deleted = json!({ "id": request.id(), "object": "customer", "deleted": true });
    account.put("customer", deleted.clone());
    Ok(deleted)
}
