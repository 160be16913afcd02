//! The Stripe emulator of the stack: its prices, and the webhook endpoint that leads to the stack.

use std::path::Path;

use stripe_emulator::{Options, SeedPrice, StripeEmulator, WebhookTarget};
use tokio::net::TcpListener;

use crate::aws_json::http_client;
use crate::error::StackError;
use crate::listener::base_url;

/// Where Stripe posts its events.
const WEBHOOK_PATH: &str = "/1/billing/stripe-webhook";
/// The events that a billing system needs of its subscriptions.
const WEBHOOK_EVENTS: [&str; 11] = [
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.resumed",
    "customer.subscription.trial_will_end",
    "invoice.paid",
    "invoice.payment_failed",
    "invoice.payment_action_required",
    "customer.deleted",
    "payment_method.detached",
];
/// Products with their plans, and what they cost per month and per year, in cents. The amounts are examples.
const PLANS: [(&str, &str, i64, i64); 8] = [
    ("publish", "pro", 1_500, 14_400),
    ("publish", "small", 9_900, 101_000),
    ("publish", "business", 19_900, 203_000),
    ("publish", "agency", 39_900, 407_000),
    ("analyze", "early-access-10", 1_000, 10_000),
    ("analyze", "early-access-25", 2_500, 25_000),
    ("analyze", "early-access-50", 5_000, 50_000),
    ("analyze", "early-access-100", 10_000, 100_000),
];

/// Opens the emulator that a listener is for, with its data in the file `stripe.jsonl`. Its webhooks go to the stack at
/// `stack_url`.
pub(crate) fn open(listener: &TcpListener, data: &Path, stack_url: &str) -> Result<StripeEmulator, StackError> {
    let file = data.join("stripe.jsonl");
    let webhook = WebhookTarget {
        url: format!("{stack_url}{WEBHOOK_PATH}"),
        events: WEBHOOK_EVENTS.iter().map(|it| (*it).to_owned()).collect(),
    };
    let options =
        Options { file: Some(file.clone()), http: http_client()?, webhook: Some(webhook), prices: prices().collect() };
    StripeEmulator::open(&base_url(listener)?, options)
        .map_err(|it| StackError::Unwritable { path: file, source: it.into() })
}

/// A price of each plan for each cycle: `price_publish_pro_month`, …
fn prices() -> impl Iterator<Item = SeedPrice> {
    PLANS.into_iter().flat_map(|(product, plan, month, year)| {
        [("month", month), ("year", year)].map(|(cycle, unit_amount)| SeedPrice {
            id: format!("price_{product}_{plan}_{cycle}").replace('-', "_"),
            product: format!("prod_{product}"),
            unit_amount,
            interval: cycle.to_owned(),
        })
    })
}
