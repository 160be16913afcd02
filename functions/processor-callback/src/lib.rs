//! `processor-callback`: what external processors say of their jobs (processors, section 5.4). `docs-api` serves the
//! description of the contract.

mod callback;
mod context;
mod refusal;

use axum::routing::post;
use entry::http::CorsPolicy;

use crate::context::Context;

/// Runs the function until Lambda ends it.
#[tokio::main(flavor = "current_thread")]
pub async fn run() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let table = start.table();
    let context =
        Context { secrets: start.secrets(&table), s3: start.s3(), results_bucket: start.text("RESULTS"), table };
    let router = axum::Router::new().route("/jobs/{job}/callback/{attempt}", post(callback::receive));
    start.http(router.with_state(context), CorsPolicy::SameOrigin).await
}
