//! `deliver-push`: tells open sockets what happened, by the channels that they receive on.

mod handler;

use channels::socket::Posts;
use inbox::sending::Lines;

/// Runs the function until Lambda ends it.
#[tokio::main(flavor = "current_thread")]
pub async fn run() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let (table, posts) = (start.table(), Posts::new(start.sockets()));
    let parts =
        handler::Parts { lines: Lines { table: table.clone(), posts }, table, queue: start.queue("PUSH_QUEUE") };
    start.batches(async |now, messages| handler::handle(&parts, now, messages).await).await
}
