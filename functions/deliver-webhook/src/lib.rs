//! `deliver-webhook`: one attempt per message to call a webhook, its outcome, its retry.

mod sender;

use delivery::Parts;

/// Runs the function until Lambda ends it.
#[tokio::main(flavor = "current_thread")]
pub async fn run() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let allowed = start.allowed_networks();
    let sender = sender::Webhooks::new(allowed);
    let parts = Parts::new(&mut start, "WEBHOOK_QUEUE");
    delivery::run(start, parts, sender).await
}
