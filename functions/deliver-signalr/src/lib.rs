//! `deliver-signalr`: invokes methods of customers' SignalR hubs, one attempt per message, and schedules retries.

mod sender;

use delivery::Context;

/// Runs the function until Lambda ends it.
#[tokio::main(flavor = "current_thread")]
pub async fn run() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let allowed = start.allowed_networks();
    let sender = sender::SignalRSender::new(allowed)?;
    let context = Context::new(&mut start, "SIGNALR_QUEUE");
    delivery::run(start, context, sender).await
}
