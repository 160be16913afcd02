//! `media-api`: buckets and items over HTTP.

use std::sync::Arc;

use domain::application::Scope;
use entry::http::Pages;
use media_api::{State, router};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let (table, seal) = (start.table(), Arc::new(start.seal()));
    let allowed = start.allowed_networks();
    let pages = Pages::Listed(start.listed(&table));
    let state = State {
        callers: entry::http::Callers::new(table.clone(), seal.clone(), &allowed, Scope::Media),
        secrets: Arc::new(entry::Secrets::new(table.clone(), seal)),
        scans: start.queue("SCAN_QUEUE"),
        ingest: start.queue("ICONIK_QUEUE"),
        s3: start.s3(),
        results: start.text("RESULTS"),
        allowed,
        table,
    };
    start.http(router(state), pages).await
}
