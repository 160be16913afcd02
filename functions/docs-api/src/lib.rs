//! `docs-api`: describes every route that there is, shows the description, and the guide. It may touch nothing.

mod document;
mod guide;
mod markdown;
mod oma;
mod operations;
mod pages;
mod responses;
mod schemas;

use entry::http::CorsPolicy;

/// Runs the function until Lambda ends it.
#[tokio::main(flavor = "current_thread")]
pub async fn run() -> Result<(), entry::Error> {
    entry::start().await.http(pages::router(), CorsPolicy::AnyOrigin).await
}
