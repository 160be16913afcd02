//! `billing-sync`: brings the rows of an application's subscriptions to what the payment provider has, after each of its
//! events and once a day.

mod handler;

use billing::Billing;
use stripe::Stripe;
use time::Duration;

/// Messages that are handled at a time.
const AT_ONCE: usize = 4;

/// Runs the function until Lambda ends it.
#[tokio::main(flavor = "current_thread")]
pub async fn run() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let (table, allowed, meter) = (start.table(), start.allowed_networks(), start.meter());
    let plans = start.plans();
    let (url, secret_key) = (start.text("STRIPE_URL"), start.text("STRIPE_SECRET_KEY"));
    let billing = match secret_key.is_empty() || plans.is_empty() {
        true => None,
        false => {
            let stripe = Stripe::new(&url, secret_key, &allowed, meter.clone())?;
            // it changes nothing at the provider, and so takes no lease
            Some(Billing::new(table, plans, stripe, meter, Duration::ZERO))
        }
    };
    start.sqs(AT_ONCE, async |_, message| handler::handle(billing.as_ref(), message).await).await
}
