//! `deliver-amqp`: publishes to customers' RabbitMQ queues, one attempt per message, and schedules retries.

mod sender;

use delivery::Context;

/// Runs the function until Lambda ends it.
#[tokio::main(flavor = "current_thread")]
pub async fn run() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let allowed = start.allowed_networks();
    let sender = sender::RabbitMqSender(channels::amqp::BrokerClient::new(allowed));
    let context = Context::new(&mut start, "AMQP_QUEUE");
    delivery::run(start, context, sender).await
}
