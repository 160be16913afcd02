//! Webhook endpoints: where events are delivered.

use serde_json::{Value, json};

use crate::account::Account;
use crate::endpoint::Endpoint;
use crate::error::{ApiError, ApiResult};
use crate::json::{elements, text};
use crate::list;
use crate::random::{random_id, random_text};
use crate::request::Request;
use crate::version::ApiVersion;

/// After a secret was replaced, events are signed with both for 24 hours (Stripe, Roll endpoint secrets).
const OVERLAP_SECONDS: i64 = 86_400;

pub(crate) const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        method: "POST",
        path: "/v1/webhook_endpoints",
        parameters: &["url", "enabled_events.*", "api_version", "description", "metadata", "metadata.*"],
        run: create,
    },
    Endpoint {
        method: "POST",
        path: "/v1/webhook_endpoints/{}",
        parameters: &["url", "enabled_events.*", "disabled", "description", "metadata", "metadata.*"],
        run: update,
    },
    Endpoint {
        method: "GET",
        path: "/v1/webhook_endpoints",
        parameters: &["limit", "starting_after", "ending_before"],
        run: list,
    },
    Endpoint { method: "GET", path: "/v1/webhook_endpoints/{}", parameters: &[], run: read },
    Endpoint { method: "DELETE", path: "/v1/webhook_endpoints/{}", parameters: &[], run: delete },
];

/// The secret is in this answer alone.
fn create(account: &mut Account, request: &Request) -> ApiResult {
    request.required("/url")?;
    if request.texts("/enabled_events").is_empty() {
        return Err(ApiError::missing("enabled_events"));
    }
    let version = match request.text("/api_version").map(ApiVersion::parse) {
        Some(None) => return Err(ApiError::invalid("Invalid Stripe API version").param("api_version")),
        Some(Some(version)) => json!(version.as_str()),
        None => Value::Null,
    };
    let secret = format!("whsec_{}", random_text(32));
    let mut endpoint = new_endpoint(account, &random_id("we"), &secret);
    endpoint["api_version"] = version;
    apply(request, &mut endpoint)?;
    account.put("webhook_endpoint", endpoint.clone());
    endpoint["secret"] = secret.into();
    Ok(endpoint)
}

fn update(account: &mut Account, request: &Request) -> ApiResult {
    let mut endpoint = account.find("webhook_endpoint", request.id())?;
    apply(request, &mut endpoint)?;
    if let Some(disabled) = request.boolean("/disabled")? {
        endpoint["status"] = if disabled { "disabled" } else { "enabled" }.into();
    }
    account.put("webhook_endpoint", endpoint.clone());
    Ok(endpoint)
}

fn apply(request: &Request, endpoint: &mut Value) -> Result<(), ApiError> {
    if let Some(url) = request.text("/url") {
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(
                ApiError::invalid("Invalid URL: An explicit scheme (such as https) must be provided.").param("url")
            );
        }
        endpoint["url"] = url.into();
    }
    let events = request.texts("/enabled_events");
    if !events.is_empty() {
        endpoint["enabled_events"] = events.into();
    }
    if let Some(description) = request.text("/description") {
        endpoint["description"] = description.into();
    }
    endpoint["metadata"] = request.merged_metadata(&endpoint["metadata"])?;
    Ok(())
}

fn list(account: &mut Account, request: &Request) -> ApiResult {
    list::page(account, request, "webhook_endpoint", "/v1/webhook_endpoints", |_| true)
}

fn read(account: &mut Account, request: &Request) -> ApiResult {
    account.find("webhook_endpoint", request.id())
}

fn delete(account: &mut Account, request: &Request) -> ApiResult {
    account.find("webhook_endpoint", request.id())?;
    account.remove("webhook_endpoint", request.id());
    Ok(json!({ "id": request.id(), "object": "webhook_endpoint", "deleted": true }))
}

/// An endpoint without an address, not stored yet.
pub(crate) fn new_endpoint(account: &Account, id: &str, secret: &str) -> Value {
    json!({
        "id": id, "object": "webhook_endpoint", "api_version": null, "application": null, "created": account.now(),
        "description": null, "enabled_events": [], "livemode": false, "metadata": {}, "status": "enabled", "url": null,
        "_secrets": [{ "secret": secret, "until": null }],
    })
}

/// Gives an endpoint a new secret, beside which the old one is used for 24 hours. Answers the new one.
///
/// # Errors
/// If there is no such endpoint.
pub(crate) fn roll_secret(account: &mut Account, id: &str) -> Result<String, ApiError> {
    let mut endpoint = account.find("webhook_endpoint", id)?;
    let secret = format!("whsec_{}", random_text(32));
    let until = account.now() + OVERLAP_SECONDS;
    let old = json!({ "secret": secrets(account, &endpoint).first(), "until": until });
    endpoint["_secrets"] = json!([{ "secret": secret, "until": null }, old]);
    account.put("webhook_endpoint", endpoint);
    Ok(secret)
}

/// The secrets that events for an endpoint are signed with, newest first.
pub(crate) fn secrets(account: &Account, endpoint: &Value) -> Vec<String> {
    let is_used = |it: &&Value| it["until"].as_i64().is_none_or(|until| until > account.now());
    elements(&endpoint["_secrets"]).iter().filter(is_used).map(|it| text(&it["secret"]).to_owned()).collect()
}
