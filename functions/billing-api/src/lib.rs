//! `billing-api`: the published billing endpoints (billing, section 1), and Stripe's webhook. `docs-api` serves the
//! description of the routes.

mod answer;
mod asked;
mod attempt;
mod caller;
mod cancel;
mod change;
mod context;
mod dto;
mod handler;
mod params;
mod plans;
mod retrieve;
mod route;
mod subscribe;
mod trial;
mod webhook;

use std::sync::Arc;
use std::time::Duration;

use billing::Billing;
use domain::application::Scope;
use entry::http::{Authenticator, CorsPolicy};
use stripe::Stripe;
use utoipa::OpenApi;

use crate::context::{Context, Provider};

/// How much of a function's time is left for the answer, in seconds.
const RESERVED_SECONDS: u32 = 4;
/// How much longer than a function runs its lease lasts, in seconds: two requests never change one subscription.
const LEASE_MARGIN_SECONDS: u32 = 2;

#[derive(OpenApi)]
#[openapi(paths(
    retrieve::retrieve,
    trial::start,
    trial::cancel,
    subscribe::start_or_update,
    cancel::cancel,
    plans::plans,
    plans::limits
))]
struct Description;

/// The OpenAPI description of the routes.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Description::openapi()
}

/// Runs the function until Lambda ends it.
#[tokio::main(flavor = "current_thread")]
pub async fn run() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let (table, seal) = (start.table(), Arc::new(start.seal()));
    let allowed = start.allowed_networks();
    let authenticator = Authenticator::new(table.clone(), seal, &allowed, Scope::Billing);
    let cors = CorsPolicy::AllowedOrigins(start.allowed_origins(&table));
    let (plans, seconds, meter) = (start.plans(), start.number("BILLING_SECONDS"), start.meter());
    let (url, secret_key) = (start.text("STRIPE_URL"), start.text("STRIPE_SECRET_KEY"));
    let (webhook_secret, queue) = (start.text("STRIPE_WEBHOOK_SECRET"), start.queue("BILLING_QUEUE"));
    let provider = match secret_key.is_empty() || plans.is_empty() {
        true => None,
        false => {
            let stripe = Stripe::new(&url, secret_key, &allowed, meter.clone())?;
            let lease = time::Duration::seconds(i64::from(seconds + LEASE_MARGIN_SECONDS));
            let billing = Billing::new(table.clone(), plans, stripe, meter, lease);
            Some(Provider { billing, webhook_secret, queue })
        }
    };
    let budget = Duration::from_secs(seconds.saturating_sub(RESERVED_SECONDS).max(1).into());
    start.http(handler::router(Context { table, authenticator, provider, budget }), cors).await
}
