//! `socket`: the sockets of users, in three protocols: ours, the seed's, and SignalR's.

mod actions;
mod connect;
mod credentials;
mod handler;
mod native;
mod signalr;

use std::sync::Arc;

use channels::socket::Posts;
use domain::application::Scope;
use inbox::sending::Lines;

/// Runs the function until Lambda ends it.
#[tokio::main(flavor = "current_thread")]
pub async fn run() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let (table, seal, posts) = (start.table(), Arc::new(start.seal()), Posts::new(start.sockets()));
    let parts = handler::Parts {
        callers: entry::http::Callers::new(table.clone(), seal, &start.allowed_networks(), Scope::Inbox),
        pages: start.listed(&table),
        lines: Lines { table: table.clone(), posts },
        looked: entry::Remembered::new(10_000),
        pushes: start.queue("PUSH_QUEUE"),
        open: start.text("INBOX_AUTH") == "open",
        table,
    };
    start.socket(async |now, id, happened| handler::handle(&parts, now, id, happened).await).await
}
