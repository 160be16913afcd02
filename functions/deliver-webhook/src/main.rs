//! `deliver-webhook`: one attempt per message, its outcome, its retry.

mod handler;
mod settle;

use std::sync::Arc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let (table, allowed) = (start.table(), start.allowed_networks());
    let parts = handler::Parts {
        secrets: entry::Secrets::new(table.clone(), Arc::new(start.seal())),
        table,
        queue: start.queue("WEBHOOK_QUEUE"),
        client: guard::client(&allowed, Some(guard::TOTAL))?,
        allowed,
    };
    start.batches(async |now, messages| handler::handle(&parts, now, messages).await).await
}
