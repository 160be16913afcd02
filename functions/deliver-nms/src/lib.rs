//! `deliver-nms`: posts the event lists of subscriptions to boxes (NMS 6.19) to other servers' `notifyURL`s, and schedules
//! retries.

mod context;
mod handler;
mod policy;

use std::sync::Arc;

use channels::webhook::WebhookClient;
use entry::Secrets;

use crate::context::Context;

/// Subscriptions that an invocation posts to at a time: a batch of the template.
const MAX_CONCURRENT: usize = 10;

/// Runs the function until Lambda ends it.
#[tokio::main(flavor = "current_thread")]
pub async fn run() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let table = start.table();
    let context = Context {
        secrets: Secrets::new(table.clone(), Arc::new(start.seal())),
        table,
        client: WebhookClient::new(start.allowed_networks()),
        queue: start.queue("NMS_QUEUE"),
        push_queue: start.queue("PUSH_QUEUE"),
    };
    start.sqs(MAX_CONCURRENT, async |now, message| handler::handle(&context, now, message).await).await
}
