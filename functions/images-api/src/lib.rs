//! `images-api`: renditions over HTTP: starts render processes, shows their progress, serves the pictures. `docs-api`
//! serves the description of the routes.

mod context;
mod form_data;
mod form_schema;
mod generate;
mod processes;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use domain::application::Scope;
use entry::Secrets;
use entry::http::{Authenticator, CorsPolicy};

use crate::context::Context;

/// Bytes of a request body, at most. API Gateway passes it to Lambda within 6 MB, an upload as base64.
const MAX_BODY_BYTES: usize = 6 << 20;

/// Runs the function until Lambda ends it.
#[tokio::main(flavor = "current_thread")]
pub async fn run() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let (table, seal) = (start.table(), Arc::new(start.seal()));
    let allowed_networks = start.allowed_networks();
    let authenticator = Authenticator::new(table.clone(), seal.clone(), &allowed_networks, Scope::Images);
    let secrets = Arc::new(Secrets::new(table.clone(), seal));
    let cors = CorsPolicy::AllowedOrigins(start.allowed_origins(&table));
    let context = Context {
        authenticator,
        secrets,
        s3: start.s3(),
        results_bucket: start.text("RESULTS"),
        allowed_networks,
        table,
    };
    start.http(router(context), cors).await
}

fn router(context: Context) -> axum::Router {
    let (router, _) = routes().split_for_parts();
    router.layer(DefaultBodyLimit::max(MAX_BODY_BYTES)).with_state(context)
}

entry::api_routes! {
    Context:
    [generate::generate],
    [processes::check_user_progress],
    [processes::check_application_progress],
    [processes::download],
}
