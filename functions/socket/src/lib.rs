//! `socket`: users' WebSocket connections, in four protocols: native, legacy, SignalR, and that of OMA's notification channels.

mod actions;
mod connect;
mod context;
mod credentials;
mod error;
mod handler;
mod native;
mod oma;
mod signalr;

use std::sync::Arc;

use domain::application::Scope;
use inbox::connection_sender::ConnectionSender;
use notification_channel::{ChannelSender, ChannelUrls};

use context::Context;

/// Runs the function until Lambda ends it.
#[tokio::main(flavor = "current_thread")]
pub async fn run() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let (table, seal) = (start.table(), Arc::new(start.seal()));
    let sender = ConnectionSender::new(&mut start, table.clone());
    let push_queue = start.queue("PUSH_QUEUE");
    let secrets = entry::Secrets::new(table.clone(), seal.clone());
    let context = Context {
        authenticator: entry::http::Authenticator::new(table.clone(), seal, &start.allowed_networks(), Scope::Inbox),
        channel_urls: ChannelUrls::new(secrets, &start.text("SOCKET_ENDPOINT")),
        channel_sender: ChannelSender::new(sender.clone(), push_queue.clone()),
        allowed_origins: start.allowed_origins(&table),
        sender,
        heads_sent: entry::TtlCache::new(10_000),
        push_queue,
        open_inbox: start.text("INBOX_AUTH") == "open",
        table,
    };
    start.websocket(async |now, id, event| handler::handle(&context, now, id, event).await).await
}
