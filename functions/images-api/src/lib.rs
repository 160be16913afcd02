//! `images-api`: image tasks over HTTP: asked for, looked at, and their pictures. `docs-api` describes the routes.

mod fields;
mod forms;
mod generate;
mod look;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, FromRef};
use domain::address::Allowed;
use domain::application::Scope;
use entry::Secrets;
use entry::http::{Callers, Pages};
use table::Table;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// A request at most: API Gateway and Lambda take 6 MB, in which an upload stands in base64.
const MOST_BYTES: usize = 6 << 20;

/// What the endpoints work with.
#[derive(Clone)]
pub struct State {
    pub table: Table,
    pub callers: Callers,
    pub secrets: Arc<Secrets>,
    pub s3: aws_sdk_s3::Client,
    /// The bucket of results.
    pub results: String,
    pub allowed: Allowed,
}

impl FromRef<State> for Callers {
    fn from_ref(state: &State) -> Self {
        state.callers.clone()
    }
}

/// Runs the function until Lambda ends it.
#[tokio::main(flavor = "current_thread")]
pub async fn run() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let (table, seal) = (start.table(), Arc::new(start.seal()));
    let allowed = start.allowed_networks();
    let callers = Callers::new(table.clone(), seal.clone(), &allowed, Scope::Images);
    let secrets = Arc::new(Secrets::new(table.clone(), seal));
    let pages = Pages::Listed(start.listed(&table));
    let state = State { callers, secrets, s3: start.s3(), results: start.text("RESULTS"), allowed, table };
    start.http(router(state), pages).await
}

/// The routes, to serve.
fn router(state: State) -> axum::Router {
    let (router, _) = routes().split_for_parts();
    router.layer(DefaultBodyLimit::max(MOST_BYTES)).with_state(state)
}

/// The routes, to describe: without the handlers, so that whoever describes them does not carry them.
#[derive(OpenApi)]
#[openapi(paths(generate::generate, look::of_user, look::all, look::download))]
struct Description;

/// The description of the routes.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Description::openapi()
}

fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new()
        .routes(routes!(generate::generate))
        .routes(routes!(look::of_user))
        .routes(routes!(look::all))
        .routes(routes!(look::download))
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
