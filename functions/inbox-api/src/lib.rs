//! `inbox-api`: users' inboxes over HTTP, and the legacy routes.

mod append;
mod context;
mod dto;
mod inbox_caller;
mod legacy;
mod list;
mod negotiate;
mod preferences;
mod problems;
mod read_state;
mod revise;
mod send;
mod tokens;
mod types;

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
    let authenticator = Authenticator::new(table.clone(), seal, &start.allowed_networks(), Scope::Inbox);
    let open_inbox = start.text("INBOX_AUTH") == "open";
    let cors = CorsPolicy::AllowedOrigins(start.allowed_origins(&table));
    let plan_limits = start.plan_limits(&table);
    let pusher = SocketPusher::new(&mut start, table.clone());
    let publisher = Publisher::new(&mut start, pusher.clone());
    let type_schemas = TypeSchemas::default();
    let context = Context { table, authenticator, open_inbox, type_schemas, pusher, publisher, plan_limits };
    start.http(router(context), cors).await
}

/// The routes, to serve.
fn router(context: Context) -> axum::Router {
    let (router, _) = routes().split_for_parts();
    router.with_state(context)
}

entry::api_routes! {
    Context:
    [send::to_user, list::list],
    [send::to_many],
    [send::to_group, list::list_of_group],
    [send::to_everyone, list::list_of_everyone],
    [list::get_of_group],
    [list::get_of_everyone],
    [tokens::create_ticket],
    [tokens::create_token],
    [negotiate::negotiate],
    [list::get, revise::update, revise::retract],
    [preferences::get, preferences::put],
    [types::list],
    [types::put, types::delete],
    [list::counts],
    [read_state::change_read_state],
    [legacy::create, legacy::list_all],
    [legacy::list_of_user, legacy::mark_read],
}
