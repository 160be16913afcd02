//! `scan`: lists one page of a bucket, stores its new items, and queues its own continuation.

mod context;
mod handler;
mod page;

use std::sync::Arc;

/// Runs the function until Lambda ends it.
#[tokio::main(flavor = "current_thread")]
pub async fn run() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let table = start.table();
    let context = context::Context {
        settings: entry::AppSettings::new(table.clone()),
        secrets: entry::Secrets::new(table.clone(), Arc::new(start.seal())),
        table,
        scan_queue: start.queue("SCAN_QUEUE"),
        allowed_networks: start.allowed_networks(),
        meter: start.meter(),
    };
    start.sqs(1, async |now, message| handler::handle(&context, now, message).await).await
}
