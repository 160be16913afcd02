//! `process`: runs a processor on an item. One crate, one function resource per processor.

mod handler;
mod lease;
mod pipeline;
mod workspace;

use std::sync::Arc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let table = start.table();
    let parts = handler::Parts {
        secrets: entry::Secrets::new(table.clone(), Arc::new(start.seal())),
        table,
        s3: start.s3(),
        results: start.text("RESULTS"),
        lease: time::Duration::seconds(i64::from(start.number("LEASE_SECONDS"))),
        ffmpeg: start.text("FFMPEG"),
        allowed: start.allowed_networks(),
        meter: start.meter(),
    };
    workspace::clean();
    start.sqs(1, async |_, message| handler::handle(&parts, message).await).await
}
