//! `iconik-ingest`: turns what Iconik announces into items, and keeps the connection to Iconik healthy.

mod asset;
mod check;
mod context;
mod error;
mod external_message;
mod external_queue;
mod handler;
mod store;
mod walk;

use time::Duration;

/// Runs the function until Lambda ends it.
#[tokio::main(flavor = "current_thread")]
pub async fn run() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let (table, allowed, meter) = (start.table(), start.allowed_networks(), start.meter());
    let secrets = start.secrets(&table);
    let context = context::Context {
        settings: entry::AppSettings::new(table.clone()),
        connections: iconik::Connections::new(table.clone(), secrets.clone(), allowed.clone(), meter.clone()),
        queue: start.queue("ICONIK_QUEUE"),
        dead_letter_queue: start.queue("DEAD_LETTERS"),
        first_wait: Duration::seconds(i64::from(start.number("WAIT_SECONDS"))),
        iconik_hosts: start.text("ICONIK_HOSTS"),
        table,
        secrets,
        allowed_networks: allowed,
        meter,
    };
    start.sqs(4, async |now, message| handler::handle(&context, now, message).await).await
}
