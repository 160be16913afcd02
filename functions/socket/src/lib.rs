//! `socket`: users' WebSocket connections, in three protocols: native, legacy and SignalR.

mod actions;
mod connect;
mod context;
mod credentials;
mod error;
mod handler;
mod native;
mod signalr;

use std::sync::Arc;

use domain::application::Scope;
use inbox::connection_sender::ConnectionSender;

use context::Context;

/// Runs the function until Lambda ends it.
#[tokio::main(flavor = "current_thread")]
pub async fn run() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let (table, seal) = (start.table(), Arc::new(start.seal()));
    let context = Context {
        authenticator: entry::http::Authenticator::new(table.clone(), seal, &start.allowed_networks(), Scope::Inbox),
        allowed_origins: start.allowed_origins(&table),
        sender: ConnectionSender::new(&mut start, table.clone()),
        heads_sent: entry::TtlCache::new(10_000),
        push_queue: start.queue("PUSH_QUEUE"),
        open_inbox: start.text("INBOX_AUTH") == "open",
        table,
    };
    start.websocket(async |now, id, event| handler::handle(&context, now, id, event).await).await
}
