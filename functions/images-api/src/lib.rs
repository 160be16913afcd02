//! `images-api`: image tasks over HTTP: asked for, looked at, and their pictures. `docs-api` describes the routes.

mod form_data;
mod form_schema;
mod generate;
mod processes;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, FromRef};
use domain::application::Scope;
use domain::ssrf::AllowedNetworks;
use entry::Secrets;
use entry::http::{Authenticator, CorsPolicy};
use table::Table;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// A request at most: API Gateway and Lambda take 6 MB, in which an upload stands in base64.
const MAX_BODY_BYTES: usize = 6 << 20;

/// What the endpoints work with.
#[derive(Clone)]
pub struct Context {
    pub table: Table,
    pub callers: Authenticator,
    pub secrets: Arc<Secrets>,
    pub s3: aws_sdk_s3::Client,
    /// The bucket of results.
    pub results_bucket: String,
    pub allowed_networks: AllowedNetworks,
}

impl FromRef<Context> for Authenticator {
    fn from_ref(state: &Context) -> Self {
        state.callers.clone()
    }
}

/// Runs the function until Lambda ends it.
#[tokio::main(flavor = "current_thread")]
pub async fn run() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let (table, seal) = (start.table(), Arc::new(start.seal()));
    let allowed_networks = start.allowed_networks();
    let callers = Authenticator::new(table.clone(), seal.clone(), &allowed_networks, Scope::Images);
    let secrets = Arc::new(Secrets::new(table.clone(), seal));
    let pages = CorsPolicy::AllowedOrigins(start.allowed_origins(&table));
    let state =
        Context { callers, secrets, s3: start.s3(), results_bucket: start.text("RESULTS"), allowed_networks, table };
    start.http(router(state), pages).await
}

/// The routes, to serve.
fn router(state: Context) -> axum::Router {
    let (router, _) = routes().split_for_parts();
    router.layer(DefaultBodyLimit::max(MAX_BODY_BYTES)).with_state(state)
}

/// The routes, to describe: without the handlers, so that whoever describes them does not carry them.
#[derive(OpenApi)]
#[openapi(paths(
    generate::generate,
    processes::check_user_progress,
    processes::check_application_progress,
    processes::download
))]
struct Description;

/// The description of the routes.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Description::openapi()
}

fn routes() -> OpenApiRouter<Context> {
    OpenApiRouter::new()
        .routes(routes!(generate::generate))
        .routes(routes!(processes::check_user_progress))
        .routes(routes!(processes::check_application_progress))
        .routes(routes!(processes::download))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_described() {
        let served = routes().into_openapi().paths;
        let described = openapi().paths;
        let names = |it: &utoipa::openapi::Paths| it.paths.keys().cloned().collect::<Vec<String>>();
        assert_eq!(names(&described), names(&served));
    }
}
