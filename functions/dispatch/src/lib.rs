//! `dispatch`: reads the table's stream. It queues the processing of pending items, the deliveries and pushes of published
//! notifications and the tasks of image processes, and counts the changes of items.

mod context;
mod handler;
mod inboxes;
mod items;
mod notifications;
mod pushes;

/// Runs the function until Lambda ends it.
#[tokio::main(flavor = "current_thread")]
pub async fn run() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let context = context::Context {
        table: start.table(),
        processing: start.process_queues(),
        delivery_queues: start.delivery_queues(),
        pushes: start.queue("PUSH_QUEUE"),
        renders: start.queue("RENDER_QUEUE"),
        presence: inbox::presence::Presence::default(),
        dead_letters: start.queue("DEAD_LETTERS"),
    };
    start.stream(async |now, records| handler::handle(&context, now, records).await).await
}
