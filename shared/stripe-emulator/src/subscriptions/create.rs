//! `POST /v1/subscriptions`.

use serde_json::{Value, json};

use super::lifecycle::{TRIAL_NOTICE, announce_trial_end};
use super::{billing, fields, items};
use crate::account::Account;
use crate::error::{ApiError, ApiResult};
use crate::invoicing::{draft, period_line, trial_line};
use crate::random::random_id;
use crate::request::Request;
use crate::version::CLOVER;

pub(super) const PARAMETERS: &[&str] = &[
    "customer",
    "items.*.price",
    "items.*.quantity",
    "metadata",
    "metadata.*",
    "description",
    "default_payment_method",
    "payment_behavior",
    "off_session",
    "proration_behavior",
    "trial_period_days",
    "trial_end",
    "trial_settings.end_behavior.missing_payment_method",
    "cancel_at_period_end",
    "billing_mode.type",
    "payment_settings.save_default_payment_method",
    "payment_settings.payment_method_types.*",
];

pub(super) fn create(account: &mut Account, request: &Request) -> ApiResult {
    let customer = account.referenced("customer", request.required("/customer")?, "customer")?;
    let now = account.now_of(request.required("/customer")?);
    let behavior = fields::payment_behavior(request)?;
    fields::proration_behavior(request)?; // nothing is prorated yet
    let off_session = request.boolean("/off_session")?.unwrap_or(false);
    if request.value("/items").is_none() {
        return Err(ApiError::missing("items"));
    }
    let trial_end = fields::trial_end(request, now)?.filter(|it| *it > now);
    let id = random_id("sub");
    let mut subscription = new_subscription(&id, &customer, now);
    let billing_mode = request.choice("/billing_mode/type", &["classic", "flexible"])?;
    let default_mode = if request.version.is_before(CLOVER) { "classic" } else { "flexible" };
    subscription["billing_mode"]["type"] = billing_mode.unwrap_or(default_mode).into();
    fields::apply(account, request, &mut subscription)?;
    let mut new_items = items::changed(account, request, &subscription)?;
    for item in &mut new_items {
        items::start_period(item, now, now);
        if let Some(trial_end) = trial_end {
            item["current_period_end"] = trial_end.into();
        }
    }
    if let Some(trial_end) = trial_end {
        subscription["trial_start"] = now.into();
        subscription["trial_end"] = trial_end.into();
        subscription["billing_cycle_anchor"] = trial_end.into();
    }
    let line = if trial_end.is_some() { trial_line } else { period_line };
    let lines = new_items.iter().map(|it| line(&subscription, it)).collect();
    subscription["currency"] = new_items[0]["price"]["currency"].clone();
    subscription["items"] = items::list(&id, new_items);
    fields::apply_cancel_at_period_end(request, &mut subscription, now)?;
    subscription["_silent"] = true.into();
    account.put("subscription", subscription);

    let invoice = draft(account, &id, lines, "subscription_create");
    billing::collect(account, &invoice, &behavior, off_session)?;

    let mut created = account.copy("subscription", &id);
    created["_silent"] = false.into();
    if trial_end.is_some() {
        created["status"] = "trialing".into();
    }
    account.create("subscription", created.clone(), "customer.subscription.created");
    if trial_end.is_some_and(|it| it - now <= TRIAL_NOTICE) {
        announce_trial_end(account, &id);
    }
    Ok(account.copy("subscription", &id))
}

fn new_subscription(id: &str, customer: &Value, now: i64) -> Value {
    json!({
        "id": id, "object": "subscription", "application": null, "application_fee_percent": null,
        "automatic_tax": { "disabled_reason": null, "enabled": false, "liability": null }, "billing_cycle_anchor": now,
        "billing_cycle_anchor_config": null, "billing_mode": { "flexible": null, "type": null }, "billing_thresholds": null,
        "cancel_at": null, "cancel_at_period_end": false, "canceled_at": null,
        "cancellation_details": { "comment": null, "feedback": null, "reason": null },
        "collection_method": "charge_automatically", "created": now, "currency": null, "customer": customer["id"],
        "days_until_due": null, "default_payment_method": null, "default_source": null, "default_tax_rates": [],
        "description": null, "discounts": [], "ended_at": null, "items": null, "latest_invoice": null, "livemode": false,
        "metadata": {}, "next_pending_invoice_item_invoice": null, "on_behalf_of": null, "pause_collection": null,
        "payment_settings": {
            "payment_method_options": null, "payment_method_types": null, "save_default_payment_method": "off",
        },
        "pending_invoice_item_interval": null, "pending_setup_intent": null, "pending_update": null, "schedule": null,
        "start_date": now, "status": "incomplete", "test_clock": customer["test_clock"], "transfer_data": null,
        "trial_end": null, "trial_settings": { "end_behavior": { "missing_payment_method": "create_invoice" } },
        "trial_start": null,
    })
}
