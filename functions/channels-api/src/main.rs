//! `channels-api`: applications, tokens and channel configurations over HTTP.

use std::sync::Arc;

use channels_api::{State, router};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let (table, seal) = (start.table(), Arc::new(start.seal()));
    let state = State {
        callers: entry::http::Callers::new(table.clone(), seal.clone()),
        secrets: Arc::new(entry::Secrets::new(table.clone(), seal.clone())),
        operator_key_hash: start.text("OPERATOR_KEY_HASH"),
        allowed: start.allowed_networks(),
        table,
        seal,
    };
    start.http(router(state)).await
}
