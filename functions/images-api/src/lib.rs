//! The routes of image tasks. A library beside its program, so that `docs-api` can describe them.

mod fields;
mod forms;
mod generate;
mod look;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, FromRef};
use domain::address::Allowed;
use entry::Secrets;
use entry::http::Callers;
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

/// The routes, to serve.
pub fn router(state: State) -> axum::Router {
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
