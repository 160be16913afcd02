//! `inbox-api`: users' inboxes over HTTP, and the seed's own routes.

use std::sync::Arc;

use domain::application::Scope;
use inbox_api::{State, router};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let (table, seal) = (start.table(), Arc::new(start.seal()));
    let callers = entry::http::Callers::new(table.clone(), seal, &start.allowed_networks(), Scope::Inbox);
    let state = State { callers, open: start.text("INBOX_AUTH") == "open", table, types: inbox_api::Types::default() };
    start.http(router(state)).await
}
