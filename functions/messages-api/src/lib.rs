//! `messages-api`: applications publish events of their own, and read what was published in their stream.

mod cloud_event;
mod context;
mod message;
mod publish;
mod read;

use std::sync::Arc;

use channels::management::ManagementClient;
use domain::application::Scope;
use entry::http::{Authenticator, CorsPolicy};
use inbox::connection_sender::ConnectionSender;
use inbox::socket_pusher::SocketPusher;
use publisher::Publisher;
use type_schemas::{STACK_BYTES, TypeSchemas};

use crate::context::Context;

/// Runs the function until Lambda ends it.
pub fn run() -> Result<(), entry::Error> {
    // as `#[tokio::main(flavor = "current_thread")]`, which cannot set the stack size of blocking threads
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().thread_stack_size(STACK_BYTES).build()?;
    runtime.block_on(serve())
}

async fn serve() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let (table, seal) = (start.table(), Arc::new(start.seal()));
    let authenticator = Authenticator::new(table.clone(), seal, &start.allowed_networks(), Scope::Messages);
    let cors = CorsPolicy::AllowedOrigins(start.allowed_origins(&table));
    let management = ManagementClient::new(start.management_client());
    let pusher = SocketPusher::new(ConnectionSender { table: table.clone(), management }, start.queue("PUSH_QUEUE"));
    let publisher = Publisher { table, delivery_queues: start.delivery_queues(), pusher };
    let context = Context { publisher, authenticator, type_schemas: TypeSchemas::default() };
    start.http(router(context), cors).await
}

/// The routes, to serve.
fn router(context: Context) -> axum::Router {
    let (router, _) = routes().split_for_parts();
    router.with_state(context)
}

entry::api_routes! {
    Context:
    [publish::publish, read::list],
    [read::get],
}
