//! `deliver-push`: sends notifications and changes of the read state to open sockets, by the topics that they subscribe to.

mod context;
mod handler;

use channels::management::ManagementClient;
use inbox::connection_sender::ConnectionSender;

use context::Context;

/// Runs the function until Lambda ends it.
#[tokio::main(flavor = "current_thread")]
pub async fn run() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let (table, management) = (start.table(), ManagementClient::new(start.management_client()));
    let sender = ConnectionSender { table: table.clone(), management };
    let context = Context { table, sender, queue: start.queue("PUSH_QUEUE") };
    start.batches(async |now, messages| handler::handle(&context, now, messages).await).await
}
