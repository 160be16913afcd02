//! The routes of buckets, items, settings and the connection to Iconik. A library beside its program, so that `docs-api` can describe them.

mod bucket;
mod dto;
mod iconik;
mod issuer;
mod item;
mod settings;

use std::sync::Arc;

use axum::extract::FromRef;
use domain::address::Allowed;
use entry::http::Callers;
use entry::{Queue, Secrets};
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
    pub scans: Queue,
    /// The queue of `iconik-ingest`.
    pub ingest: Queue,
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
    router.with_state(state)
}

/// The routes, to describe: without the handlers, so that whoever describes them does not carry them.
#[derive(OpenApi)]
#[openapi(paths(
    bucket::list,
    bucket::create,
    bucket::get,
    bucket::replace,
    bucket::remove,
    bucket::scan,
    item::list,
    item::get,
    item::reprocess,
    item::preview,
    item::summary,
    settings::get,
    settings::put,
    iconik::get,
    iconik::check,
    iconik::backfill
))]
struct Description;

/// The description of the routes.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Description::openapi()
}

fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new()
        .routes(routes!(bucket::list, bucket::create))
        .routes(routes!(bucket::get, bucket::replace, bucket::remove))
        .routes(routes!(bucket::scan))
        .routes(routes!(item::list))
        .routes(routes!(item::get))
        .routes(routes!(item::reprocess))
        .routes(routes!(item::preview))
        .routes(routes!(item::summary))
        .routes(routes!(settings::get, settings::put))
        .routes(routes!(iconik::get))
        .routes(routes!(iconik::check))
        .routes(routes!(iconik::backfill))
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
