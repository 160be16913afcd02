//! `messages-api`: applications publish events of their own, and read what was published in their stream.

mod cloud_event;
mod context;
mod message;
mod publish;
mod read;

use std::sync::Arc;

use domain::application::Scope;
use entry::http::{Authenticator, CorsPolicy};
use inbox::socket_pusher::SocketPusher;
use publisher::Publisher;
use type_schemas::TypeSchemas;

use crate::context::Context;

/// Runs the function until Lambda ends it.
pub fn run() -> Result<(), entry::Error> {
    type_schemas::runtime()?.block_on(serve())
}

async fn serve() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let (table, seal) = (start.table(), Arc::new(start.seal()));
    let authenticator = Authenticator::new(table.clone(), seal, &start.allowed_networks(), Scope::Messages);
    let cors = CorsPolicy::AllowedOrigins(start.allowed_origins(&table));
    let plan_limits = start.plan_limits(&table);
    let pusher = SocketPusher::new(&mut start, table);
    let publisher = Publisher::new(&mut start, pusher);
    let context = Context { publisher, authenticator, type_schemas: TypeSchemas::default(), plan_limits };
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
