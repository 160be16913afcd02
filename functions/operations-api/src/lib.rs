//! `operations-api`: dead letters of an application, which it may send back to their queues or discard, and its usage.

mod context;
mod dead_letters;
mod exhausted;
mod search;
mod usage;

use std::sync::Arc;

use domain::application::Scope;
use entry::http::{Authenticator, CorsPolicy};

use crate::context::{Context, LetterQueues};

/// Runs the function until Lambda ends it.
#[tokio::main(flavor = "current_thread")]
pub async fn run() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let (table, seal) = (start.table(), Arc::new(start.seal()));
    let authenticator = Authenticator::new(table.clone(), seal, &start.allowed_networks(), Scope::Keys);
    let cors = CorsPolicy::AllowedOrigins(start.allowed_origins(&table));
    let letters = Arc::new(LetterQueues::new(&mut start));
    start.http(router(Context { table, authenticator, letters }), cors).await
}

/// The routes, to serve.
fn router(context: Context) -> axum::Router {
    let (router, _) = routes().split_for_parts();
    router.with_state(context)
}

entry::api_routes! {
    Context:
    [dead_letters::list],
    [dead_letters::redrive],
    [dead_letters::discard],
    [usage::get],
}
