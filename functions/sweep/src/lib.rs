//! `sweep`, each minute: queues scans, checks of asset managers and looks at subscriptions that are due, releases jobs whose
//! lease has run out, ends those past their deadline, queues questions to the backends of those that run, queues retries that
//! are due and the expiry of notifications, escalates notifications that are still unread, and looks at the queues.

mod asset_managers;
mod billing;
mod context;
mod due;
mod error;
mod handler;
mod jobs;
mod queues;
mod scans;

use error::SweepError;

/// Runs the function until Lambda ends it.
#[tokio::main(flavor = "current_thread")]
pub async fn run() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let context = context::Context {
        table: start.table(),
        scans: start.queue("SCAN_QUEUE"),
        asset_managers: start.queue("ICONIK_QUEUE"),
        billing: start.queue("BILLING_QUEUE"),
        processing: start.process_queues(),
        delivery_queues: start.delivery_queues(),
        pushes: start.queue("PUSH_QUEUE"),
        work_queues: start.queue_depths("WORK_QUEUES", "SCAN_QUEUE"),
        dead_letter_queues: start.queue_depths("DEAD_LETTER_QUEUES", "SCAN_QUEUE"),
        name: entry::clock::random_alphanumeric(20),
    };
    start.schedule::<SweepError>(async |now| handler::handle(&context, now).await).await
}
