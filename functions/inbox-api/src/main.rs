//! `inbox-api`: users' inboxes over HTTP, and the seed's own routes.

use std::sync::Arc;

use channels::socket::Posts;
use domain::application::Scope;
use entry::http::Pages;
use inbox::sending::Lines;
use inbox_api::{STACK, State, router};

fn main() -> Result<(), entry::Error> {
    // as `#[tokio::main(flavor = "current_thread")]`, which cannot say how large the stacks of other threads are
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().thread_stack_size(STACK).build()?;
    runtime.block_on(run())
}

async fn run() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let (table, seal, posts) = (start.table(), Arc::new(start.seal()), Posts::new(start.sockets()));
    let callers = entry::http::Callers::new(table.clone(), seal, &start.allowed_networks(), Scope::Inbox);
    let (open, types) = (start.text("INBOX_AUTH") == "open", inbox_api::Types::default());
    let pages = Pages::Listed(start.listed(&table));
    let state = State { callers, open, lines: Lines { table: table.clone(), posts }, table, types };
    start.http(router(state), pages).await
}
