//! `deliver-push`: tells open sockets what happened, by the channels that they receive on.

mod handler;

use channels::management::ManagementClient;
use inbox::connection_sender::ConnectionSender;

/// Runs the function until Lambda ends it.
#[tokio::main(flavor = "current_thread")]
pub async fn run() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let (table, management) = (start.table(), ManagementClient::new(start.management_client()));
    let context = handler::Context {
        sender: ConnectionSender { table: table.clone(), management },
        table,
        queue: start.queue("PUSH_QUEUE"),
    };
    start.batches(async |now, messages| handler::handle(&context, now, messages).await).await
}
