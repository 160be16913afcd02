//! The routes of applications, tokens and channels. A library beside its program, so that `docs-api` can describe them.

mod application;
mod caller;
mod configuration;
mod deliveries;
mod dto;
mod envelope;
mod form;
mod token;
mod webhook;

use std::sync::Arc;

use domain::address::Allowed;
use entry::http::Callers;
use entry::{Seal, Secrets};
use table::Table;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What the endpoints work with.
#[derive(Clone)]
pub struct State {
    pub table: Table,
    pub callers: Callers,
    pub secrets: Arc<Secrets>,
    pub seal: Arc<Seal>,
    /// SHA-256 of the operator's key, in hex; empty means that nobody has it.
    pub operator_key_hash: String,
    pub allowed: Allowed,
}

/// The routes, to serve.
pub fn router(state: State) -> axum::Router {
    let (router, _) = routes().split_for_parts();
    router.with_state(state)
}

/// The routes, to describe: without the handlers, so that whoever describes them does not carry them.
#[derive(OpenApi)]
#[openapi(paths(
    application::create,
    token::generate,
    webhook::create,
    configuration::get,
    configuration::remove,
    configuration::all,
    configuration::active,
    deliveries::list
))]
struct Description;

/// The description of the routes.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Description::openapi()
}

fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new()
        .routes(routes!(application::create))
        .routes(routes!(token::generate))
        .routes(routes!(webhook::create))
        .routes(routes!(configuration::get, configuration::remove))
        .routes(routes!(configuration::all))
        .routes(routes!(configuration::active))
        .routes(routes!(deliveries::list))
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
