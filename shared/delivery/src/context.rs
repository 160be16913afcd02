//! What deliveries need: table, secrets, queues and the rendered images.

use std::sync::Arc;

use entry::{Queue, Secrets, Start};
use table::Table;
use tokio::sync::Semaphore;

/// What a delivery function works with.
pub struct Context {
    pub table: Table,
    pub secrets: Secrets,
    /// The function's own queue: its deliveries come from it, and retries go back to it.
    pub queue: Queue,
    /// The queue for deliveries to slow receivers. `None` in the function that reads that queue: it waits for the whole
    /// response time.
    pub slow_queue: Option<Queue>,
    /// Rendered images, which messages can contain.
    pub images: ResultImages,
}

/// The bucket with the results of image tasks.
pub struct ResultImages {
    pub s3: aws_sdk_s3::Client,
    pub bucket: String,
    /// A permit per image that is in memory.
    pub downloads: Semaphore,
}

impl Context {
    /// The context of a function whose own queue the setting `queue` names.
    pub fn new(start: &mut Start, queue: &'static str) -> Self {
        let table = start.table();
        Self {
            secrets: Secrets::new(table.clone(), Arc::new(start.seal())),
            table,
            queue: start.queue(queue),
            slow_queue: start.optional_queue("SLOW_QUEUE"),
            images: ResultImages { s3: start.s3(), bucket: start.text("RESULTS"), downloads: Semaphore::new(2) },
        }
    }
}
