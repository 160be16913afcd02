//! `deliver-webhook`: one attempt per message to call a webhook, its outcome, its retry.

mod sender;

use delivery::Context;

/// Runs the function until Lambda ends it.
#[tokio::main(flavor = "current_thread")]
pub async fn run() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let allowed = start.allowed_networks();
    let sender = sender::WebhookSender::new(allowed);
    let parts = Context::new(&mut start, "WEBHOOK_QUEUE");
    delivery::run(start, parts, sender).await
}
