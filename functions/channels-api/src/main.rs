//! `channels-api`: applications, tokens and channel configurations over HTTP.

use std::sync::Arc;

use channels_api::{State, router};
use domain::application::Scope;
use entry::http::Pages;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let (table, seal) = (start.table(), Arc::new(start.seal()));
    let allowed = start.allowed_networks();
    let pages = Pages::Listed(start.listed(&table));
    let state = State {
        callers: entry::http::Callers::new(table.clone(), seal.clone(), &allowed, Scope::Channels),
        secrets: Arc::new(entry::Secrets::new(table.clone(), seal.clone())),
        operator_key_hash: start.text("OPERATOR_KEY_HASH"),
        allowed,
        outlets: start.outlets(),
        reveal_secrets: start.text("REVEAL_SECRETS"),
        table,
        seal,
    };
    start.http(router(state), pages).await
}
