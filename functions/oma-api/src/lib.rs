//! `oma-api`: OMA's Notification Channel API V1.0, its message store (NMS V1.0), and the short paths of the seed's dialect.

mod answer;
mod callback;
mod channels;
mod context;
mod create;
mod dialect;
mod handler;
mod nms;
mod poll;
mod proxy;
mod request;
mod route;
mod short;

use std::sync::Arc;

use domain::application::Scope;
use entry::Secrets;
use entry::http::{Authenticator, CorsPolicy};
use inbox::connection_sender::ConnectionSender;
use message_store::Subscribers;
use notification_channel::{ChannelSender, ChannelUrls};

use crate::context::Context;

/// Runs the function until Lambda ends it.
#[tokio::main(flavor = "current_thread")]
pub async fn run() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let (table, seal) = (start.table(), Arc::new(start.seal()));
    let allowed_networks = start.allowed_networks();
    let authenticator = Authenticator::new(table.clone(), seal.clone(), &allowed_networks, Scope::Oma);
    let cors = CorsPolicy::AllowedOrigins(start.allowed_origins(&table));
    let urls = ChannelUrls::new(Secrets::new(table.clone(), seal), &start.text("SOCKET_ENDPOINT"));
    let connections = ConnectionSender::new(&mut start, table.clone());
    let push_queue = start.queue("PUSH_QUEUE");
    let sender = ChannelSender::new(connections, push_queue.clone());
    let subscribers = Subscribers::new(sender.clone(), push_queue, start.queue("NMS_QUEUE"));
    let server_root = start.optional("SERVER_ROOT");
    let context = Context { table, authenticator, urls, sender, subscribers, server_root, allowed_networks };
    start.http(handler::router(context), cors).await
}
